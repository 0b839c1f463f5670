from __future__ import annotations

import numpy as np
import pytest
import torch

from scvi_xmodal.module import TRANSFORMS
from scvi_xmodal.nn import SparseRows

NAMES = ["log_normalize", "tfidf", "tfidf_max", "clr"]
KIND_OF = {"log_normalize": "rna", "tfidf": "atac", "tfidf_max": "atac", "clr": "protein"}


@pytest.fixture(params=NAMES)
def name(request):
    return request.param


@pytest.fixture
def transform(name, make_spec, statistics):
    """A fitted transform in double precision."""
    spec = make_spec(KIND_OF[name], by_chromosome=False)
    fitted = TRANSFORMS[name](spec)
    fitted.fit(statistics(spec))
    return fitted.double()


def _dense(x):
    return (x.to_dense() if isinstance(x, SparseRows) else x).numpy()


def test_equals_the_formula_on_other_cells(
    name, transform, counts, training_counts, rows, transformed
):
    """The statistics are the training cells', the values other cells'."""
    kind = KIND_OF[name]
    own = _dense(transform(rows(counts[kind])))
    expected = transformed(name, counts[kind], training_counts[kind])
    np.testing.assert_allclose(own, expected, rtol=1e-6, atol=1e-12)


def test_empty_cells_are_zero(name, transform, counts, rows):
    own = _dense(transform(rows(np.zeros((2, counts[KIND_OF[name]].shape[1])))))
    assert not own.any()


def test_a_cell_does_not_depend_on_its_company(name, transform, counts, rows):
    y = counts[KIND_OF[name]]
    together = _dense(transform(rows(y)))
    for i in range(len(y)):
        np.testing.assert_array_equal(_dense(transform(rows(y[i : i + 1])))[0], together[i])


def test_stored_zeros_change_nothing(name, transform, counts, rows):
    y = counts[KIND_OF[name]]
    columns = torch.arange(y.shape[1]).repeat(len(y))
    offsets = torch.arange(0, y.size + 1, y.shape[1])
    full = SparseRows(torch.from_numpy(y.ravel()), columns, offsets, y.shape[1])
    np.testing.assert_allclose(_dense(transform(full)), _dense(transform(rows(y))))


def test_leaves_the_counts_alone(name, transform, counts, rows):
    x = rows(counts[KIND_OF[name]])
    before = x.values.clone()
    transform(x)
    torch.testing.assert_close(x.values, before, rtol=0, atol=0)


def test_sparse_input_says_whether_zeros_stay_zeros(name, transform, make_spec, counts, rows):
    kind = KIND_OF[name]
    assert make_spec(kind).settings.sparse_input == isinstance(
        transform(rows(counts[kind])), SparseRows
    )


def test_what_was_fitted_is_saved(name, transform, make_spec, counts, rows):
    other = TRANSFORMS[name](make_spec(KIND_OF[name])).double()
    other.load_state_dict(transform.state_dict())
    x = rows(counts[KIND_OF[name]])
    np.testing.assert_array_equal(_dense(other(x)), _dense(transform(x)))


def test_training_cells_span_the_documented_range(make_spec, statistics, training_counts, rows):
    spec = make_spec("atac", by_chromosome=False)
    y = training_counts["atac"]
    for name, summary in (("tfidf", "mean"), ("tfidf_max", "max")):
        transform = TRANSFORMS[name](spec)
        transform.fit(statistics(spec))
        stored = transform.double()(rows(y)).values
        assert getattr(stored, summary)().item() == pytest.approx(1, rel=1e-6)


def test_clr_rows_sum_to_zero_and_absent_proteins_are_lowest(make_spec, counts, rows):
    x = TRANSFORMS["clr"](make_spec("protein"))(rows(counts["protein"])).numpy()
    np.testing.assert_allclose(x.sum(1), 0, atol=1e-12)
    absent = counts["protein"] == 0
    for values, zero in zip(x, absent, strict=True):
        if zero.any() and not zero.all():
            assert values[zero].max() < values[~zero].min()


def test_single_precision_of_a_large_cell(make_spec, statistics, rows):
    """A million counts must not lose the small ones."""
    spec = make_spec("rna")
    transform = TRANSFORMS["log_normalize"](spec)
    transform.fit(statistics(spec))
    y = np.array([[1e6, 1, 0, 0, 0, 0, 2.0]])
    own = transform(rows(y, np.float32)).to_dense()[0].numpy()
    expected = np.log1p(y[0] / y.sum() * float(transform.median_library))
    np.testing.assert_allclose(own, expected, rtol=1e-5)
