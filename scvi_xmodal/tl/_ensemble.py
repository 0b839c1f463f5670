"""The mean translation of several models."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from scvi_xmodal._arguments import LIST, TEXT, check_arguments
from scvi_xmodal.data import translation
from scvi_xmodal.tl._blocks import (
    check_models,
    gathered,
    matrices,
    obs_of_models,
    of_rows,
    query_blocks,
    spec_of,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from anndata import AnnData
    from mudata import MuData
    from numpy.typing import ArrayLike


_FEWEST = 2


def translate_ensemble(
    models: Sequence[Any],
    query: AnnData | MuData | str | Path,
    *,
    source: str,
    target: str,
    indices: ArrayLike | None = None,
    layer: str | None = None,
    repool: bool = False,
    out: str | Path | None = None,
    **options: Any,
) -> AnnData | Path:
    """Translate cells by several models and return the mean, and how far they disagree.

    Train the same model from several seeds (``scvi.settings.seed = 1``, then ``train``): where
    they start decides part of what they say of a cell, and the mean over models is free of most
    of that part. Train each on another split of :func:`scvi_xmodal.pp.rotate_validation`, and the
    mean has learned from every cell that does not test. Training costs as many times more.

    Parameters
    ----------
    models
        Two or more trained models of the same features.
    query
        Cells to translate, as ``translate`` takes them.
    source, target
        Modalities.
    indices
        Rows to translate; by default all.
    layer
        Layer of the query that holds the counts, or ``"X"``; by default as in setup.
    repool
        Whether to map the query's peaks onto the model's by overlap, as in ``translate``.
    out
        Path ending in ``.h5ad`` or ``.zarr`` to write to, some rows at a time.
    **options
        Further keywords of ``translate``: ``depth``, ``features``, ``transform_batch``.

    Returns
    -------
    AnnData as ``translate`` returns it, or with ``out`` its path. ``X`` and the layers are
    arithmetic means over models, on the scale of a single model's; ``layers["std"]`` is the
    standard deviation of ``X`` over models (with n - 1), large where the data left open what to
    say.

    Raises
    ------
    ValueError
        If there are fewer than two models, they differ in features or in what they predict of
        peaks, or a single model would refuse.

    Examples
    --------
    >>> import scvi
    >>> import scvi_xmodal as xm
    >>> mdata = xm.datasets.synthetic(n_cells=60, n_genes=20, n_peaks=30, atac_density=0.3)
    >>> xm.model.Butterfly.setup_mudata(mdata)
    >>> models = []
    >>> for seed in (0, 1):
    ...     scvi.settings.seed = seed
    ...     models.append(xm.model.Butterfly(mdata, n_latent=4))
    ...     models[-1].train(1, pretrain_epochs=1, enable_progress_bar=False)
    >>> rna = xm.tl.translate_ensemble(models, mdata["atac"], source="atac", target="rna")
    >>> rna.shape, sorted(rna.layers)
    ((60, 20), ['mean', 'std'])
    """
    check_arguments(locals(), source=TEXT, target=TEXT, models=LIST)
    models = list(models)
    _check_models(models, source, target)
    if "quantiles" in options or "n_samples" in options:
        name = next(name for name in ("quantiles", "n_samples") if name in options)
        raise ValueError(
            f"{name}={options[name]!r}: quantiles and samples are of one model and have no mean; "
            'call its translate(). layers["std"] says how far the models disagree.'
        )
    cells = models[0]._query(query, source, layer, indices, repool=repool)
    obs = obs_of_models(models, [source] * len(models), query, cells, indices)
    ends = models[0].specs[source], models[0]._check_key(target, "target")
    widest = max(spec.n_features for spec in ends)
    blocks = (
        _mean(
            [
                model.translate(
                    replace(part, obs=own.iloc[rows]),
                    source=source,
                    target=target,
                    **of_rows(options, rows, cells.obs.index),
                )
                for model, own in zip(models, obs, strict=True)
            ]
        )
        for rows, part in query_blocks(cells, widest * len(models))
    )
    own: dict[str, Any] = {"n_models": len(models)}
    if cells.pool is not None:
        own["repool"] = cells.pool.report.record()
    return gathered(
        blocks, cells.obs, out=out, record=lambda first: {**first.uns["scvi_xmodal"], **own}
    )


def _mean(members: list[AnnData]) -> AnnData:
    """Return the members' mean, with the standard deviation of ``X``."""
    parts = [matrices(member) for member in members]
    layers = {name: np.mean([part[name] for part in parts], axis=0) for name in parts[0]}
    layers["std"] = np.std([part["X"] for part in parts], axis=0, ddof=1)
    first = members[0]
    obs = first.obs
    if "predicted_depth" in obs:
        obs = obs.assign(predicted_depth=np.mean([m.obs["predicted_depth"] for m in members], 0))
    return translation(layers, obs=obs, var=first.var, record=first.uns["scvi_xmodal"])


def _check_models(models: list[Any], source: str, target: str) -> None:
    """Raise unless the models read and predict the same features."""
    if len(models) < _FEWEST:
        raise ValueError(
            f"An ensemble needs at least {_FEWEST} models, got {len(models)}: train some from "
            "different seeds, or call the one model's translate()."
        )
    check_models(models)
    numbers = range(len(models))
    sources = [spec_of(models, number, source, "source") for number in numbers]
    targets = [spec_of(models, number, target, "target") for number in numbers]
    weighted = [spec.settings.likelihood == "tfidf" for spec in targets]
    if len(set(weighted)) > 1:
        raise ValueError(
            f"Model {weighted.index(True)} predicts TF-IDF values of {target!r} and model "
            f"{weighted.index(False)} probabilities, which have no mean: train all with the same "
            "atac_target."
        )
    for key, specs in ((source, sources), (target, targets)):
        for number, spec in enumerate(specs):
            own, first = list(spec.feature_names), list(specs[0].feature_names)
            if own != first:
                pairs = [pair for pair in zip(own, first, strict=False) if pair[0] != pair[1]]
                one, other = pairs[0] if pairs else (own[-1], first[-1])
                raise ValueError(
                    f"Model {number} has other {key!r} features ({len(own)}, such as {one!r}) "
                    f"than model 0 ({len(first)}, there {other!r}): train all on the same "
                    "features in the same order."
                )
            if not np.array_equal(spec.order, specs[0].order):
                raise ValueError(
                    f"Model {number} has the {key!r} features on other chromosomes than model 0: "
                    "set all up with the same var['chrom']."
                )
