"""Fit the linear paths on training cells and their weights on validation cells."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from scipy import sparse
from sklearn.utils.extmath import randomized_svd

from scvi_xmodal.model._held_out import as_scipy
from scvi_xmodal.model._shrinkage_fit import MIN_CELLS, validation_losses
from scvi_xmodal.module import SHARES, RidgeSums, Shrinkage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from scvi_xmodal.model._held_out import HeldOut

WEIGHTS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0)
"""Weights of the linear path that are tried."""
PRIOR_WEIGHT = 0.4
"""Halfway to this the weight is drawn: validation cells know nothing of unseen types."""
RARE = 5
"""Cells in which a feature must be found for about half of its coefficients to be kept."""
_MAX_VALUES = 1 << 22
"""Stored values that components are taken of: more would cost memory and tell little."""
_BLOCK = 2048
"""Training cells that are read at a time."""


def fit_linear_paths(module: Any, held: HeldOut) -> None:
    """Regress every target on every other source, and weigh that against the network.

    Regressions are of training cells that were measured in both; where fewer than 20 were,
    predictions are the network's alone. The weight is halfway between that with the lowest loss of
    validation cells, where there are 20 of them, and .4 of the regression's own share.

    Parameters
    ----------
    module
        A trained module; models without :class:`~scvi_xmodal.module.LinearPath` are left alone.
    held
        The training and validation cells.
    """
    paths = getattr(module, "linear_paths", {})
    for path in paths.values():  # all first: none may be left with others' components
        path.reset()
    for source, projection in getattr(module, "projections", {}).items():
        projection.fit(torch.from_numpy(_components(module, source, held)))
    for name, path in paths.items():
        source, target = next(own for own in module.paths if "_to_".join(own) == name)
        _regress(module, source, target, held)
        if path.is_fitted:
            _weigh(module, source, target, held)


def _components(module: Any, source: str, held: HeldOut) -> NDArray[np.float32]:
    """Return leading right singular vectors, of shape (n_features, n_components).

    Dense inputs, such as proteins, are standardised first, and the vectors are in units of the
    inputs.
    """
    rows = held.cells.rows(source, "train")
    blocks, n_values = [], 0
    for block in _blocks(np.random.default_rng(0).permutation(rows)):
        blocks.append(as_scipy(module.for_components(source, held.counts(source, block))))
        n_values += blocks[-1].size
        if n_values > _MAX_VALUES:
            break
    n_components = module.architecture.n_components
    if isinstance(blocks[0], np.ndarray):
        x = np.concatenate(blocks)
        spread = x.std(axis=0)
        scale = 1 / np.where(spread > 0, spread, np.inf)
        vectors = _singular_vectors((x - x.mean(axis=0)) * scale, n_components)
        return (scale[:, None] * vectors).astype(np.float32)
    return _singular_vectors(sparse.vstack(blocks), n_components)


def _singular_vectors(x: Any, n_components: int) -> NDArray[np.float32]:
    n_components = min(n_components, min(x.shape) - 1)
    if n_components < 1:  # a single cell or feature: nothing varies that could be regressed on
        return np.zeros((x.shape[1], 0), dtype=np.float32)
    vectors = randomized_svd(x, n_components, n_iter=6, random_state=0)[2].T
    return np.ascontiguousarray(vectors, dtype=np.float32)


def _regress(module: Any, source: str, target: str, held: HeldOut) -> None:
    """Fit a path's coefficients on the training cells that both of its ends measured."""
    every = held.cells.split.train.size
    own, others = held.pairs(source, target, "train", n_values=0, limit=every)
    likelihood = module.decoders[target].likelihood
    path, projection = module.linear_paths[f"{source}_to_{target}"], module.projections[source]
    n_components = projection.components.shape[1]
    if own.size < MIN_CELLS or not n_components:
        return
    sums = RidgeSums(n_components, likelihood.base.shape[0])
    with torch.inference_mode():
        for start in range(0, own.size, _BLOCK):
            block = slice(start, start + _BLOCK)
            z = projection(module.for_components(source, held.counts(source, own[block])))
            counts = held.counts(target, others[block])
            y = likelihood.response(counts, module.transforms[target](counts))
            # float64, so that sums over cells do not depend on how these are grouped
            sums.add(z.cpu().numpy().astype(np.float64), as_scipy(y).astype(np.float64))
        mean = torch.from_numpy(sums.mean).to(likelihood.base)
        overall = _mean_response(module, target, held) if own.size < every else mean
        offset, slope = (value.cpu() for value in likelihood.tangent(mean, overall))
    coefficients, _ = sums.solve()
    # changes of rare features are the least certain and are divided by the smallest slopes
    kept = sums.n_nonzero * (own.size + RARE) / ((sums.n_nonzero + RARE) * own.size)
    coefficients *= kept / slope.numpy()
    path.fit(torch.from_numpy(sums.center), offset, torch.from_numpy(coefficients))


def _mean_response(module: Any, target: str, held: HeldOut) -> torch.Tensor:
    """Return the mean response of all training cells of the target, of shape (n_features,)."""
    likelihood, transform = module.decoders[target].likelihood, module.transforms[target]
    rows = held.cells.rows(target, "train")
    total: Any = 0.0
    for block in _blocks(rows):
        counts = held.counts(target, block)
        y = as_scipy(likelihood.response(counts, transform(counts)))
        total = total + np.asarray(y.sum(axis=0, dtype=np.float64)).ravel()
    return torch.from_numpy(total / rows.size).to(likelihood.base)


def _weigh(module: Any, source: str, target: str, held: HeldOut) -> None:
    """Set how far a path's linear predictions go, and their weight against the network's."""
    name = f"{source}_to_{target}"
    path, share = module.linear_paths[name], module.shrinkages[name].share.item()
    alone = validation_losses(module, (source, target), held, [(0.0, own) for own in SHARES])
    if alone is None:
        path.weigh(PRIOR_WEIGHT)
        return
    shrinkage = Shrinkage()
    shrinkage.fit(alone.sum(1))
    scale = shrinkage.share.item()
    mixed = [((1 - weight) * share, weight * scale) for weight in WEIGHTS]
    losses: Any = validation_losses(module, (source, target), held, mixed)
    best = WEIGHTS[int(losses.sum(1).argmin())]
    path.weigh((best + PRIOR_WEIGHT * scale) / 2, scale)


def _blocks(rows: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    for start in range(0, rows.size, _BLOCK):
        yield np.sort(rows[start : start + _BLOCK])
