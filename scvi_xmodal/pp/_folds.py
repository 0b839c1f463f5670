"""Folds: of cells, of groups of cells, of clusters by size."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from scvi_xmodal.data._split import Split

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

CELL_FRACTION = 0.2
"""Share of the cells outside the test fold that validate: 16 % of all, over five folds."""


def rotate(
    folds: list[NDArray], *, fold: int, validation_fraction: float | None
) -> tuple[NDArray, NDArray, NDArray]:
    """Let one fold test, the first units after it, in a circle, validate, and the rest train.

    Parameters
    ----------
    folds
        Folds of units, which are cells or labels.
    fold
        The fold that tests.
    validation_fraction
        Share of the units outside the test fold that validate: at least one of them unless it
        is 0, and never all. ``None`` for as many as the test fold has.

    Returns
    -------
    Training, validation and test units.
    """
    test, rest = folds[fold], np.concatenate(folds[fold + 1 :] + folds[:fold])
    wanted = test.size if validation_fraction is None else validation_fraction * rest.size
    n_validation = max(round(wanted), 1) if wanted else 0
    n_validation = min(n_validation, rest.size - 1)
    return rest[n_validation:], rest[:n_validation], test


def by_cell(
    n_obs: int,
    *,
    n_folds: int,
    fold: int,
    validation_fraction: float | None,
    rng: np.random.Generator,
) -> Split:
    """Split single cells."""
    check_fold(fold, n_folds)
    if n_obs < n_folds:
        raise ValueError(f"{n_obs} cells cannot be cut into n_folds={n_folds} folds.")
    folds = np.array_split(rng.permutation(n_obs), n_folds)
    return Split(*rotate(folds, fold=fold, validation_fraction=validation_fraction))


def by_group(
    labels: pd.Series,
    *,
    n_folds: int | None,
    fold: int,
    validation_fraction: float | None,
    rng: np.random.Generator,
) -> Split:
    """Split whole groups of cells; cells without a label stand in no part."""
    sizes = labels.dropna().value_counts().sort_index()  # the order of cells must not matter
    n_folds = sizes.size if n_folds is None else n_folds
    if sizes.size < max(n_folds, 2):
        raise ValueError(
            f"There are {sizes.size} different labels, such as {list(sizes.index[:5])}, but "
            f"{max(n_folds, 2)} are needed to hold out whole ones. Take fewer folds, or by='cell'."
        )
    check_fold(fold, n_folds)
    folds = deal(sizes, n_folds, rng)
    parts = rotate(folds, fold=fold, validation_fraction=validation_fraction)
    train, validation, test = (np.flatnonzero(labels.isin(part)) for part in parts)
    if not validation.size and validation_fraction != 0:  # a single group is left to train
        share = CELL_FRACTION if validation_fraction is None else validation_fraction
        train = rng.permutation(train)
        n_validation = min(max(round(share * train.size), 1), train.size - 1)
        train, validation = train[n_validation:], train[:n_validation]
    return Split(train, validation, test)


def deal(sizes: pd.Series, n_folds: int, rng: np.random.Generator) -> list[NDArray]:
    """Deal labels out to folds of similar numbers of labels and of cells.

    The largest labels go to one fold each, then the next largest, and so on; which goes where is
    random. Within a fold every other label, from the second largest on, comes first, so that the
    first few, which may validate for another fold, are neither the largest nor the smallest.
    """
    by_size = sizes.iloc[rng.permutation(sizes.size)].sort_values(ascending=False, kind="stable")
    names = by_size.index.to_numpy(dtype=object)
    rounds = [names[start : start + n_folds] for start in range(0, names.size, n_folds)]
    dealt = np.empty((len(rounds), n_folds), dtype=object)  # None where labels have run out
    for i, hand in enumerate(rounds):
        dealt[i, : hand.size] = hand
        dealt[i] = rng.permutation(dealt[i])
    folds = [column[[name is not None for name in column]] for column in dealt.T]
    return [np.concatenate([names[1::2], names[::2]]) for names in folds]


def with_drawn_validation(split: Split, share: float | None, rng: np.random.Generator) -> Split:
    """Return a split of the same test cells, of whose other cells random ones validate."""
    cells = rng.permutation(np.sort(np.concatenate([split.train, split.validation])))
    parts = rotate(
        [cells[:0], cells], fold=0, validation_fraction=CELL_FRACTION if share is None else share
    )
    return Split(parts[0], parts[1], split.test)


def by_cluster(labels: pd.Series, *, n_folds: int, fold: int) -> Split:
    """Split the largest clusters: one validates, the next tests, all others train."""
    check_fold(fold, n_folds)
    # names break ties between sizes, so that the order of cells does not matter
    largest = (
        labels.dropna().value_counts().sort_index().sort_values(ascending=False, kind="stable")
    )
    names = largest.index
    if names.size < max(n_folds, 3):
        raise ValueError(
            f"There are {names.size} clusters, but {max(n_folds, 3)} are needed for "
            f"n_folds={n_folds}: one validates, one tests, the rest train. Take fewer n_folds, "
            "by='cell', or name finer clusters of your own by key=."
        )
    validation, test = names[fold], names[(fold + 1) % n_folds]
    train = names.difference([validation, test])
    parts = (train, [validation], [test])
    return Split(*(np.flatnonzero(labels.isin(part)) for part in parts))


def check_fold(fold: int, n_folds: int) -> None:
    """Raise a ``ValueError`` unless there is such a fold."""
    if n_folds < 2:
        raise ValueError(f"n_folds={n_folds}; at least 2 are needed to train and to test.")
    if not 0 <= fold < n_folds:
        raise ValueError(f"fold={fold}; with n_folds={n_folds} it must be 0 to {n_folds - 1}.")
