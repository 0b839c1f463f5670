from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from scipy import sparse

from scvi_xmodal.module import feature_statistics

KINDS = ["rna", "atac", "protein"]
WAYS_TO_CUT = {
    "whole": [0, 30],
    "halves": [0, 15, 30],
    "single rows": list(range(31)),
    "with empty blocks": [0, 0, 7, 7, 30, 30],
}


def _blocks(counts, cuts, dtype=np.float32):
    matrix = sparse.csr_matrix(counts.astype(dtype))
    return [matrix[a:b] for a, b in zip(cuts[:-1], cuts[1:], strict=True)]


def _dense(y, transformed):
    """Return what each field is, on the dense counts."""
    n, n_features = y.shape
    library, depth, detected = y.sum(1), (y > 0).sum(1), (y > 0).sum(0)
    idf = np.where(detected > 0, np.log(1 + n / np.maximum(detected, 1)), 0)
    tfidf = (y > 0) / np.maximum(depth, 1)[:, None] * idf
    return {
        "n_cells": n,
        "count_sum": y.sum(0),
        "n_detected": detected,
        "library": library,
        "depth": depth,
        "median_library": np.median(library[library > 0]),
        "median_depth": np.median(depth[depth > 0]),
        "idf": idf,
        "log_normalized_mean": transformed("log_normalize", y, y).mean(0),
        "clr_mean": transformed("clr", y, y).mean(0),
        "tfidf_sum": tfidf.sum(),
        "tfidf_max": tfidf.max(),
    }


@pytest.mark.parametrize("cuts", WAYS_TO_CUT.values(), ids=WAYS_TO_CUT)
@pytest.mark.parametrize("kind", KINDS)
def test_equal_dense_formulas_however_rows_are_cut(training_counts, transformed, kind, cuts):
    y = training_counts[kind]
    own = feature_statistics(_blocks(y, cuts), n_features=y.shape[1])
    for name, expected in _dense(y, transformed).items():
        np.testing.assert_allclose(getattr(own, name), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("dtype", [np.int64, np.float64, np.uint8, bool])
def test_any_type_of_counts(training_counts, transformed, dtype):
    y = training_counts["atac"].astype(dtype).astype(float)
    own = feature_statistics(_blocks(y, [0, 30], dtype), n_features=y.shape[1])
    for name, expected in _dense(y, transformed).items():
        np.testing.assert_allclose(getattr(own, name), expected, rtol=1e-12, atol=1e-12)


def test_stored_zeros_and_unsorted_columns_change_nothing(training_counts):
    y = training_counts["rna"]
    plain = sparse.csr_matrix(y)
    full = sparse.csr_matrix(np.ones_like(y))
    columns = np.tile(np.arange(y.shape[1])[::-1], y.shape[0])
    awkward = sparse.csr_matrix((y[:, ::-1].ravel(), columns, full.indptr), shape=y.shape)
    own, expected = (feature_statistics([m], n_features=y.shape[1]) for m in (awkward, plain))
    for field in dataclasses.fields(own):
        np.testing.assert_allclose(
            getattr(own, field.name), getattr(expected, field.name), rtol=1e-12, atol=1e-15
        )


@pytest.mark.parametrize("y", [[[3.0]], [[3.0, 0, 1]], [[0.0], [4.0]]], ids=str)
def test_one_cell_or_one_feature(transformed, y):
    y = np.array(y)
    own = feature_statistics([sparse.csr_matrix(y)], n_features=y.shape[1])
    for name, expected in _dense(y, transformed).items():
        np.testing.assert_allclose(getattr(own, name), expected, rtol=1e-12, atol=1e-12)


def test_nothing_measured_at_all():
    own = feature_statistics([sparse.csr_matrix((4, 3))], n_features=3)
    assert own.median_library == own.median_depth == 1
    assert own.tfidf_sum == own.tfidf_max == 0
    for values in (own.idf, own.count_sum, own.log_normalized_mean, own.clr_mean):
        assert values.tolist() == [0, 0, 0]


def test_leaves_the_blocks_alone(training_counts):
    blocks = _blocks(training_counts["rna"], [0, 15, 30])
    before = [block.copy() for block in blocks]
    feature_statistics(blocks, n_features=7)
    for now, then in zip(blocks, before, strict=True):
        np.testing.assert_array_equal(now.toarray(), then.toarray())
