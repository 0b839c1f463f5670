"""Translations one after another, by models that know only part of the way."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from scvi_xmodal._arguments import LIST, check_arguments
from scvi_xmodal.data import Query, RowReader
from scvi_xmodal.tl._blocks import (
    check_models,
    gathered,
    obs_of_models,
    of_rows,
    query_blocks,
    spec_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from anndata import AnnData
    from mudata import MuData
    from numpy.typing import ArrayLike


def translate_chain(
    models: Sequence[Any],
    query: AnnData | MuData | str | Path,
    path: Sequence[str],
    *,
    min_shared: float = 0.5,
    transform_batch: Sequence[Any] | None = None,
    indices: ArrayLike | None = None,
    layer: str | None = None,
    repool: bool = False,
    out: str | Path | None = None,
    **options: Any,
) -> AnnData | Path:
    """Translate cells along a path of modalities, one model for each step.

    scButterfly's consecutive translation (Cao et al. 2024): ATAC to RNA by a model of one
    experiment, then that RNA to protein by a model of another. Expected counts of the genes that
    both models know go from one to the next; genes that only the second knows count as not
    expressed, which a warning tells.

    Parameters
    ----------
    models
        Trained models, one for each step.
    query
        Cells to translate, as the first model's ``translate`` takes them.
    path
        The modalities, one more than models, such as ``["atac", "rna", "protein"]``. Those in
        the middle must be RNA.
    min_shared
        Least share of a model's genes that the model before must predict.
    transform_batch
        The batch to translate into for each model, in place of each cell's own; ``None`` for
        models without batches.
    indices
        Rows to translate; by default all.
    layer
        Layer of the query that holds the counts, or ``"X"``; by default as in setup.
    repool
        Whether to map the query's peaks onto the first model's by overlap, as in ``translate``.
    out
        Path ending in ``.h5ad`` or ``.zarr`` to write to, some rows at a time.
    **options
        Further keywords of the last model's ``translate``: ``depth``, ``features``.

    Returns
    -------
    AnnData as the last model returns it, or with ``out`` its path. ``uns["scvi_xmodal"]`` has the
    ``path`` and, for each gene set that was handed on, the ``coverage``: the share of the next
    model's genes.

    Warns
    -----
    UserWarning
        If a model knows genes that the one before does not predict.

    Raises
    ------
    ValueError
        If the path does not fit the models, its middle is no RNA, or too few genes are shared.

    Examples
    --------
    >>> import scvi_xmodal as xm
    >>> sizes = {"n_cells": 60, "n_genes": 20, "n_peaks": 30, "n_proteins": 5}
    >>> mdata = xm.datasets.synthetic(**sizes, atac_density=0.3)
    >>> models = []
    >>> for other in ("atac", "protein"):
    ...     names = {"rna_layer": "rna", f"{other}_layer": other}
    ...     xm.model.Butterfly.setup_mudata(mdata, modalities=names)
    ...     models.append(xm.model.Butterfly(mdata, n_latent=4))
    ...     models[-1].train(1, pretrain_epochs=1, enable_progress_bar=False)
    >>> xm.tl.translate_chain(models, mdata["atac"], ["atac", "rna", "protein"]).shape
    (60, 5)
    """
    check_arguments(locals(), transform_batch=LIST.or_none(), path=LIST)
    steps = _checked_steps(models, path)
    handovers = [
        _Handover(before, after, middle, min_shared=min_shared)
        for (before, _, middle), (after, _, _) in zip(steps, steps[1:], strict=False)
    ]
    batches = [None] * len(steps) if transform_batch is None else list(transform_batch)
    if len(batches) != len(steps):
        raise ValueError(f"transform_batch has {len(batches)} entries for {len(steps)} models.")
    for handover in handovers:
        handover.warn()
    first = steps[0][0]._query(query, path[0], layer, indices, repool=repool)
    sources = [source for _, source, _ in steps]
    obs = obs_of_models([model for model, _, _ in steps], sources, query, first, indices)
    blocks = _blocks(first, obs, steps, handovers, batches, options)
    coverage = np.asarray([handover.coverage for handover in handovers], dtype=np.float64)
    own: dict[str, Any] = {"path": list(path), "coverage": coverage, "source": path[0]}
    if first.pool is not None:
        own["repool"] = first.pool.report.record()
    return gathered(
        blocks, first.obs, out=out, record=lambda last: {**last.uns["scvi_xmodal"], **own}
    )


class _Handover:
    """What one model predicts, as the next one reads it."""

    def __init__(self, before: Any, after: Any, key: str, *, min_shared: float):
        self.spec = after.specs[key]
        given = pd.Index(before.specs[key].feature_names)
        self.position = pd.Index(self.spec.feature_names).get_indexer(given)
        found = self.position >= 0
        self.n_found = int(found.sum())
        self.coverage = self.n_found / self.spec.n_features
        if self.coverage < min_shared or not self.n_found:
            missing = pd.Index(self.spec.feature_names).difference(given, sort=False)
            raise ValueError(
                f"{self.n_found} of the {self.spec.n_features} {key!r} genes that the next model "
                f"reads are predicted by the one before ({self.coverage:.0%}), fewer than "
                f"min_shared={min_shared:.0%}; missing are {list(missing[:3])}, predicted are "
                f"{list(given[:3])}. Train both on the same genes, or lower min_shared."
            )
        self.position[found] = self.spec.position[self.position[found]]

    def warn(self) -> None:
        n_missing = self.spec.n_features - self.n_found
        if n_missing:
            warnings.warn(
                f"{n_missing} of {self.spec.n_features} genes that the next model reads are not "
                f"predicted by the one before (coverage {self.coverage:.1%}); they count as not "
                "expressed.",
                UserWarning,
                stacklevel=3,
            )

    def query(self, translated: AnnData, obs: pd.DataFrame) -> Query:
        reader = RowReader(
            translated.layers["mean"], position=self.position, n_features=self.spec.n_features
        )
        return Query(reader, obs, spec=self.spec)


Step = tuple[Any, str, str]


def _checked_steps(models: Sequence[Any], path: Sequence[str]) -> list[Step]:
    path, models = list(path), list(models)
    check_models(models)
    if len(path) != len(models) + 1 or not models:
        raise ValueError(
            f"A path of {len(path)} modalities needs {max(len(path) - 1, 1)} models, got "
            f"{len(models)}: one for each step."
        )
    steps = list(zip(models, path, path[1:], strict=False))
    specs = [
        (spec_of(models, number, source, "source"), spec_of(models, number, target, "target"))
        for number, (_, source, target) in enumerate(steps)
    ]
    for middle, (_, before), (after, _) in zip(path[1:], specs, specs[1:], strict=False):
        if before.kind != "rna" or after.kind != "rna":
            raise ValueError(
                f"{middle!r} stands in the middle of the path but is no RNA: only expected counts "
                "of genes can be handed on."
            )
    return steps


def _blocks(
    first: Query,
    obs: list[pd.DataFrame],
    steps: list[Step],
    handovers: list[_Handover],
    batches: list[Any],
    options: dict[str, Any],
) -> Iterator[AnnData]:
    """Yield the translation of some rows at a time; ``obs`` are the cells as each model reads."""
    widest = max(model._check_key(target, "target").n_features for model, _, target in steps)
    for rows, part in query_blocks(first, widest):
        last = of_rows(options, rows, first.obs.index)
        for number, (model, source, target) in enumerate(steps):
            own = last if number == len(steps) - 1 else {}
            translated = model.translate(
                part, source=source, target=target, transform_batch=batches[number], **own
            )
            if number < len(handovers):
                part = handovers[number].query(translated, obs[number + 1].iloc[rows])
        yield translated
