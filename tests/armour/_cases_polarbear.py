"""Mistakes with cells of which some lack a modality, and with the model made for them."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
from _cases_train import QUERIES
from _world import QUIET, SPLIT, Case, World, gap, with_names, with_obs, with_value

from scvi_xmodal.data import MosaicPairs, Pairs, Split
from scvi_xmodal.model import Babel, Butterfly, Polarbear

if TYPE_CHECKING:
    from mudata import MuData


def _setup(change: Any = None, cls: Any = Polarbear, **arguments: Any) -> Any:
    """Set up partly paired cells, after a change of a copy."""

    def call(w: World) -> None:
        mdata = w.mosaic.copy() if change is None else change(w)
        cls.setup_mudata(w.given(mdata), **arguments)

    return call


def _with_rna(change: Any) -> Any:
    """Return what replaces the RNA of partly paired cells."""

    def changed(w: World) -> MuData:
        mdata = w.mosaic.copy()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            mdata.mod["rna"] = change(mdata["rna"].copy())
        return mdata

    return changed


def _apart(w: World) -> MuData:
    return w.part(rna=w.mdata["rna"][:30], atac=w.mdata["atac"][30:])


def _suffixed(w: World) -> MuData:
    rna = w.mdata["rna"]
    return w.part("atac", rna=with_names(rna, [f"{n}-1" for n in rna.obs_names], axis="obs"))


def _protein_alone(w: World) -> MuData:
    protein = w.mdata["protein"]
    alone = with_names(protein, [f"adt_{n}" for n in protein.obs_names], axis="obs")
    return w.part("rna", "atac", protein=alone)


def _stale(w: World) -> MuData:
    return _with_rna(lambda rna: rna[5:].copy())(w)


SETUP = [
    *(
        Case(
            "Polarbear.setup_mudata",
            f"data_{type(value).__name__}",
            lambda w, v=value: Polarbear.setup_mudata(v),
            "setup_mudata needs a MuData, got .*: put the modalities",
        )
        for value in (None, "data.h5mu", {"rna": 1}, np.ones((2, 2)))
    ),
    Case(
        "Polarbear.setup_mudata",
        "anndata",
        lambda w: Polarbear.setup_mudata(w.copy("rna")),
        "needs a MuData, got AnnData: put the modalities into",
    ),
    Case("Polarbear.setup_mudata", "random", _setup(pairing="random"), "'measured' or 'mosaic'"),
    Case(
        "Polarbear.setup_mudata",
        "unpaired",
        _setup(pairing="unpaired"),
        "pairing='unpaired' is unknown; it can be 'measured' or 'mosaic'",
    ),
    Case(
        "Polarbear.setup_mudata",
        "measured",
        _setup(pairing="measured"),
        "not paired: 'rna' has 50, 'atac' has 50, and 40 are in all.*pairing='mosaic'",
    ),
    Case(
        "Polarbear.setup_mudata", "none_paired", _setup(_apart), "No cell measured in two.*links"
    ),
    Case(
        "Polarbear.setup_mudata",
        "suffixed_barcodes",
        _setup(_suffixed),
        r"No cell.*links \['atac'\] to 'rna'.*Cells of one name are one cell: look at obs_names",
    ),
    Case(
        "Polarbear.setup_mudata",
        "one_modality_apart",
        _setup(_protein_alone),
        r"links \['protein'\] to 'rna'",
    ),
    Case(
        "Polarbear.setup_mudata",
        "not_updated",
        _setup(_stale),
        r"mdata\.update\(\)",
    ),
    Case("Polarbear.setup_mudata", "mistyped", _setup(batchkey="x"), "no argument 'batchkey'"),
    Case("Polarbear.setup_mudata", "layer", _setup(rna_layer="raw"), r"layers\['raw'\] does not"),
    Case("Polarbear.setup_mudata", "no_batch", _setup(batch_key="x"), "'x' is no column of mdata"),
    Case(
        "Polarbear.setup_mudata",
        "batch_of_a_modality",
        _setup(
            _with_rna(lambda rna: with_obs(rna, "donor", ["d"] * rna.n_obs)), batch_key="donor"
        ),
        r"batch_key='donor' is no column of mdata\.obs.*pandas\.concat",
    ),
    Case(
        "Polarbear.setup_mudata",
        "batch_missing",
        _setup(lambda w: with_obs(w.mosaic, "lane", gap(w.mosaic.obs["site"])), batch_key="lane"),
        "missing for 1 cells",
    ),
    Case(
        "Polarbear.setup_mudata",
        "negative",
        _setup(_with_rna(lambda rna: with_value(rna, -1))),
        r"rna\.X holds -1.*raw counts",
    ),
    Case(
        "Polarbear.setup_mudata",
        "nan",
        _setup(_with_rna(lambda rna: with_value(rna, np.nan))),
        r"rna\.X holds nan",
    ),
    Case(
        "Polarbear.setup_mudata",
        "repeated_cells",
        _setup(
            lambda w: w.part("atac", rna=w.mdata["rna"][[0, 0, 1, 2]]),
        ),
        "appears twice in 'rna'. Make obs_names unique",
    ),
    Case(
        "Polarbear.setup_anndata",
        "anndata",
        lambda w: Polarbear.setup_anndata(w.copy("rna")),
        "several modalities of the same cells.*call setup_mudata",
    ),
    Case("Babel.setup_mudata", "mosaic", _setup(cls=Babel, pairing="mosaic"), "'mosaic' is unkno"),
    *(
        Case("setup_mudata", f"mosaic_{name}", _setup(change, Butterfly, pairing="mosaic"), text)
        for name, change, text in (
            ("none_paired", _apart, "No cell measured in two modalities links"),
            ("suffixed_barcodes", _suffixed, "look at obs_names"),
            ("one_modality_apart", _protein_alone, r"links \['protein'\]"),
            ("not_updated", _stale, r"mdata\.update\(\)"),
        )
    ),
    Case(
        "setup_mudata",
        "not_updated",
        lambda w: Butterfly.setup_mudata(w.given(_stale(w))),
        "update|not paired",
    ),
    Case(
        "setup_mudata",
        "mosaic_batch_of_a_modality",
        _setup(
            _with_rna(lambda rna: with_obs(rna, "donor", ["d"] * rna.n_obs)),
            Butterfly,
            pairing="mosaic",
            batch_key="donor",
        ),
        r"no column of mdata\.obs",
    ),
]


def _build(**arguments: Any) -> Any:
    return lambda w: Polarbear(w.registered_mosaic, **arguments)


MODELS = [
    Case("Polarbear", "nothing", lambda w: Polarbear(), "needs the data that setup_mudata"),
    Case("Polarbear", "path", lambda w: Polarbear("x.h5mu"), "must be an AnnData or a MuData"),
    Case("Polarbear", "not_set_up", lambda w: Polarbear(w.given(w.mosaic.copy())), "setup_mudata"),
    Case(
        "Polarbear",
        "set_up_for_another",
        lambda w: Polarbear(w.registered),
        r"not registered: call Polarbear\.setup_mudata",
    ),
    Case("Polarbear", "latent_0", _build(n_latent=0), "n_latent must be.*at least 1, got 0"),
    Case("Polarbear", "latent_text", _build(n_latent="8"), "n_latent must be a whole.*got '8'"),
    Case("Polarbear", "latent_half", _build(n_latent=2.5), r"n_latent must be a whole.*got 2\.5"),
    Case("Polarbear", "latent_flag", _build(n_latent=True), "n_latent must be a whole.*got True"),
    Case("Polarbear", "hidden_0", _build(n_hidden=0), "n_hidden must be"),
    Case("Polarbear", "hidden_none", _build(n_hidden=None), "n_hidden must be a whole.*got None"),
    Case("Polarbear", "dropout_1", _build(dropout_rate=1), "dropout_rate must be.*got 1"),
    Case("Polarbear", "dropout_negative", _build(dropout_rate=-0.1), r"dropout_rate must.*-0\.1"),
    Case("Polarbear", "dropout_text", _build(dropout_rate="0.1"), r"dropout_rate must.*'0\.1'"),
    Case("Polarbear", "dropout_nan", _build(dropout_rate=np.nan), "dropout_rate must.*nan"),
    Case(
        "Polarbear", "likelihood", _build(gene_likelihood="normal"), "'normal' is unknown; it is"
    ),
    Case("Polarbear", "likelihood_none", _build(gene_likelihood=None), "None is unknown"),
    Case("Polarbear", "likelihood_list", _build(gene_likelihood=["nb"]), "unknown; it is 'nb' or"),
    Case("Polarbear", "mistyped", _build(n_latents=3), "n_latents", TypeError),
    Case("Polarbear", "preset", _build(preset="default"), "preset", TypeError),
]


def _train(**arguments: Any) -> Any:
    given = {"max_epochs": 1, "translator_epochs": 1, "split": SPLIT, **QUIET, **arguments}
    return lambda w: Polarbear(w.registered_mosaic, n_latent=4, n_hidden=8).train(**given)


WHOLE = "must be a whole number"
TRAIN = [
    *(
        Case("Polarbear.train", f"{argument}_{value}", _train(**{argument: value}), message)
        for argument, value, message in (
            ("max_epochs", 0, f"max_epochs {WHOLE}.*got 0"),
            ("max_epochs", "10", f"max_epochs {WHOLE}.*got '10'"),
            ("max_epochs", 1.5, rf"max_epochs {WHOLE}.*got 1\.5"),
            ("max_epochs", True, f"max_epochs {WHOLE}.*got True"),
            ("max_epochs", None, f"max_epochs {WHOLE}.*got None"),
            ("translator_epochs", 0, f"translator_epochs {WHOLE}.*got 0"),
            ("translator_epochs", None, f"translator_epochs {WHOLE}.*got None"),
            ("translator_epochs", "all", f"translator_epochs {WHOLE}.*got 'all'"),
            ("translator_epochs", True, f"translator_epochs {WHOLE}.*got True"),
            ("pretrain_epochs", 5, "no argument 'pretrain_epochs'"),
            ("epochs", 5, "no argument 'epochs'"),
            ("split", ([0], [1]), "split must be a Split, got tuple"),
            ("batch_size", 1, "batch_size must be at least 2, got 1"),
            ("batch_size", "64", f"batch_size {WHOLE}.*'64'"),
            ("early_stopping", "yes", "early_stopping must be True or False"),
            ("plan_kwargs", ["lr"], "plan_kwargs must be a dict"),
            ("plan_kwargs", {"learning_rate": 1}, "'learning_rate'"),
            ("plan_kwargs", {"discriminator_lr": 1}, "'discriminator_lr'"),
            ("plan_kwargs", {"lr": -1}, r"plan_kwargs\['lr'\] must be.*-1"),
            ("plan_kwargs", {"max_kl_weight": "x"}, r"\['max_kl_weight'\] must be"),
            ("resume", True, "needs the checkpoint_dir="),
            ("train_size", 0.5, "either split= or train_size="),
        )
    ),
    Case("Polarbear.train", "pairs", _train(pairs=Pairs({"rna": [0], "atac": [0]})), "'pairs'"),
    Case("Polarbear.train", "beyond", _train(split=Split(range(70))), "go up to 69.*60 cells"),
    Case(
        "Polarbear.train",
        "none_paired",
        _train(split=Split(range(10), range(50, 60))),
        "too few|0 training cells were measured in both 'rna' and 'atac'",
    ),
    Case(
        "Polarbear.train",
        "one_paired",
        _train(split=Split([*range(11), *range(50, 60)])),
        "1 training cells were measured in both.*at least 2.*share obs_names.*from_unpaired",
    ),
    Case(
        "Polarbear.train",
        "no_data",
        lambda w: _reloaded(w).train(1, translator_epochs=1),
        "loaded without data",
    ),
]


def _saved(w: World) -> Any:
    path = w.folder / "polarbear"
    if not path.exists():
        w.polarbear.save(path)
    return path


def _reloaded(w: World) -> Any:
    return Polarbear.load(_saved(w), adata=False, accelerator="cpu")


def _translate(query: Any = None, **options: Any) -> Any:
    given = {"source": "rna", "target": "atac", **options}

    def call(w: World) -> Any:
        if query is None:
            return w.polarbear.translate(**given)
        cells = query(w)
        return w.polarbear.translate(w.given(cells) if hasattr(cells, "obs") else cells, **given)

    return call


TRANSLATE = [
    *(
        Case("Polarbear.translate", name, _translate(*given[:1], transform_batch="s1"), given[1])
        for name, given in QUERIES.items()
    ),
    *(
        Case("Polarbear.translate", f"n_samples_{value}", _translate(n_samples=value), message)
        for value, message in (
            (0, "n_samples must be a whole number above 1, got 0"),
            (1, "n_samples must be a whole number above 1, got 1"),
            (-5, "n_samples must be.*-5"),
            (2.5, r"n_samples must be.*2\.5"),
            ("5", "n_samples must be.*'5'"),
            (True, "n_samples must be.*True"),
        )
    ),
    Case("Polarbear.translate", "source", _translate(source="gex"), "source='gex' is unknown"),
    Case("Polarbear.translate", "target", _translate(target="protein"), "target='protein' is unk"),
    Case("Polarbear.translate", "target_list", _translate(target=["atac"]), "is unknown"),
    Case(
        "Polarbear.translate",
        "two_sources",
        _translate(source=("rna", "atac")),
        r"source=\('rna', 'atac'\).*one",
    ),
    Case(
        "Polarbear.translate",
        "untaught_batch",
        _translate(transform_batch="s3"),
        r"No training cell of batch 's3' was measured in 'atac'.*\['s1', 's2'\]",
    ),
    Case(
        "Polarbear.translate",
        "unknown_batch",
        _translate(transform_batch="s9"),
        "'s9' was not among the training batches",
    ),
    Case("Polarbear.translate", "batch_list", _translate(transform_batch=["s1"]), "one value"),
    Case(
        "Polarbear.translate",
        "query_without_batch",
        _translate(lambda w: w.mdata["rna"].copy()),
        "no column 'site', which the model was trained with.*transform_batch='s1'",
    ),
    Case(
        "Polarbear.translate",
        "query_of_a_new_batch",
        _translate(lambda w: with_obs(w.mdata["rna"], "site", ["s9"] * 60)),
        "'s9' was not among the training batches.*transform_batch='s1'",
    ),
    Case("Polarbear.translate", "batch_size_0", _translate(batch_size=0), "batch_size must be"),
    Case(
        "Polarbear.translate",
        "batch_size_0_sampled",
        _translate(batch_size=0, n_samples=2),
        "batch_size must be a whole number of at least 1.*got 0",
    ),
    Case(
        "Polarbear.translate",
        "batch_size_text_sampled",
        _translate(batch_size="8", n_samples=2),
        "batch_size must be a whole",
    ),
    Case("Polarbear.translate", "depth", _translate(depth="mean"), "depth='mean' is unknown"),
    Case("Polarbear.translate", "quantile", _translate(quantiles=(5, 95)), "above 0 and below 1"),
    Case("Polarbear.translate", "out", _translate(out="cells.csv"), r"must end in \.h5ad"),
    Case("Polarbear.translate", "features", _translate(features=["x"]), r"1 of the features.*'x'"),
    Case("Polarbear.translate", "mistyped", _translate(n_sample=3), "n_sample", TypeError),
    Case(
        "Polarbear.translate",
        "unmeasured_cells",
        _translate(indices=range(50, 60)),
        "None of the 10 cells was measured in 'rna'",
    ),
    Case(
        "Polarbear.translate",
        "untrained",
        lambda w: Polarbear(w.registered_mosaic).translate(source="rna", target="atac"),
        r"not trained yet: call train\(\)",
    ),
    Case(
        "Polarbear.translate",
        "no_data",
        lambda w: _reloaded(w).translate(source="rna", target="atac"),
        "loaded without data: give the cells",
    ),
    Case(
        "get_latent_representation",
        "polarbear_modality",
        lambda w: w.polarbear.get_latent_representation(modality="gex"),
        "modality='gex' is unknown",
    ),
    Case(
        "get_latent_representation",
        "polarbear_two_modalities",
        lambda w: w.polarbear.get_latent_representation(modality=["rna", "atac"]),
        "modality=.*one",
    ),
    Case(
        "load",
        "polarbear_as_butterfly",
        lambda w: Butterfly.load(_saved(w), adata=False),
        "holds a Polarbear, not a Butterfly",
    ),
    Case(
        "load",
        "butterfly_as_polarbear",
        lambda w: Polarbear.load(w.saved, adata=False),
        "holds a Butterfly, not a Polarbear",
    ),
    Case(
        "load",
        "polarbear_without_batches",
        lambda w: Polarbear.load(_saved(w), w.given(w.part("rna", "atac"))),
        "site",
    ),
    Case("save", "polarbear_exists", lambda w: w.polarbear.save(_saved(w)), "already exists"),
]

MOSAIC_PAIRS = [
    Case(
        "MosaicPairs",
        "lengths",
        lambda w: MosaicPairs({"rna": [0, 1], "atac": [0]}),
        r"one row of each modality.*\{'rna': 2, 'atac': 1\}",
    ),
    Case(
        "MosaicPairs",
        "below",
        lambda w: MosaicPairs({"rna": [0, -2], "atac": [0, 1]}),
        "row -2 of 'rna'.*-1 where a cell lacks",
    ),
    Case("MosaicPairs", "text", lambda w: MosaicPairs({"rna": ["a"], "atac": [0]}), "whole row"),
    Case(
        "MosaicPairs",
        "nan",
        lambda w: MosaicPairs({"rna": [0, np.nan], "atac": [0, 1]}),
        "whole row numbers of 'rna', got dtype float64",
    ),
    Case("MosaicPairs", "list", lambda w: MosaicPairs([[0, 1]]), "rows must be a dict"),
    Case("MosaicPairs", "none", lambda w: MosaicPairs(None), "rows must be a dict, got None"),
    Case(
        "MosaicPairs",
        "unknown_modality",
        lambda w: MosaicPairs({"rna": [0], "atac": [0]}).of_modalities(["gex"]),
        r"'gex'.*\['rna', 'atac'\]",
    ),
]

CASES = [*SETUP, *MODELS, *TRAIN, *TRANSLATE, *MOSAIC_PAIRS]
