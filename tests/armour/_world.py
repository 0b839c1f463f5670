"""Tiny data and models that every bad input is made from, and a watch over what was given."""

from __future__ import annotations

import hashlib
import pickle
import warnings
from functools import cached_property
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd
from anndata import AnnData
from mudata import MuData

import scvi_xmodal as xm
from scvi_xmodal._layers import layer_names
from scvi_xmodal.data import Split

if TYPE_CHECKING:
    from collections.abc import Callable

N_CELLS = 60
SPLIT = Split(range(40), range(40, 50), range(50, N_CELLS))
QUIET = {"enable_progress_bar": False, "accelerator": "cpu"}


class Case(NamedTuple):
    """A mistake at an entry point, and what the message must say."""

    entry: str
    mistake: str
    call: Callable[[World], Any]
    message: str
    error: type[Exception] = ValueError


class World:
    """What a user has: data, models, translations, files. Made when first asked for."""

    def __init__(self) -> None:
        self.watched: list[tuple[Any, str]] = []
        self.folder = Path(mkdtemp(prefix="armour_"))

    def given(self, data: Any) -> Any:
        """Watch data, and hand them on."""
        self.watched.append((data, digest(data)))
        return data

    def changed(self) -> list[str]:
        """Return what was given and is no longer what it was; forget all."""
        changed = [repr(data) for data, before in self.watched if digest(data) != before]
        self.watched.clear()
        return changed

    @cached_property
    def mdata(self) -> MuData:
        """Three modalities of the same cells; never to be changed, so copy it."""
        mdata = xm.datasets.synthetic(
            n_cells=N_CELLS,
            n_genes=18,
            n_peaks=36,
            n_proteins=5,
            n_chromosomes=3,
            n_batches=2,
            atac_density=0.3,
            rna_depth=300,
        )
        for adata in mdata.mod.values():
            adata.obs["condition"] = ["ctrl", "stim"] * (N_CELLS // 2)
        return mdata

    def part(self, *keys: str, **changed: Any) -> MuData:
        """Return a copy of some modalities, some of them replaced."""
        parts = {**{key: self.mdata[key] for key in keys}, **changed}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            mdata = MuData({key: adata.copy() for key, adata in parts.items()})
        for column in ("cell_type", "batch"):
            mdata.obs[column] = self.mdata.obs[column].reindex(mdata.obs_names)
        return mdata

    def copy(self, key: str) -> AnnData:
        """Return a watched copy of a modality."""
        return self.given(self.mdata[key].copy())

    @cached_property
    def registered(self) -> MuData:
        """RNA and ATAC, set up."""
        mdata = self.part("rna", "atac")
        xm.model.Butterfly.setup_mudata(mdata)
        return mdata

    def untrained(self, **options: Any) -> Any:
        """Return a new model."""
        return xm.model.Butterfly(self.registered, **{"n_latent": 4, "n_embedding": 8, **options})

    @cached_property
    def model(self) -> Any:
        """A model of RNA and ATAC, trained for an epoch."""
        model = self.untrained()
        model.train(1, pretrain_epochs=0, split=SPLIT, **QUIET)
        return model

    @cached_property
    def batched(self) -> Any:
        """A model that knows batches."""
        mdata = self.part("rna", "atac")
        xm.model.Butterfly.setup_mudata(mdata, batch_key="batch")
        model = xm.model.Butterfly(mdata, n_latent=4, n_embedding=8)
        model.train(1, pretrain_epochs=0, split=SPLIT, **QUIET)
        return model

    @cached_property
    def protein_model(self) -> Any:
        """A model of RNA and protein that shares a third of the genes with :attr:`model`."""
        mdata = self.part("rna", "protein")
        mdata.mod["rna"].var_names = [
            name if number < 6 else f"other_{number}"
            for number, name in enumerate(mdata["rna"].var_names)
        ]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            mdata.update()
        xm.model.Butterfly.setup_mudata(mdata)
        model = xm.model.Butterfly(mdata, n_latent=4, n_embedding=8)
        model.train(1, pretrain_epochs=0, split=SPLIT, **QUIET)
        return model

    @cached_property
    def babel(self) -> Any:
        """A BABEL of RNA and ATAC, trained for an epoch."""
        mdata = self.part("rna", "atac")
        xm.model.Babel.setup_mudata(mdata)
        model = xm.model.Babel(mdata)
        model.train(1, split=SPLIT, **QUIET)
        return model

    @cached_property
    def mosaic(self) -> MuData:
        """RNA of 50 cells and ATAC of 50, of which 40 are the same; never to be changed."""
        mdata = self.part(rna=self.mdata["rna"][:50], atac=self.mdata["atac"][10:])
        # cells of the third site have RNA alone
        mdata.obs["site"] = ["s3"] * 10 + ["s1", "s2"] * 25
        mdata.obs["site"] = mdata.obs["site"].astype("category")
        return mdata

    @cached_property
    def registered_mosaic(self) -> MuData:
        """The same, set up for Polarbear."""
        mdata = self.mosaic.copy()
        xm.model.Polarbear.setup_mudata(mdata, batch_key="site")
        return mdata

    @cached_property
    def polarbear(self) -> Any:
        """A Polarbear of partly paired cells of three batches, trained for an epoch."""
        model = xm.model.Polarbear(self.registered_mosaic, n_latent=4, n_hidden=8)
        model.train(1, translator_epochs=1, split=SPLIT, **QUIET)
        return model

    @cached_property
    def unvalidated(self) -> Any:
        """A model of RNA and protein whose split had no validation cells."""
        mdata = self.part("rna", "protein")
        xm.model.Butterfly.setup_mudata(mdata)
        model = xm.model.Butterfly(mdata, n_latent=4, n_embedding=8)
        model.train(1, pretrain_epochs=0, split=Split(range(40)), **QUIET)
        return model

    @cached_property
    def perturbation(self) -> Any:
        """A model of control and stimulated cells, trained for an epoch."""
        rna = self.mdata["rna"].copy()
        rna.obs["cell_type"] = self.mdata.obs["cell_type"]
        names = {"condition_key": "condition", "control": "ctrl", "perturbed": "stim"}
        xm.model.Butterfly.setup_anndata(rna, **names, labels_key="cell_type")
        model = xm.model.Butterfly(rna, n_latent=4, n_embedding=8)
        model.train(1, pretrain_epochs=0, split=SPLIT, **QUIET)
        return model

    @cached_property
    def rna(self) -> AnnData:
        """RNA translated from ATAC."""
        return self.model.translate(self.mdata["atac"].copy(), source="atac", target="rna")

    @cached_property
    def atac(self) -> AnnData:
        """ATAC translated from RNA."""
        return self.model.translate(self.mdata["rna"].copy(), source="rna", target="atac")

    @cached_property
    def ridge(self) -> Any:
        """A fitted baseline."""
        return xm.baselines.Ridge(n_components=3).fit(self.part("rna", "atac"))

    @cached_property
    def saved(self) -> Path:
        """A saved model."""
        self.model.save(self.folder / "saved")
        return self.folder / "saved"

    def file(self, name: str, content: str = "") -> Path:
        """Return a new file with this content."""
        path = self.folder / name
        path.write_text(content)
        return path


def digest(data: Any) -> str:
    """Return what changes with anything in AnnData, MuData, tables or matrices."""
    return hashlib.sha256(pickle.dumps(_frozen(data))).hexdigest()


def _frozen(data: Any) -> Any:
    if isinstance(data, MuData):
        shared = [_frozen(data.obs), _frozen(data.var), _frozen(dict(data.uns))]
        return [*shared, *((key, _frozen(adata)) for key, adata in data.mod.items())]
    if isinstance(data, AnnData):
        layers = [(name, _frozen(data.layers[name])) for name in layer_names(data)]
        tables = [_frozen(dict(part)) for part in (data.obsm, data.varm, data.uns)]
        frames = [_frozen(data.obs), _frozen(data.var)]
        return [data.is_view, _frozen(data.X), *layers, *frames, *tables]
    if isinstance(data, pd.DataFrame):
        return [list(data.columns), list(data.index), *(list(data[c]) for c in data)]
    if hasattr(data, "tocoo"):
        entries = data.tocoo()
        return [data.format, str(data.dtype), entries.row, entries.col, entries.data]
    if isinstance(data, dict):
        return {str(key): _frozen(value) for key, value in data.items()}
    if isinstance(data, np.ndarray):
        return [type(data).__name__, str(data.dtype), data.shape, data.tolist()]
    return repr(data)


def with_value(adata: AnnData, value: Any, *, dense: bool = False) -> AnnData:
    """Return a copy with a bad value among its counts."""
    changed = adata.copy()
    matrix = changed.X.toarray().astype(np.float64)
    matrix[3, 2] = value
    changed.X = matrix if dense else type(adata.X)(matrix)
    return changed


def with_matrix(adata: AnnData, matrix: Any) -> AnnData:
    """Return a copy with another matrix, whatever AnnData thinks of it."""
    changed = adata.copy()
    put_matrix(changed, matrix)
    return changed


def put_matrix(adata: AnnData, matrix: Any) -> None:
    """Make a matrix ``X`` without AnnData's checks; since 0.13 it stands among the layers."""
    if "_X" in vars(adata):
        adata._X = matrix
    else:
        adata._layers[None] = matrix


def with_names(adata: AnnData, names: Any, *, axis: str = "var") -> AnnData:
    """Return a copy whose features or cells have other names."""
    changed = adata.copy()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        getattr(changed, axis).index = pd.Index(names, dtype=object)
    return changed


def with_obs(data: Any, name: str, values: Any) -> Any:
    """Return a copy with another column of ``obs``."""
    changed = data.copy()
    changed.obs[name] = values
    return changed


def gap(values: Any) -> list[Any]:
    """Return values with the first one missing."""
    return [np.nan, *list(values)[1:]]
