"""Mistakes with several models at once."""

from __future__ import annotations

from typing import Any

from _cases_train import QUERIES
from _world import SPLIT, Case, World

import scvi_xmodal as xm

ensemble = xm.tl.translate_ensemble


def _mean(query: Any = None, models: Any = None, **options: Any) -> Any:
    given = {"source": "rna", "target": "atac", **options}

    def call(w: World) -> Any:
        cells = w.mdata["rna"].copy() if query is None else query(w)
        cells = w.given(cells) if hasattr(cells, "obs") else cells
        return ensemble([w.model, w.model] if models is None else models(w), cells, **given)

    return call


CASES = [
    *(
        Case("translate_ensemble", name, _mean(change), message)
        for name, (change, message) in QUERIES.items()
    ),
    Case("translate_ensemble", "one", _mean(models=lambda w: [w.model]), "at least 2 models, got"),
    Case("translate_ensemble", "none", _mean(models=lambda w: []), "at least 2 models, got 0"),
    Case("translate_ensemble", "model", _mean(models=lambda w: w.model), "models must be a list"),
    Case(
        "translate_ensemble", "folders", _mean(models=lambda w: ["a", "b"]), "must be a model of"
    ),
    Case(
        "translate_ensemble",
        "baselines",
        _mean(models=lambda w: [w.ridge, w.ridge]),
        "must be a model of scvi_xmodal",
    ),
    Case(
        "translate_ensemble",
        "other_genes",
        _mean(models=lambda w: [w.model, w.protein_model], target="rna"),
        "Model 1 has other 'rna' features.*'other_6'.*'gene_6'.*train all on",
    ),
    Case(
        "translate_ensemble",
        "other_modalities",
        _mean(models=lambda w: [w.model, w.protein_model]),
        r"models\[1\]: target='atac' is unknown; the model has",
    ),
    Case(
        "translate_ensemble",
        "untrained",
        _mean(models=lambda w: [w.untrained(), w.model]),
        "not trained yet: call train",
    ),
    Case(
        "translate_ensemble",
        "second_untrained",
        _mean(models=lambda w: [w.model, w.untrained()]),
        "not trained yet: call train",
    ),
    Case(
        "translate_ensemble",
        "source",
        _mean(source="gex"),
        r"models\[0\]: source='gex' is unknown",
    ),
    Case("translate_ensemble", "target", _mean(target=None), "target must be text, got None"),
    Case("translate_ensemble", "several", _mean(source=("rna", "atac")), "source must be text"),
    Case("translate_ensemble", "quantiles", _mean(quantiles=(0.05, 0.95)), "have no mean; call"),
    Case("translate_ensemble", "n_samples", _mean(n_samples=5), "have no mean"),
    Case("translate_ensemble", "depth", _mean(depth="deep"), "depth='deep' is unknown"),
    Case("translate_ensemble", "totals", _mean(depth=[1.0, 2.0]), "depth"),
    Case("translate_ensemble", "batch", _mean(transform_batch="b"), "knows no batches"),
    Case("translate_ensemble", "features", _mean(features=["x"]), r"1 of the features.*'x'"),
    Case("translate_ensemble", "layer", _mean(layer="x"), r"layers\['x'\] does not exist"),
    Case("translate_ensemble", "indices", _mean(indices=[60]), "there are 60 cells"),
    Case("translate_ensemble", "split", _mean(indices=SPLIT), "row numbers or a mask"),
    Case("translate_ensemble", "out", _mean(out="x.csv"), r"must end in \.h5ad or \.zarr"),
    Case("translate_ensemble", "out_nowhere", _mean(out="/nowhere/x.h5ad"), "cannot write to"),
    Case("translate_ensemble", "batch_size", _mean(batch_size=0), "batch_size must be at least"),
    Case("translate_ensemble", "repool_rna", _mean(repool=True), "maps peaks onto peaks"),
    Case("translate_ensemble", "mistyped", _mean(dept="median"), "dept", TypeError),
]
