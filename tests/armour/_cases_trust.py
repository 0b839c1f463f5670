"""Mistakes at asking how far to believe a translation, and at several sources."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from _cases_train import QUERIES
from _world import SPLIT, Case, World, with_names
from anndata import AnnData

from scvi_xmodal.model import Butterfly

if TYPE_CHECKING:
    from mudata import MuData


def _familiar(query: Any = None, model: str = "model", **options: Any) -> Any:
    given = {"source": "rna", **options}

    def call(w: World) -> Any:
        cells = w.mdata["rna"].copy() if query is None else query(w)
        cells = w.given(cells) if hasattr(cells, "obs") else cells
        return getattr(w, model).familiarity(cells, **given)

    return call


FAMILIARITY = [
    *(Case("familiarity", name, _familiar(given[0]), given[1]) for name, given in QUERIES.items()),
    Case(
        "familiarity",
        "other_species",
        _familiar(lambda w: with_names(w.mdata["rna"], [f"ENSMUSG{i:011}" for i in range(18)])),
        r"lack 18 of the model's 18 'rna'.*'ENSMUSG00000000000'",
    ),
    Case("familiarity", "source", _familiar(source="gex"), r"source='gex' is unknown.*\['rna'"),
    Case("familiarity", "source_none", _familiar(source=None), "source=None is unknown"),
    Case("familiarity", "source_3", _familiar(source=3), "source=3 is unknown"),
    Case(
        "familiarity",
        "two_sources",
        _familiar(lambda w: w.part("rna", "atac"), source=("rna", "atac")),
        r"source=\('rna', 'atac'\).*one modality",
    ),
    Case(
        "familiarity",
        "two_sources_in_a_list",
        _familiar(lambda w: w.part("rna", "atac"), source=["rna", "atac"]),
        "one modality",
    ),
    Case("familiarity", "target", _familiar(target="atac"), "target", TypeError),
    Case("familiarity", "layer", _familiar(layer="x"), r"layers\['x'\] does not exist"),
    Case("familiarity", "layer_3", _familiar(layer=3), "layer must be text"),
    Case("familiarity", "batch_size_0", _familiar(batch_size=0), "batch_size must be at least 1"),
    Case("familiarity", "batch_size", _familiar(batch_size="8"), "batch_size must be a whole"),
    Case("familiarity", "repool", _familiar(repool="yes"), "repool must be True or False"),
    Case("familiarity", "repool_rna", _familiar(repool=True), "maps peaks onto peaks"),
    Case("familiarity", "indices", _familiar(indices=[60]), "there are 60 cells"),
    Case("familiarity", "indices_none", _familiar(indices=[]), "indices are empty"),
    Case("familiarity", "split", _familiar(indices=SPLIT), "row numbers or a mask"),
    Case("familiarity", "batch", _familiar(transform_batch="b"), "knows no batches"),
    Case(
        "familiarity",
        "unknown_batch",
        _familiar(model="batched", transform_batch="x"),
        "'x' was not among the training batches",
    ),
    Case(
        "familiarity",
        "query_without_batch",
        _familiar(lambda w: AnnData(w.mdata["rna"].X, var=w.mdata["rna"].var), model="batched"),
        "no column 'batch'.*transform_batch=",
    ),
    Case(
        "familiarity",
        "unvalidated",
        _familiar(model="unvalidated"),
        "no validation cells to compare 'rna' with.*fewer than 5",
    ),
    Case(
        "familiarity",
        "untrained",
        lambda w: w.untrained().familiarity(w.copy("rna"), source="rna"),
        r"not trained yet: call train\(\)",
    ),
    Case(
        "familiarity",
        "no_data",
        lambda w: Butterfly.load(w.saved, adata=False).familiarity(source="rna"),
        "loaded without data: give the cells",
    ),
]


def _scores(source: Any = "rna", target: Any = "atac", model: str = "model") -> Any:
    return lambda w: getattr(w, model).trust_scores(source, target)


SCORES = [
    Case("trust_scores", "source", _scores("gex"), r"source='gex' is unknown; the model has"),
    Case("trust_scores", "target", _scores(target="gex"), "target='gex' is unknown"),
    Case("trust_scores", "target_none", _scores(target=None), "target=None is unknown"),
    Case("trust_scores", "target_list", _scores(target=["atac"]), "is unknown"),
    Case("trust_scores", "two_sources", _scores(("rna", "atac"), "rna"), "name one modality"),
    Case(
        "trust_scores",
        "unvalidated",
        _scores("rna", "protein", "unvalidated"),
        "no scores of 'rna' to 'protein'.*without validation cells.*Train it with a split",
    ),
    Case(
        "trust_scores",
        "untrained",
        lambda w: w.untrained().trust_scores("rna", "atac"),
        r"not trained yet: call train\(\)",
    ),
    Case("trust_scores", "no_target", lambda w: w.model.trust_scores("rna"), "target", TypeError),
]


def _quantiles(quantiles: Any, model: str = "model", **options: Any) -> Any:
    given = {"source": "atac", "target": "rna", "quantiles": quantiles, **options}
    return lambda w: getattr(w, model).translate(**given)


WANTED = r"must be different numbers above 0 and below 1, such as \(0\.05, 0\.95\)"
QUANTILES = [
    *(
        Case("translate", f"quantiles_{name}", _quantiles(value), WANTED)
        for name, value in {
            "percent": (5, 95),
            "0": (0, 0.5),
            "1": (0.5, 1),
            "above_1": 1.5,
            "negative": (-0.05, 0.95),
            "twice": (0.05, 0.05),
            "none": (),
            "nan": (0.05, np.nan),
            "inf": np.inf,
            "text": "90%",
            "texts": ("q05", "q95"),
            "number_as_text": "0.5",
            "flag": True,
            "dict": {"low": 0.05},
            "set": {0.05, 0.95},
            "matrix": [[0.05, 0.95]],
            "object": object(),
            "missing": (None, 0.95),
        }.items()
    ),
    Case(
        "translate", "n_samples_without", _quantiles(None, n_samples=9), "n_samples=9.*quantiles="
    ),
    *(
        Case(
            "translate",
            f"n_samples_{value}{'' if quantiles else '_alone'}",
            _quantiles(quantiles, n_samples=value),
            f"n_samples must be a whole number above 1, got {value!r}",
        )
        for value in (0, 1, -3, "20", True)
        for quantiles in ((0.05, 0.95), None)
    ),
    Case(
        "translate",
        "quantiles_of_several",
        _quantiles((0.05, 0.95), source=("rna", "atac")),
        "calibrated for one source at a time.*or translate from one",
    ),
    Case(
        "translate",
        "quantiles_unvalidated",
        _quantiles((0.05, 0.95), "unvalidated", source="rna", target="protein"),
        "no quantiles of 'rna' to 'protein'.*Train it with a split",
    ),
    Case(
        "translate",
        "quantiles_source",
        _quantiles((0.05, 0.95), source="gex"),
        "source='gex' is unknown",
    ),
    Case(
        "translate",
        "quantiles_untrained",
        lambda w: w.untrained().translate(source="rna", target="atac", quantiles=0.5),
        "not trained yet",
    ),
    Case("translate", "mistyped", _quantiles(None, quantile=0.5), "quantile", TypeError),
]


def _several(source: Any, query: Any = None, model: str = "model", **options: Any) -> Any:
    def call(w: World) -> Any:
        cells = w.part("rna", "atac") if query is None else query(w)
        given = {"source": source, "target": "rna", **options}
        return getattr(w, model).translate(w.given(cells), **given)

    return call


BOTH = ("rna", "atac")
SEVERAL = [
    Case("translate", "several_unknown", _several(("rna", "gex")), "source='gex' is unknown"),
    Case("translate", "several_twice", _several(("rna", "rna")), "names a modality twice"),
    Case("translate", "several_none", _several(()), r"source=\(\)"),
    Case("translate", "several_joined", _several("rna+atac"), r"source='rna\+atac' is unknown"),
    Case("translate", "several_numbers", _several((1, 2)), "source=1 is unknown"),
    Case(
        "translate",
        "several_of_anndata",
        _several(BOTH, lambda w: w.mdata["rna"].copy()),
        "several modalities, but the query is of type AnnData: give a MuData",
    ),
    Case(
        "translate",
        "several_lacking",
        _several(BOTH, lambda w: w.part("rna", "protein")),
        "no atac modality to translate from",
    ),
    Case(
        "translate",
        "several_other_genes",
        _several(BOTH, lambda w: w.part("atac", rna=w.mdata["rna"][:, 12:])),
        "lack 12 of the model's 18 'rna' features",
    ),
    Case(
        "translate",
        "several_not_updated",
        _several(BOTH, lambda w: _not_updated(w.part("rna", "atac"))),
        r"mdata\.update\(\)",
    ),
    Case(
        "translate",
        "several_nowhere",
        _several(
            BOTH,
            lambda w: w.part(
                rna=w.mdata["rna"][:20],
                atac=w.mdata["atac"][:20],
                protein=w.mdata["protein"],
            ),
            indices=range(30, 40),
        ),
        r"None of the 10 cells was measured in any of \['rna', 'atac'\]",
    ),
    Case("translate", "several_indices", _several(BOTH, indices=[60]), "there are 60 cells"),
    Case("translate", "several_repool", _several(BOTH, repool="yes"), "True or False"),
    Case(
        "Babel.translate",
        "several",
        _several(BOTH, model="babel", target="atac"),
        r"source=\('rna', 'atac'\): name one modality of \['rna', 'atac'\]",
    ),
    Case(
        "get_latent_representation",
        "several_unknown",
        lambda w: w.model.get_latent_representation(modality=("rna", "gex")),
        "modality='gex' is unknown",
    ),
    Case(
        "get_latent_representation",
        "several_of_anndata",
        lambda w: w.model.get_latent_representation(w.copy("rna"), modality=BOTH),
        "give a MuData",
    ),
    Case(
        "get_latent_representation",
        "several_none",
        lambda w: w.model.get_latent_representation(modality=[]),
        r"modality=\(\)",
    ),
    Case(
        "get_latent_representation",
        "several_of_babel",
        lambda w: w.babel.get_latent_representation(modality=BOTH),
        "name one modality",
    ),
]


def _not_updated(mdata: MuData) -> MuData:
    mdata.mod["rna"] = mdata["rna"][5:].copy()
    return mdata


CASES = [*FAMILIARITY, *SCORES, *QUANTILES, *SEVERAL]
