"""Control cells and the perturbed cells that they most likely became."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, get_args

import numpy as np

from scvi_xmodal._arguments import check_arguments
from scvi_xmodal._constants import CONDITIONS
from scvi_xmodal.data import Pairs, check_counts, layer_name
from scvi_xmodal.metrics._components import principal_components
from scvi_xmodal.pairing._cells import groups_by_label, labels_of, training_rows, warn_user
from scvi_xmodal.pairing._matching import BYTES_PER_PAIR, Assignment, match_cells
from scvi_xmodal.pp._matrix import counts_of, log_normalize, take_rows

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from anndata import AnnData
    from numpy.typing import ArrayLike, NDArray


def by_optimal_transport(
    adata: AnnData,
    condition_key: str,
    control: str,
    perturbed: str,
    labels_key: str | None = None,
    *,
    indices: ArrayLike | None = None,
    n_pcs: int = 50,
    assignment: Assignment = "transport",
    max_cells: int = 4000,
    layer: str | None = None,
    seed: int = 0,
) -> Pairs:
    r"""Pair each control cell with a perturbed cell of its type, at the least total distance.

    For each label, control and perturbed cells are embedded together (size-normalised, log1p, 50
    principal components) and the transport

    .. math:: \gamma = \arg\min_{\gamma \ge 0} \langle \gamma, M \rangle_F \quad \text{with} \quad
        \gamma 1 = \tfrac{1}{n_c}, \; \gamma^T 1 = \tfrac{1}{n_p}

    is found for their Euclidean distances M (Cao et al. 2024, Methods, eq. 14). A control cell's
    partner is the perturbed cell that it sends most to; a perturbed cell may have several
    partners or none.

    Memory is some 40 bytes for each pair of a control and a perturbed cell of one label (8 for
    ``"one_to_one"``): .7 GB at the default ``max_cells``. Larger labels are cut at random into
    parts that fit, with a warning, and cells are matched within parts: every control cell still
    gets a partner, out of fewer.

    Parameters
    ----------
    adata
        Raw counts of cells of both conditions.
    condition_key
        Column of ``obs`` with the condition.
    control, perturbed
        The two conditions, as they stand in that column; cells of others, or of none, are left
        out.
    labels_key
        Column of ``obs`` with the cell type; ``None`` to match across all cells.
    indices
        Rows of the training cells: ``split.train``. By default all.
    n_pcs
        Number of principal components.
    assignment
        * ``"transport"``: exact, as published
        * ``"one_to_one"``: each cell in at most one pair (linear assignment); of the larger side
          some are left out
        * ``"sinkhorn"``: with entropy of weight .05 times the mean distance: approximate, and
          faster for thousands of cells
    max_cells
        Cells of each side, in the geometric mean, that are matched at once.
    layer
        Layer of the counts; ``None`` for ``X``.
    seed
        Seed of the components and of the parts.

    Returns
    -------
    Pairs
        Rows of ``adata`` for ``"control"`` and ``"perturbed"``. A label without training cells
        of both conditions gives none, as when its perturbed cells are held out.

    Warns
    -----
    UserWarning
        If a label is too large to be matched at once.

    Raises
    ------
    ValueError
        If the conditions are the same, one has no training cells, they share no label, a
        training cell of theirs has no label, or values are no counts.

    Examples
    --------
    >>> import scvi_xmodal as xm
    >>> kang = xm.datasets.kang_pbmc()
    >>> pairs = xm.pairing.by_optimal_transport(
    ...     kang, "condition", "ctrl", "stim", "cell_type", indices=range(0, 1500, 5), n_pcs=10
    ... )
    >>> list(pairs.rows), pairs.purity(kang.obs["cell_type"])
    (['control', 'perturbed'], 1.0)
    """
    check_arguments(locals())
    _check(assignment, n_pcs, max_cells)
    rows = training_rows(indices, adata)
    sides = condition_rows(adata, condition_key, {"control": control, "perturbed": perturbed})
    sides = {key: np.intersect1d(own, rows, assume_unique=True) for key, own in sides.items()}
    for key, own in sides.items():
        if not own.size:
            condition = {"control": control, "perturbed": perturbed}[key]
            raise ValueError(
                f"None of the {rows.size} training cells has the {key} condition {condition!r}."
            )
    groups = list(_shared_groups(adata, sides, labels_key))
    options = _Options(assignment, n_pcs, max_cells, seed)
    used = np.unique(np.concatenate([own for group in groups for own in group]))
    name = layer_name("adata", layer)
    matrix = counts_of(adata, layer, name="adata")
    check_counts(matrix, name=name)
    values = log_normalize(take_rows(matrix, used))
    found = [_match_group(values, used, *group, options) for group in groups]
    parts = zip(*found, strict=True)
    return Pairs(dict(zip(CONDITIONS, map(np.concatenate, parts), strict=True)))


@dataclass(frozen=True)
class _Options:
    assignment: Assignment
    n_pcs: int
    max_cells: int
    seed: int


def condition_rows(
    adata: AnnData, condition_key: str, conditions: dict[str, str]
) -> dict[str, NDArray[np.int64]]:
    """Return the rows of each condition, by the model's name for it.

    Raises
    ------
    ValueError
        If there is no such column or condition, or both are the same.
    """
    if condition_key not in adata.obs:
        raise ValueError(
            f"condition_key={condition_key!r} is no column of obs; there are "
            f"{list(adata.obs.columns)}."
        )
    if len(set(map(str, conditions.values()))) < len(conditions):
        raise ValueError(
            f"control and perturbed are both {next(iter(conditions.values()))!r}: two different "
            "conditions are needed."
        )
    column = adata.obs[condition_key]
    values = column.astype(object).astype(str).mask(column.isna()).to_numpy(dtype=object)
    found = {key: np.flatnonzero(values == str(value)) for key, value in conditions.items()}
    for key, value in conditions.items():
        if not found[key].size:
            known = sorted(set(values[~column.isna().to_numpy()]))[:20]
            raise ValueError(
                f"{key}={value!r} occurs nowhere in obs[{condition_key!r}], which has {known}."
            )
    return found


def _check(assignment: str, n_pcs: int, max_cells: int) -> None:
    if assignment not in get_args(Assignment):
        raise ValueError(f"assignment={assignment!r}; known are {list(get_args(Assignment))}.")
    for name, value in (("n_pcs", n_pcs), ("max_cells", max_cells)):
        if value < 1:
            raise ValueError(f"{name}={value}; it must be at least 1.")


def _shared_groups(
    adata: AnnData, sides: dict[str, NDArray[np.int64]], labels_key: str | None
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Yield the rows of both conditions' cells, label by label."""
    if labels_key is None:
        yield sides["control"], sides["perturbed"]
        return
    groups = {
        key: groups_by_label(labels_of(adata, labels_key, rows, argument="labels_key"), rows)
        for key, rows in sides.items()
    }
    shared = [label for label in groups["control"] if label in groups["perturbed"]]
    if not shared:
        raise ValueError(
            "The training cells of the two conditions share no label: control has "
            f"{list(groups['control'])[:5]}, perturbed has {list(groups['perturbed'])[:5]}."
        )
    for label in shared:
        yield groups["control"][label], groups["perturbed"][label]


def _match_group(
    values: Any,
    used: NDArray[np.int64],
    control: NDArray[np.int64],
    perturbed: NDArray[np.int64],
    options: _Options,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the rows of the pairs of one label."""
    rows = np.concatenate([control, perturbed])
    points = principal_components(
        values[np.searchsorted(used, rows)], n_components=options.n_pcs, seed=options.seed
    )
    numbers = np.arange(rows.size)
    first, second = [], []
    for own, others in _parts(control.size, perturbed.size, options):
        picked = own, numbers[control.size :][others]
        i, j = match_cells(points[picked[0]], points[picked[1]], options.assignment)
        first.append(rows[picked[0][i]])
        second.append(rows[picked[1][j]])
    return np.concatenate(first), np.concatenate(second)


def _parts(
    n_control: int, n_perturbed: int, options: _Options
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Yield the numbers of the cells to match at once."""
    smaller = min(n_control, n_perturbed)
    n_parts = int(np.ceil(np.sqrt(n_control * n_perturbed) / options.max_cells))
    n_parts = min(n_parts, smaller)
    if n_parts <= 1:
        yield np.arange(n_control), np.arange(n_perturbed)
        return
    gigabytes = BYTES_PER_PAIR[options.assignment] * n_control * n_perturbed / 1e9
    memory = f"{gigabytes:.1f} GB" if gigabytes >= 0.1 else "less than .1 GB"
    warn_user(
        f"{n_control} control and {n_perturbed} perturbed cells of one label are more than "
        f"max_cells={options.max_cells}: they are cut at random into {n_parts} parts and matched "
        f"within those. Matched at once, they would take {memory}: raise max_cells if there is so "
        "much, or give finer labels.",
    )
    rng = np.random.default_rng(options.seed)
    cut = [np.array_split(rng.permutation(n), n_parts) for n in (n_control, n_perturbed)]
    for own, others in zip(*cut, strict=True):
        yield np.sort(own), np.sort(others)
