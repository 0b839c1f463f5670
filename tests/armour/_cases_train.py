"""Mistakes at training, translating and asking for latents."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from _world import (
    N_CELLS,
    QUIET,
    SPLIT,
    Case,
    World,
    with_matrix,
    with_names,
    with_obs,
    with_value,
)
from anndata import AnnData
from lightning.pytorch.callbacks import EarlyStopping
from mudata import MuData
from scvi.train._logger import SimpleLogger

from scvi_xmodal.data import Pairs, Split
from scvi_xmodal.model import Babel, Butterfly


def _train(**arguments: Any) -> Any:
    """Train a new model for an epoch, with other arguments."""
    given = {"max_epochs": 1, "pretrain_epochs": 0, "split": SPLIT, **QUIET, **arguments}
    return lambda w: w.untrained().train(**given)


def _babel(**arguments: Any) -> Any:
    given = {"max_epochs": 1, "split": SPLIT, **QUIET, **arguments}
    return lambda w: Babel(w.babel.adata).train(**given)


def _plan(**arguments: Any) -> Any:
    return _train(plan_kwargs=arguments)


def _pairs(**rows: Any) -> Any:
    return lambda w: _train(pairs=Pairs(rows))(w)


def _sizes(**sizes: Any) -> Any:
    return _train(split=None, **sizes)


WHOLE = "must be a whole number"
TRAIN = [
    Case("train", "epochs_negative", _train(max_epochs=-1), f"max_epochs {WHOLE} of at least 1"),
    Case("train", "epochs_text", _train(max_epochs="10"), f"max_epochs {WHOLE}.*got '10'"),
    Case("train", "epochs_half", _train(max_epochs=1.5), rf"max_epochs {WHOLE}.*got 1\.5"),
    Case("train", "epochs_true", _train(max_epochs=True), f"max_epochs {WHOLE}.*got True"),
    Case("train", "pretrain", _train(pretrain_epochs=-1), f"pretrain_epochs {WHOLE}"),
    Case("train", "nothing_to_do", _train(max_epochs=0), "max_epochs .* at least 1, got 0"),
    Case("train", "split_tuple", _train(split=([0], [1])), "split must be a Split, got tuple"),
    Case("train", "split_beyond", _train(split=Split(range(70))), "go up to 69.*have 60 cells"),
    Case("train", "split_small", _train(split=Split(range(5))), "5 training cells are too few"),
    Case(
        "train",
        "refit_without_validation",
        _train(refit=True, split=Split(range(40))),
        "refit=True needs validation cells",
    ),
    Case(
        "train",
        "refit_drawn_without_validation",
        _sizes(refit=True, train_size=1.0),
        "refit=True needs validation cells",
    ),
    Case(
        "train",
        "refit_on_plateau",
        _train(refit=True, plan_kwargs={"reduce_lr_on_plateau": True}),
        "lowers the learning rate by the validation loss",
    ),
    Case(
        "train",
        "refit_without_history",
        _train(refit=True, logger=False),
        "logger=False keeps no history",
    ),
    Case(
        "train",
        "refit_with_lightnings_logger",
        _train(refit=True, logger=True),
        "logger=True keeps no history of each phase",
    ),
    Case(
        "train",
        "refit_with_a_logger_of_ones_own",
        _train(refit=True, logger=SimpleLogger()),
        "logger=.* keeps no history of each phase",
    ),
    Case(
        "train",
        "refit_with_several_loggers",
        _train(refit=True, logger=[SimpleLogger()]),
        "logger=.* keeps no history of each phase",
    ),
    Case(
        "train",
        "refit_with_fast_dev_run",
        _train(refit=True, fast_dev_run=True),
        "fast_dev_run=True keeps no history of each phase",
    ),
    Case(
        "train",
        "refit_with_a_callback_that_validates",
        _train(refit=True, callbacks=[EarlyStopping("validation_loss")]),
        "callbacks hold EarlyStopping of 'validation_loss', which a refit has none of",
    ),
    Case(
        "train",
        "refit_by_the_clock",
        _train(refit=True, max_time={"minutes": 1}),
        "may end a refit before",
    ),
    Case(
        "train",
        "refit_of_trained",
        lambda w: w.model.train(1, refit=True, split=SPLIT, **QUIET),
        "this model is trained already",
    ),
    Case("train", "split_and_size", _train(train_size=0.5), "either split= or train_size="),
    Case("train", "size_0", _sizes(train_size=0), "train_size must be a number above 0"),
    Case("train", "size_above_1", _sizes(train_size=1.5), r"train_size must.*got 1\.5"),
    Case("train", "size_text", _sizes(train_size="most"), "train_size must be.*'most'"),
    Case("train", "validation_size", _sizes(validation_size=-0.1), "validation_size must be"),
    Case(
        "train",
        "sizes_above_1",
        _sizes(train_size=0.9, validation_size=0.5),
        "must be at most 1, got 0.9 [+] 0.5",
    ),
    Case("train", "pairs_dict", _train(pairs={"rna": [0]}), "pairs must be a Pairs|got dict"),
    Case("train", "pairs_one", _pairs(rna=range(20)), "atac"),
    Case("train", "pairs_unknown", _pairs(gex=range(20), atac=range(20)), "rna"),
    Case("train", "pairs_beyond", _pairs(rna=[0, 99], atac=[0, 1]), "99"),
    Case("train", "pairs_held_out", _pairs(rna=[0, 45], atac=[0, 45]), "validation"),
    Case("train", "pairs_test", _pairs(rna=[0, 55], atac=[0, 55]), "test"),
    Case(
        "train",
        "validation_pairs",
        _train(validation_pairs=Pairs({"rna": [0, 1], "atac": [0, 1]})),
        "are no validation cells, the first is 0",
    ),
    Case("train", "batch_of_1", _train(batch_size=1), "batch_size must be at least 2, got 1"),
    Case("train", "batch_negative", _train(batch_size=-8), "batch_size must be.*-8"),
    Case("train", "batch_text", _train(batch_size="64"), f"batch_size {WHOLE}"),
    Case("train", "batch_half", _train(batch_size=32.5), f"batch_size {WHOLE}"),
    Case("train", "stopping", _train(early_stopping="yes"), "early_stopping must be True or"),
    Case("train", "plan_list", _train(plan_kwargs=["lr"]), "plan_kwargs must be a dict"),
    Case("train", "plan_key", _plan(learning_rate=0.1), "unknown key 'learning_rate'"),
    Case("train", "plan_optimizer", _plan(optimizer="AdamW"), "cannot set 'optimizer'"),
    Case(
        "train",
        "lr_negative",
        _plan(lr=-1),
        r"plan_kwargs\['lr'\] must be a number of at least 0, got -1",
    ),
    Case("train", "lr_text", _plan(lr="1e-3"), r"plan_kwargs\['lr'\].*got '1e-3'"),
    Case("train", "lr_nan", _plan(lr=np.nan), r"plan_kwargs\['lr'\].*got nan"),
    Case("train", "decay", _plan(weight_decay=-1), r"\['weight_decay'\] must be"),
    Case("train", "warmup", _plan(n_epochs_kl_warmup=-5), r"\['n_epochs_kl_warmup'\] must"),
    Case("train", "clip", _plan(max_grad_norm=0), r"\['max_grad_norm'\] must be a number above 0"),
    Case("train", "kl", _plan(max_kl_weight=-1), r"\['max_kl_weight'\] must be"),
    Case("train", "discriminator", _plan(discriminator_lr=None), r"\['discriminator_lr'\] must"),
    Case("train", "plateau", _plan(reduce_lr_on_plateau="yes"), "must be True or False"),
    Case("train", "factor", _plan(lr_factor=2), r"\['lr_factor'\] must be.*below 1, got 2"),
    Case("train", "metric", _plan(lr_scheduler_metric="loss"), r"\['lr_scheduler_metric'\] must"),
    Case("train", "loader_list", _train(datasplitter_kwargs=["x"]), "must be a dict"),
    Case("train", "loader_key", _train(datasplitter_kwargs={"workers": 2}), "key 'workers'"),
    Case("train", "workers", _train(datasplitter_kwargs={"num_workers": -1}), "num_workers.*-1"),
    Case("train", "drop_last", _train(datasplitter_kwargs={"drop_last": True}), "drop_last=True"),
    Case("train", "accelerator", _train(accelerator="abacus"), "'abacus'.*accelerator='cpu'"),
    Case("train", "no_accelerator", _train(accelerator=None), "accelerator=None"),
    Case("train", "devices_0", _train(devices=0), "devices=0 name no device"),
    Case("train", "devices", _train(devices="all"), "devices='all' name no device"),
    Case("train", "patience", _train(early_stopping_patience=-1), "early_stopping_patience must"),
    Case("train", "patience_text", _train(early_stopping_patience="5"), "patience must.*'5'"),
    Case("train", "delta", _train(early_stopping_min_delta=-1), "early_stopping_min_delta must"),
    Case("train", "monitor", _train(early_stopping_monitor="loss"), "early_stopping_monitor='lo"),
    Case("train", "mode", _train(early_stopping_mode="max"), "must be 'min'"),
    Case("train", "stopping_key", _train(early_stopping_wait=3), "'early_stopping_wait'"),
    Case("train", "mistyped", _train(epochs=3), "no argument 'epochs'"),
    Case("train", "logger", _train(logger=3), "logger must be True, False"),
    Case("train", "callbacks", _train(callbacks=3), "callbacks"),
    Case("train", "precision", _train(precision="half"), "trainer refuses.*half"),
    Case("train", "precision_16", _train(precision="16-true"), "precision='bf16-mixed' or"),
    Case("train", "precision_bf16", _train(precision="bf16-true"), "precision='bf16-mixed' or"),
    Case("train", "tpu", _train(accelerator="tpu"), "accelerator='tpu'.*accelerator='cpu'"),
    Case("train", "strategy", _train(strategy="x"), "trainer refuses.*'x'"),
    Case("train", "check_every", _train(check_val_every_n_epoch="x"), "trainer refuses"),
    Case("train", "clip_value", _train(gradient_clip_val="x"), "'x': .*max_grad_norm"),
    Case("train", "time", _train(max_time=3), "trainer refuses"),
    Case("train", "progress", _train(enable_progress_bar="no"), "must be True or False"),
    Case("train", "resume", _train(resume=True), "needs the checkpoint_dir="),
    Case("train", "resume_text", _train(resume="last"), "resume must be True or False"),
    Case(
        "train",
        "checkpoint_file",
        lambda w: _train(checkpoint_dir=w.file("ckpt.txt"))(w),
        "checkpoint_dir='.*ckpt.txt' is a file; name a folder",
    ),
    Case("train", "checkpoint", _train(checkpoint_dir=3), "checkpoint_dir must be a path"),
    Case(
        "train",
        "no_data",
        lambda w: Butterfly.load(w.saved, adata=False).train(1),
        "loaded without data",
    ),
    Case("Babel.train", "epochs_0", _babel(max_epochs=0), "max_epochs must be a whole"),
    Case("Babel.train", "epochs_none", _babel(max_epochs=None), "max_epochs must be"),
    Case("Babel.train", "batch", _babel(batch_size=0), "batch_size must be"),
    Case("Babel.train", "plan", _babel(plan_kwargs={"lr": -1}), r"\['lr'\] must be"),
    Case("Split", "overlap", lambda w: Split([0, 1], [1]), "train and validation rows overlap"),
    Case("Split", "twice", lambda w: Split([0, 0]), "contain row 0 twice"),
    Case("Split", "negative", lambda w: Split([-1]), "contain -1; rows count from 0"),
    Case("Split", "mask", lambda w: Split(np.ones(3, bool)), r"np\.flatnonzero"),
    Case("Split", "text", lambda w: Split(["cell_1"]), "array of row numbers"),
    Case("Split", "half", lambda w: Split([0.5]), "array of row numbers"),
    Case("Pairs", "lengths", lambda w: Pairs({"rna": [0, 1], "atac": [0]}), "one row of each"),
    Case("Pairs", "negative", lambda w: Pairs({"rna": [-1, 1], "atac": [0, 1]}), "-1"),
    Case("Pairs", "list", lambda w: Pairs([[0, 1], [0, 1]]), "dict"),
    Case("Pairs", "text", lambda w: Pairs({"rna": ["a", "b"], "atac": [0, 1]}), "whole|number"),
]


def _query(change: Any, source: str = "rna", target: str = "atac", **options: Any) -> Any:
    """Translate a query made from the world's data."""

    def call(w: World) -> Any:
        query = change(w)
        query = w.given(query) if hasattr(query, "obs") else query
        return w.model.translate(query, source=source, target=target, **options)

    return call


def _translate(**options: Any) -> Any:
    given = {"source": "rna", "target": "atac", **options}
    return lambda w: w.model.translate(w.copy("rna"), **given)


def _latent(**options: Any) -> Any:
    given = {"modality": "rna", **options}
    return lambda w: w.model.get_latent_representation(w.copy("rna"), **given)


def _renamed(change: Any) -> Any:
    return _query(lambda w: with_names(w.mdata["rna"], map(change, w.mdata["rna"].var_names)))


QUERIES = {
    "missing_genes": (
        lambda w: w.mdata["rna"][:, 12:].copy(),
        r"lack 12 of the model's 18 'rna' features.*pp\.align_features",
    ),
    "most_genes_missing": (lambda w: w.mdata["rna"][:, :1].copy(), "lack 17 of the model's 18"),
    "no_genes": (lambda w: w.mdata["rna"][:, :0].copy(), "lack 18 of the model's 18"),
    "no_cells": (lambda w: w.mdata["rna"][:0].copy(), "The query has no cells"),
    "other_modality": (lambda w: w.mdata["atac"].copy(), "holds 'atac' features, but source='rna"),
    "without_source": (lambda w: MuData({"atac": w.mdata["atac"].copy()}), "no rna modality"),
    "unknown_modality": (lambda w: MuData({"x": w.mdata["rna"].copy()}), "Rename the modality"),
    "matrix": (lambda w: w.mdata["rna"].X, "an AnnData or a MuData, got csr"),
    "frame": (lambda w: w.mdata["rna"].to_df(), "an AnnData or a MuData, got DataFrame"),
    "number": (lambda w: 3, "an AnnData or a MuData, got int"),
    "missing_file": (lambda w: "nowhere.h5ad", r"'nowhere\.h5ad' does not exist"),
    "other_file": (lambda w: w.file("cells.csv"), r"ends in '\.csv'; known are"),
    "no_matrix": (lambda w: AnnData(var=w.mdata["rna"].var), "no cells|is empty"),
    "repeated_genes": (
        lambda w: with_names(w.mdata["rna"], ["gene_1", *w.mdata["rna"].var_names[1:]]),
        r"query's features are not unique.*var_names_make_unique",
    ),
    "nan": (lambda w: with_value(w.mdata["rna"], np.nan), r"query\.X holds nan"),
    "negative": (lambda w: with_value(w.mdata["rna"], -2), r"query\.X holds -2"),
    "fraction": (lambda w: with_value(w.mdata["rna"], 0.5), r"query\.X holds 0\.5"),
    "text": (
        lambda w: with_matrix(w.mdata["rna"], w.mdata["rna"].X.toarray().astype("U3")),
        "numbers are needed",
    ),
}

TRANSLATE = [
    *(Case("translate", name, _query(*given[:1]), given[1]) for name, given in QUERIES.items()),
    *(
        Case(
            "get_latent_representation",
            name,
            lambda w, change=change: w.model.get_latent_representation(change(w), modality="rna"),
            message,
        )
        for name, (change, message) in QUERIES.items()
    ),
    Case(
        "translate",
        "transposed",
        _query(lambda w: w.mdata["rna"].T.copy()),
        "query's cells are named as the model's 'rna' features, such as 'gene_0'.*adata.T",
    ),
    Case(
        "translate",
        "normalised",
        _query(lambda w: with_value(w.mdata["rna"], 0.5)),
        r"such as layer='counts'; what scanpy keeps in \.raw",
    ),
    Case(
        "translate",
        "names_as_indices",
        _translate(indices=["cell_1", "cell_2"]),
        r"dtype <U6, such as .*'cell_1'.*obs_names\.get_indexer\(names\)",
    ),
    Case(
        "translate", "out_at_home", _translate(out="~/x.h5ad"), "takes ~ for a name.*Write it out"
    ),
    Case("translate", "upper_case", _renamed(str.upper), "lack 18.*'GENE_0'.*rename them"),
    Case("translate", "versions", _renamed(lambda n: f"{n}.7"), r"lack 18.*'gene_0\.7'"),
    Case("translate", "ensembl", _renamed(lambda n: f"ENSG0{n}"), "lack 18.*align_features"),
    Case(
        "translate",
        "foreign_peaks",
        _query(
            lambda w: with_names(w.mdata["atac"], [f"chr9:{i}0-{i}5" for i in range(1, 37)]),
            source="atac",
            target="rna",
        ),
        "repool=True",
    ),
    Case("translate", "source", _translate(source="gex"), r"source='gex' is unknown.*\['rna'"),
    Case("translate", "target", _translate(target="protein"), "target='protein' is unknown"),
    Case("translate", "target_none", _translate(target=None), "target=None is unknown"),
    Case("translate", "target_list", _translate(target=["rna"]), "is unknown"),
    Case(
        "translate", "depth", _translate(depth="mean"), "depth='mean' is unknown; it is 'median'"
    ),
    Case("translate", "depth_number", _translate(depth=1000), "one positive total for each of"),
    Case("translate", "depth_zero", _translate(depth=np.zeros(N_CELLS)), "one positive total"),
    Case("translate", "depth_short", _translate(depth=[1.0, 2.0]), r"got shape \(2,\)"),
    Case("translate", "depth_nan", _translate(depth=np.full(N_CELLS, np.nan)), "one positive"),
    Case("translate", "batch", _translate(transform_batch="b"), "knows no batches"),
    Case("translate", "batch_list", _translate(transform_batch=["b"]), "must be one value"),
    Case(
        "translate",
        "unknown_batch",
        lambda w: w.batched.translate(source="rna", target="atac", transform_batch="x"),
        "'x' was not among the training batches",
    ),
    Case(
        "translate",
        "query_without_batch",
        lambda w: w.batched.translate(
            w.given(AnnData(w.mdata["rna"].X, var=w.mdata["rna"].var)),
            source="rna",
            target="atac",
        ),
        "no column 'batch', which the model was trained with.*transform_batch=",
    ),
    Case(
        "translate",
        "missing_batch",
        lambda w: w.batched.translate(
            w.given(with_obs(w.mdata["rna"], "batch", [None] * N_CELLS)),
            source="rna",
            target="atac",
        ),
        "was not among the training batches",
    ),
    Case("translate", "features", _translate(features=["x"]), r"1 of the features.*\['x'\]"),
    Case("translate", "features_twice", _translate(features=["a", "a"]), "each once"),
    Case("translate", "features_none", _translate(features=[]), "features is empty: name some"),
    Case("translate", "features_3", _translate(features=3), "features must be text or a list"),
    Case("translate", "layer", _translate(layer="x"), r"layers\['x'\] does not exist"),
    Case("translate", "layer_3", _translate(layer=3), "layer must be text"),
    Case("translate", "batch_size", _translate(batch_size=0), "batch_size must be at least 1"),
    Case("translate", "batch_size_text", _translate(batch_size="8"), "batch_size must be a whole"),
    Case("translate", "repool_text", _translate(repool="yes"), "repool must be True or False"),
    Case("translate", "repool_rna", _translate(repool=True), "maps peaks onto peaks"),
    Case("translate", "out", _translate(out="cells.csv"), r"must end in \.h5ad or \.zarr"),
    Case("translate", "out_number", _translate(out=3), "out must be a path, or None, got 3"),
    Case("translate", "out_nowhere", _translate(out="/nowhere/x.h5ad"), "cannot write to"),
    Case("translate", "progress", _translate(enable_progress_bar=1), "must be True or False"),
    Case("translate", "indices_beyond", _translate(indices=[60]), "but there are 60 cells"),
    Case("translate", "indices_negative", _translate(indices=[-1]), "indices go from -1"),
    Case("translate", "indices_none", _translate(indices=[]), "indices are empty"),
    Case("translate", "indices_names", _translate(indices=["cell_1"]), "row numbers or a mask"),
    Case("translate", "indices_half", _translate(indices=pd.Series([0.5])), "got dtype float64"),
    Case("translate", "indices_mask", _translate(indices=np.ones(7, bool)), r"has shape \(7,\)"),
    Case("translate", "split", _translate(indices=SPLIT), "row numbers or a mask"),
    Case(
        "translate",
        "untrained",
        lambda w: w.untrained().translate(w.copy("rna"), source="rna", target="atac"),
        r"not trained yet: call train\(\)",
    ),
    Case(
        "translate",
        "no_data",
        lambda w: Butterfly.load(w.saved, adata=False).translate(source="rna", target="atac"),
        "loaded without data: give the cells",
    ),
    Case("get_latent_representation", "modality", _latent(modality="gex"), "modality='gex' is"),
    Case("get_latent_representation", "batch_0", _latent(batch_size=0), "batch_size must be"),
    Case("get_latent_representation", "batch_none", _latent(batch_size=None), "batch_size must"),
    Case("get_latent_representation", "layer", _latent(layer="x"), "does not exist"),
    Case("get_latent_representation", "indices", _latent(indices=[99]), "there are 60 cells"),
    Case("get_latent_representation", "dist", _latent(return_dist="yes"), "True or False"),
    Case("get_latent_representation", "repool", _latent(repool=True), "maps peaks onto peaks"),
]


def _repool(names: Any) -> Any:
    return _query(
        lambda w: with_names(AnnData(w.mdata["atac"].X), names(w.mdata["atac"])),
        source="atac",
        target="rna",
        repool=True,
    )


REPOOL = [
    Case("repool", "no_coordinates", _repool(lambda a: range(a.n_vars)), "have no coordinates"),
    Case(
        "repool",
        "no_overlap",
        _repool(lambda a: [f"chr99:{i}0-{i}5" for i in range(1, a.n_vars + 1)]),
        "overlap",
    ),
    Case(
        "repool",
        "start_after_end",
        _repool(lambda a: ["chr1:20-10", *a.var_names[1:]]),
        r"have no coordinates, such as \['chr1:20-10'\].*start < end",
    ),
]


def _head(change: Any = None, **options: Any) -> Any:
    def call(w: World) -> Any:
        cite = w.part("rna", "protein") if change is None else change(w)
        cite = w.given(cite) if hasattr(cite, "obs") else cite
        given = {"split": SPLIT, "plan_kwargs": {"max_epochs": 1}, **options}
        return w.babel.train_protein_head(cite, **given)

    return call


def _proteins(change: Any) -> Any:
    return _head(lambda w: w.part("rna", protein=change(w.mdata["protein"])))


def _absent(adata: Any) -> Any:
    matrix = adata.X.tolil()
    matrix[:, 2] = 0
    return with_matrix(adata, matrix.tocsr())


HEAD = [
    Case(
        "train_protein_head", "anndata", _head(lambda w: w.mdata["rna"].copy()), "needs a MuData"
    ),
    Case("train_protein_head", "path", _head(lambda w: "cite.h5mu"), "needs a MuData, got str"),
    Case(
        "train_protein_head", "no_protein", _head(lambda w: w.part("rna")), "no protein modality"
    ),
    Case(
        "train_protein_head",
        "repeated_proteins",
        _proteins(lambda a: with_names(a, [a.var_names[0]] * 2 + list(a.var_names[2:]))),
        "proteins are not unique",
    ),
    Case(
        "train_protein_head", "absent_protein", _proteins(_absent), "are 0 in all training cells"
    ),
    Case("train_protein_head", "one_protein", _proteins(lambda a: a[:, :1].copy()), "too few"),
    Case("train_protein_head", "clr", _proteins(lambda a: with_value(a, 0.5)), r"holds 0\.5"),
    Case(
        "train_protein_head",
        "other_genes",
        _head(lambda w: w.part("protein", rna=w.mdata["rna"][:, 9:].copy())),
        "lack 9 of the model's 18 'rna' features.*at most 10%",
    ),
    Case(
        "train_protein_head",
        "unpaired",
        _head(lambda w: w.part(rna=w.mdata["rna"][:40], protein=w.mdata["protein"][20:])),
        "not paired",
    ),
    Case("train_protein_head", "split", _head(split=[0, 1]), "split must be a Split"),
    Case("train_protein_head", "layer", _head(rna_layer="x"), r"layers\['x'\] does not exist"),
    Case("train_protein_head", "activation", _head(activation="relu"), "activation='relu' is unk"),
    Case("train_protein_head", "loss", _head(loss=["mse"]), "is unknown; there are"),
    Case("train_protein_head", "missing", _head(max_missing_genes=2), "max_missing_genes must be"),
    Case("train_protein_head", "plan", _head(plan_kwargs={"lr": -1}), r"\['lr'\] must be"),
    Case("train_protein_head", "plan_key", _head(plan_kwargs={"x": 1}), "'x' is unknown"),
    Case(
        "train_protein_head",
        "untrained",
        lambda w: Babel(w.babel.adata).train_protein_head(w.given(w.part("rna", "protein"))),
        "not trained yet",
    ),
    Case(
        "Babel.translate",
        "no_head",
        lambda w: Babel.translate(w.babel, source="rna", target="protein"),
        "needs a protein head: call train_protein_head",
    ),
    Case(
        "Babel.translate",
        "depth",
        lambda w: w.babel.translate(source="rna", target="atac", depth="predicted"),
        "depth must be 'median'",
    ),
    Case(
        "Babel.translate",
        "via",
        lambda w: w.babel.translate(source="rna", target="atac", via="gex"),
        "via='gex' is unknown",
    ),
]

CASES = [*TRAIN, *TRANSLATE, *REPOOL, *HEAD]
