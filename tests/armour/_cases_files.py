"""Mistakes at saving, loading, sharing, and on the command line."""

from __future__ import annotations

import json
import shutil
from typing import Any

from _world import Case, World
from typer.testing import CliRunner

import scvi_xmodal as xm
from scvi_xmodal.cli import app

Butterfly, Babel = xm.model.Butterfly, xm.model.Babel


def _save(**options: Any) -> Any:
    return lambda w: w.model.save(**{"dir_path": w.folder / "new", **options})


def _load(path: Any = None, cls: Any = Butterfly, **options: Any) -> Any:
    def call(w: World) -> Any:
        given = w.saved if path is None else path
        return cls.load(given, **{"adata": False, "accelerator": "cpu", **options})

    return call


def _spoilt(name: str, spoil: Any) -> Any:
    """Load a copy of a saved model after something happened to it."""

    def call(w: World) -> Any:
        folder = w.folder / f"spoilt_{name}"
        shutil.copytree(w.saved, folder)
        spoil(folder)
        return Butterfly.load(folder, adata=False)

    return call


def _manifest(**entries: Any) -> Any:
    def change(folder: Any) -> None:
        path = folder / "scvi_xmodal.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), **entries}))

    return change


def _truncate(folder: Any) -> None:
    path = folder / "model.pt"
    path.write_bytes(path.read_bytes()[:1000])


SAVING = [
    Case("save", "exists", lambda w: w.model.save(w.saved), "already exists. Choose another, or"),
    Case("save", "number", _save(dir_path=3), "dir_path must be a path, got 3"),
    Case("save", "none", _save(dir_path=None), "dir_path must be a path, got None"),
    Case("save", "empty", _save(dir_path=""), "dir_path must be a path, got ''"),
    Case(
        "save",
        "below_a_file",
        lambda w: w.model.save(w.file("no_folder.txt") / "m"),
        "no_folder.txt' is a file; name a folder",
    ),
    Case("save", "at_home", _save(dir_path="~/m"), "dir_path='~/m': Python takes ~ for a name"),
    Case("load", "at_home", _load("~/m"), "dir_path='~/m': Python takes ~ for a name"),
    Case("save", "file", lambda w: w.model.save(w.file("a_file"), overwrite=True), "is a file"),
    Case("save", "prefix", _save(prefix="a/b"), "prefix must be text without /"),
    Case("save", "overwrite", _save(overwrite="yes"), "overwrite must be True or False"),
    Case("save", "data", _save(save_anndata="yes"), "save_anndata must be True or False"),
    Case("save", "keyword", _save(compression="gzip"), "needs save_anndata=True"),
    Case("save", "unknown", _save(save_anndata=True, gzip=True), "cannot be written with"),
    Case(
        "save",
        "no_data",
        lambda w: Butterfly.load(w.saved, adata=False).save(w.folder / "x", save_anndata=True),
        "loaded without data",
    ),
    Case("load", "missing", _load("nowhere"), "holds no model saved by scvi_xmodal"),
    Case("load", "number", _load(3), "dir_path must be a path"),
    Case("load", "other_class", _load(cls=Babel), "holds a Butterfly, not a Babel"),
    Case("load", "prefix", _load(prefix="x"), "x?scvi_xmodal.json is missing"),
    Case("load", "prefix_3", _load(prefix=3), "prefix must be text"),
    Case(
        "load", "anndata", lambda w: Butterfly.load(w.saved, w.copy("rna")), "the training MuData"
    ),
    Case("load", "path_as_data", _load(adata="x.h5mu"), "the training MuData or False, got str"),
    Case("load", "accelerator", _load(accelerator="abacus"), "accelerator='abacus'"),
    Case("load", "device", _load(device="first"), "device='first' name no device"),
    Case("load", "devices", _load(device=-1), "device=-1"),
    Case(
        "load",
        "other_genes",
        lambda w: Butterfly.load(w.saved, w.given(w.part("atac", rna=w.mdata["rna"][:, 3:]))),
        "lack 3 of the model's 18",
    ),
    Case(
        "load",
        "one_modality",
        lambda w: Butterfly.load(w.saved, w.given(w.part("rna"))),
        "rna|modal",
    ),
    Case("load", "truncated", _spoilt("truncated", _truncate), "is truncated, or was changed"),
    Case(
        "load",
        "newer",
        _spoilt("newer", _manifest(format_version=99)),
        "has format version 99.*Upgrade",
    ),
    Case(
        "load",
        "versionless",
        _spoilt("versionless", _manifest(format_version=None)),
        "cannot be read",
    ),
    Case(
        "load",
        "garbled",
        _spoilt("garbled", lambda f: (f / "scvi_xmodal.json").write_text("{")),
        "cannot be read",
    ),
    Case(
        "load",
        "no_weights",
        _spoilt("weightless", lambda f: (f / "model.pt").unlink()),
        "is missing: copy the whole folder",
    ),
    Case("load_registry", "missing", lambda w: Butterfly.load_registry("nowhere"), "is missing"),
    Case(
        "load_registry", "number", lambda w: Butterfly.load_registry(3), "dir_path must be a path"
    ),
    Case(
        "read_manifest", "missing", lambda w: xm.model.read_manifest("nowhere"), "holds no model"
    ),
    Case(
        "read_manifest", "none", lambda w: xm.model.read_manifest(None), "dir_path must be a path"
    ),
    Case(
        "convert_legacy_save",
        "any",
        lambda w: Butterfly.convert_legacy_save("x", "y"),
        "no legacy",
    ),
]


def _hub(**options: Any) -> Any:
    given = {"license_info": "mit", "description": "Cells.", **options}
    return lambda w: xm.model.to_hub(given.pop("dir_path", w.saved), **given)


HUB = [
    Case("to_hub", "missing", _hub(dir_path="nowhere"), "holds no model|needs huggingface_hub"),
    Case("to_hub", "number", _hub(dir_path=3), "dir_path must be a path"),
    Case("to_hub", "license", _hub(license_info=None), "license_info must be text"),
    Case("to_hub", "description", _hub(description=3), "description must be text"),
    Case("to_hub", "title", _hub(title=3), "title must be text"),
    Case("to_hub", "tissues", _hub(tissues=3), "tissues must be text or a list"),
    Case("to_hub", "references", _hub(references=3), "references must be text"),
    Case("to_hub", "url", _hub(training_data_url="here"), "must begin with https"),
    Case("to_hub", "overwrite", _hub(overwrite="yes"), "overwrite must be True or False"),
]


def _cli(*arguments: Any) -> Any:
    """Run a command in this process; its one line becomes the message."""

    def call(w: World) -> None:
        places = {
            "MODEL": w.saved,
            "FOLDER": w.folder,
            "DATA": _data(w),
            "PROTEINS": _data(w, "rna", "protein"),
            "RNA": _rna(w),
            "TEXT": w.file("text.h5ad", "these are no cells"),
            "BELOW": w.folder / "text.h5ad" / "m",
            "TABLE": w.file("table.csv", "gene,cell\n"),
        }
        given = [str(places.get(argument, argument)) for argument in arguments]
        done = CliRunner().invoke(app, given)
        if done.exit_code != 2 or "Traceback" in done.output:
            raise AssertionError(f"exit {done.exit_code}: {done.output}")
        raise CommandError(done.output + done.stderr)

    return call


class CommandError(Exception):
    """What a command printed before it gave up."""


def _data(w: World, *keys: str) -> Any:
    path = w.folder / f"data{'_'.join(keys)}.h5mu"
    if not path.exists():
        w.part(*(keys or ("rna", "atac"))).write(path)
    return path


def _rna(w: World) -> Any:
    path = w.folder / "rna.h5ad"
    if not path.exists():
        w.mdata["rna"].write_h5ad(path)
    return path


COMMANDS = [
    Case(f"cli {arguments[0]}", name, _cli(*arguments), message, CommandError)
    for name, arguments, message in (
        ("no_file", ("train", "nowhere.h5mu", "-o", "FOLDER/m"), "does not exist"),
        ("no_out", ("train", "DATA"), "out"),
        ("model", ("train", "DATA", "-o", "m", "--model", "moth"), "moth"),
        ("preset", ("train", "DATA", "-o", "m", "--preset", "big"), "big"),
        ("epochs", ("train", "DATA", "-o", "m", "--max-epochs", "ten"), "valid integer"),
        ("epochs_0", ("train", "DATA", "-o", "m", "--max-epochs", "0"), "max-epochs"),
        ("genes", ("train", "DATA", "-o", "m", "--n-top-genes", "-5"), "n-top-genes"),
        ("batch", ("train", "DATA", "-o", "m", "--batch-key", "donor"), "'donor' is no column"),
        ("layer", ("train", "DATA", "-o", "m", "--layer", "raw"), "No modality has the layer"),
        (
            "hold_out",
            ("train", "DATA", "-o", "m", "--hold-out", "donor"),
            r"--hold-out 'donor'.*'none'\]",
        ),
        ("exists", ("train", "DATA", "-o", "MODEL"), "already exists"),
        ("unknown_option", ("train", "DATA", "-o", "m", "--epochs", "3"), "epochs"),
        (
            "accelerator",
            ("train", "DATA", "-o", "m", "--accelerator", "abacus", "--max-epochs", "1"),
            "abacus",
        ),
        (
            "no_model",
            ("translate", "nowhere", "DATA", "--to", "rna", "-o", "x.h5ad"),
            "holds no model",
        ),
        (
            "target",
            ("translate", "MODEL", "DATA", "--to", "gex", "-o", "x.h5ad"),
            "--to 'gex' is unknown",
        ),
        (
            "source",
            ("translate", "MODEL", "DATA", "--to", "rna", "--from", "x", "-o", "x.h5ad"),
            "--from 'x'",
        ),
        ("out", ("translate", "MODEL", "DATA", "--to", "rna", "-o", "x.csv"), "must end in"),
        (
            "depth",
            ("translate", "MODEL", "DATA", "--to", "rna", "-o", "x.h5ad", "--depth", "d"),
            "--depth 'd'",
        ),
        ("labels", ("evaluate", "MODEL", "DATA", "--labels-key", "type"), "type"),
        (
            "layer",
            ("translate", "MODEL", "RNA", "--to", "atac", "-o", "x.h5ad", "--layer", "raw"),
            r"\['raw'\] does not exist.*in X; .*--layer 'X' takes them",
        ),
        ("layer", ("evaluate", "MODEL", "DATA", "--layer", "raw"), "No modality has the layer"),
        ("no_info", ("info", "nowhere"), "holds no model"),
        ("info_of_a_file", ("info", "TEXT"), "holds no model"),
        ("no_argument", ("info",), "(?i)missing argument 'model'"),
        ("out_is_a_file", ("demo", "--out", "TEXT"), "is a file; name a folder"),
        (
            "out_below_a_file",
            ("train", "DATA", "-o", "BELOW"),
            "text.h5ad' is a file; name a folder",
        ),
        ("seed", ("demo", "--seed", "-1"), "seed"),
        ("seed_text", ("demo", "--seed", "x"), "valid integer"),
        ("mistyped", ("demo", "--fast"), "--fast"),
        ("argument", ("demo", "here"), "here"),
        ("text", ("train", "TEXT", "-o", "m"), r"cannot be read as \.h5ad"),
        ("ending", ("train", "TABLE", "-o", "m"), r"ends in '\.csv'; known are"),
        ("one_modality", ("train", "RNA", "-o", "m"), "feature_types"),
        ("seed_negative", ("train", "DATA", "-o", "m", "--seed", "-1"), "seed"),
        ("peaks", ("train", "DATA", "-o", "m", "--min-peak-fraction", "5"), "min-peak-fraction"),
        (
            "polarbear_preset",
            ("train", "DATA", "-o", "m", "--model", "polarbear", "--preset", "default"),
            "preset",
        ),
        (
            "polarbear_pretrain",
            ("train", "DATA", "-o", "m", "--model", "polarbear", "--pretrain-epochs", "1"),
            "pretrain",
        ),
        (
            "out_nowhere",
            ("translate", "MODEL", "RNA", "--to", "atac", "-o", "/nowhere/x.h5ad"),
            "/nowhere",
        ),
        (
            "query_text",
            ("translate", "MODEL", "TEXT", "--to", "atac", "-o", "x.h5ad"),
            r"cannot be read as \.h5ad",
        ),
        (
            "query_of_the_target",
            ("translate", "MODEL", "RNA", "--to", "rna", "-o", "x.h5ad"),
            "--from 'atac'.*--from 'rna'",
        ),
        (
            "batch",
            ("translate", "MODEL", "RNA", "--to", "atac", "-o", "x.h5ad", "--batch", "b"),
            "knows no batches",
        ),
        (
            "repool_rna",
            ("translate", "MODEL", "RNA", "--to", "atac", "-o", "x.h5ad", "--repool"),
            "maps peaks onto peaks",
        ),
        ("one_modality", ("evaluate", "MODEL", "RNA"), "feature_types"),
        ("data", ("evaluate", "MODEL", "nowhere.h5mu"), "does not exist"),
        ("model", ("evaluate", "FOLDER", "DATA"), "holds no model"),
        ("other_genes", ("evaluate", "MODEL", "PROTEINS"), "no atac modality"),
    )
]

CASES = [*SAVING, *HUB, *COMMANDS]
