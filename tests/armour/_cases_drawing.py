"""Bad inputs of drawn counts."""

from __future__ import annotations

from typing import Any

import numpy as np
from _world import Case

DRAW = "posterior_predictive_sample"


def _draw(model: str = "model", **options: Any) -> Any:
    given = {"source": "rna", "target": "atac", **options}
    return lambda w: getattr(w, model).posterior_predictive_sample(w.copy("rna"), **given)


CASES = [
    Case(DRAW, "source", _draw(source="gex"), "source='gex' is unknown"),
    Case(DRAW, "target", _draw(target="protein"), "target='protein' is unknown"),
    Case(DRAW, "protein", _draw("protein_model", target="protein"), "squared errors"),
    Case(DRAW, "depth", _draw(depth="deep"), "depth='deep' is unknown"),
    Case(DRAW, "depths", _draw(depth=np.ones(3)), r"got shape \(3,\)"),
    Case(DRAW, "depth_0", _draw(depth=np.zeros(60)), "got 0 for 60 of them"),
    Case(DRAW, "depth_of_babel", _draw("babel", depth="predicted"), "median depth only"),
    Case(DRAW, "features", _draw(features=["x"]), "not among the model's 'atac' features"),
    Case(DRAW, "no_features", _draw(features=[]), "features is empty"),
    Case(DRAW, "indices", _draw(indices=[99]), "there are 60 cells"),
    Case(DRAW, "layer", _draw(layer="x"), "does not exist"),
    Case(DRAW, "batch_size", _draw(batch_size=0), "batch_size must be at least 1"),
    Case(DRAW, "batch", _draw(transform_batch="b"), "transform_batch"),
    Case(DRAW, "repool", _draw(repool=True), "maps peaks onto peaks"),
    Case(DRAW, "several_of_babel", _draw("babel", source=("rna", "atac")), "name one modality"),
    Case(
        DRAW,
        "untrained",
        lambda w: w.untrained().posterior_predictive_sample(source="rna", target="atac"),
        "not trained yet",
    ),
    Case(
        DRAW,
        "other_modality",
        lambda w: w.model.posterior_predictive_sample(w.copy("atac"), source="rna", target="atac"),
        "holds 'atac' features",
    ),
]
