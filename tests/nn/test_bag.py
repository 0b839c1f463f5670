from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import sparse

from scvi_xmodal.nn import SparseRows, bag_product
from scvi_xmodal.nn._bag import _forward

SHAPES = [(7, 5, 3), (1, 1, 1), (1, 6, 2), (4, 1, 2), (5, 9, 1)]


def _weight(n_columns, n_output, dtype=torch.float64, seed=3):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n_columns, n_output, generator=generator, dtype=dtype)


@pytest.mark.parametrize("index_type", [torch.int32, torch.int64])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_equals_the_dense_product_with_its_gradients(random_rows, shape, index_type):
    n_rows, n_columns, n_output = shape
    rows = random_rows(n_rows, n_columns)
    columns, offsets = rows.columns.to(index_type), rows.offsets.to(index_type)
    upstream = _weight(n_rows, n_output, seed=4)
    values, weight = rows.values.clone().requires_grad_(), _weight(n_columns, n_output)
    weight.requires_grad_()
    product = bag_product(values, columns, offsets, weight)
    own = torch.autograd.grad(product, (values, weight), upstream)

    dense = rows.with_values(values).to_dense() @ weight
    expected = torch.autograd.grad(dense, (values, weight), upstream)
    torch.testing.assert_close(product, dense)
    torch.testing.assert_close(own, expected)


def test_gradcheck(random_rows):
    rows = random_rows(6, 4)
    inputs = rows.values.clone().requires_grad_(), _weight(4, 2).requires_grad_()
    assert torch.autograd.gradcheck(
        lambda values, weight: bag_product(values, rows.columns, rows.offsets, weight), inputs
    )


def test_the_gradient_is_torchs_own(random_rows):
    rows = random_rows(8, 6)
    weight = _weight(6, 3).requires_grad_()
    parts = rows.values, rows.columns, rows.offsets, weight
    upstream = _weight(8, 3, seed=5)
    (ours,) = torch.autograd.grad(bag_product(*parts), weight, upstream)
    (torchs,) = torch.autograd.grad(_forward(*parts), weight, upstream)
    torch.testing.assert_close(ours, torchs)


@pytest.mark.parametrize("layout", ["transposed", "expanded", "strided"])
def test_upstream_gradients_in_any_layout(random_rows, layout):
    rows = random_rows(6, 4)
    values, weight = rows.values.clone().requires_grad_(), _weight(4, 2).requires_grad_()
    upstream = {
        "transposed": _weight(2, 6, seed=6).t(),
        "expanded": torch.tensor(1.5, dtype=torch.float64).expand(6, 2),
        "strided": _weight(6, 4, seed=6)[:, ::2],
    }[layout]
    product = bag_product(values, rows.columns, rows.offsets, weight)
    own = torch.autograd.grad(product, (values, weight), upstream)
    dense = rows.with_values(values).to_dense() @ weight
    torch.testing.assert_close(own, torch.autograd.grad(dense, (values, weight), upstream))


def test_only_what_needs_a_gradient_gets_one(random_rows):
    rows = random_rows(6, 4)
    weight = _weight(4, 2).requires_grad_()
    bag_product(rows.values, rows.columns, rows.offsets, weight).sum().backward()
    torch.testing.assert_close(weight.grad, rows.to_dense().sum(0)[:, None].expand(4, 2))
    assert rows.values.grad is None
    values = rows.values.clone().requires_grad_()
    bag_product(values, rows.columns, rows.offsets, weight.detach()).sum().backward()
    torch.testing.assert_close(values.grad, weight.detach().sum(1)[rows.columns.long()])


@pytest.mark.parametrize("dtypes", [("float32", "float64"), ("float64", "float32")])
def test_values_and_weight_may_differ_in_precision(random_rows, dtypes):
    of_values, of_weight = (getattr(torch, name) for name in dtypes)
    rows = random_rows(6, 4)
    values = rows.values.to(of_values).requires_grad_()
    weight = _weight(4, 2, of_weight).requires_grad_()
    product = bag_product(values, rows.columns, rows.offsets, weight)
    assert product.dtype == of_weight
    product.sum().backward()
    assert (values.grad.dtype, weight.grad.dtype) == (of_values, of_weight)
    expected = rows.to_dense() @ weight.detach().double()
    torch.testing.assert_close(product.double(), expected, rtol=1e-5, atol=1e-6)


def test_rows_without_values_are_zero():
    rows = SparseRows.from_scipy(sparse.csr_matrix((3, 4), dtype=np.float32))
    weight = _weight(4, 2, torch.float32).requires_grad_()
    product = bag_product(rows.values, rows.columns, rows.offsets, weight)
    assert product.tolist() == [[0.0, 0.0]] * 3
    product.sum().backward()
    assert not weight.grad.any()


def test_a_column_stored_twice_counts_twice():
    weight = torch.tensor([[1.0], [10.0]], requires_grad=True)
    product = bag_product(
        torch.tensor([2.0, 3.0, 4.0]), torch.tensor([1, 1, 0]), torch.tensor([0, 2, 3]), weight
    )
    assert product.tolist() == [[50.0], [4.0]]
    product.sum().backward()
    assert weight.grad.tolist() == [[4.0], [5.0]]


def test_leaves_its_inputs_alone(random_rows):
    rows = random_rows(6, 4)
    before = [part.clone() for part in rows[:3]]
    weight = _weight(4, 2).requires_grad_()
    copy = weight.detach().clone()
    bag_product(*rows[:3], weight).square().sum().backward()
    torch.testing.assert_close(list(rows[:3]), before, rtol=0, atol=0)
    torch.testing.assert_close(weight.detach(), copy, rtol=0, atol=0)
