r"""scvi-tools' MULTIVI and TOTALVI, which impute a modality that a cell lacks.

**MULTIVI** marks a modality as missing by zeros: its latent is then the other modality's alone.
It is trained on paired training cells (its defaults: at most 500 epochs, early stopping), and a
test cell enters afterwards with zeros for the target. What it decodes is free of depth:

.. math:: \hat y = \ln(1 + L \rho) \quad\text{(RNA)}, \qquad
          \hat p = p \, \sigma(r) \, \tilde d \quad\text{(ATAC)}

with the training cells' median library L, region factors r, and their median cell factor
(Ashuach et al., Nat. Methods 2023). It predicts no depth for a cell that lacks the modality, so
one prediction is both scored and clustered.

**TOTALVI** has no encoder for a lone modality: proteins are missing by batch (Gayoso et al.,
Nat. Methods 2021), and cells to impute are trained with as a batch without proteins. Test cells
therefore take part in the training with their RNA, never with their proteins. Proteins are the
expected counts with background, decoded in the batch of the measured cells, 25 samples, as
centred log-ratios. It cannot impute RNA.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import anndata
import numpy as np
import scvi
from anndata import AnnData
from mudata import MuData
from scipy import sparse

from benchmarks._accuracy_models import Cost, Translation
from scvi_xmodal.datasets._mudata import own_columns_only

if TYPE_CHECKING:
    from benchmarks._accuracy_data import Task

QUIET = {"accelerator": "cpu", "enable_progress_bar": False, "check_val_every_n_epoch": 1}
N_SAMPLES = 25


@dataclass(frozen=True, eq=False)
class FittedMultivi:
    """A trained MULTIVI and the cells to impute."""

    model: Any
    task: Task
    median_library: float
    median_cell_factor: float
    cost: Cost | None = None

    def translate(self, source: str, target: str) -> Translation:
        """Decode the target of cells that lack it."""
        query = self.task.queries[source]
        lacking = {source: query, target: _empty(query, self.task.queries[target].var)}
        with own_columns_only():
            cells = MuData({kind: lacking[kind].copy() for kind in ("rna", "atac")})
        cells.obs["_indices"] = np.arange(cells.n_obs)  # as its setup gives the training cells
        if target == "rna":
            rate = self.model.get_normalized_expression(cells, return_numpy=True)
            values = np.log1p(self.median_library * rate)
        else:
            open_ = self.model.get_normalized_accessibility(
                cells, normalize_regions=True, return_numpy=True
            )
            values = np.clip(self.median_cell_factor * open_, 0, 1)
        return _translation(values, lacking[target])


def multivi(task: Task, init: dict[str, Any], train: dict[str, Any]) -> FittedMultivi:
    """Train MULTIVI on paired cells."""
    modalities = {"rna_layer": "rna", "atac_layer": "atac"}
    scvi.model.MULTIVI.setup_mudata(task.training, modalities=modalities)
    model = scvi.model.MULTIVI(task.training, **init)
    model.train(**{**QUIET, "datasplitter_kwargs": _indexing(task.split), **train})
    rows = task.split.train
    factors = model.get_library_size_factors()["accessibility"][rows]
    library = _totals(task.training["rna"].X[rows])
    return FittedMultivi(model, task, float(np.median(library)), float(np.median(factors)))


@dataclass(frozen=True, eq=False)
class FittedTotalvi:
    """A trained TOTALVI, whose last cells lack proteins."""

    model: Any
    task: Task
    cost: Cost | None = None

    def translate(self, source: str, target: str) -> Translation:
        """Decode the proteins of the cells that lack them."""
        query = self.task.queries[source]
        n_paired = self.task.training.n_obs
        _, proteins = self.model.get_normalized_expression(
            indices=np.arange(n_paired, n_paired + query.n_obs),
            transform_batch="paired",
            n_samples=N_SAMPLES,
            include_protein_background=True,
            return_mean=True,
            return_numpy=True,
        )
        logged = np.log1p(proteins)
        var = self.task.queries["protein"].var
        return _translation(
            logged - logged.mean(axis=1, keepdims=True), AnnData(obs=query.obs, var=var)
        )


def totalvi(task: Task, init: dict[str, Any], train: dict[str, Any]) -> FittedTotalvi:
    """Train TOTALVI on paired training cells and the test cells' RNA."""
    query = task.queries["rna"]
    lacking = {"rna": query, "protein": _empty(query, task.training["protein"].var)}
    parts = {}
    for kind in ("rna", "protein"):
        pieces = {"paired": task.training[kind], "rna_only": lacking[kind]}
        parts[kind] = anndata.concat(pieces, label="measured", merge="same")
    # its prior for the background reads dense proteins only
    parts["protein"].X = parts["protein"].X.toarray()
    with own_columns_only():
        cells = MuData(parts)
    modalities = {"rna_layer": "rna", "protein_layer": "protein", "batch_key": "rna"}
    scvi.model.TOTALVI.setup_mudata(cells, batch_key="measured", modalities=modalities)
    model = scvi.model.TOTALVI(cells, **init)
    test = np.arange(task.training.n_obs, cells.n_obs)
    indexing = [np.concatenate([task.split.train, test]), task.split.validation]
    model.train(**{**QUIET, "external_indexing": indexing, **train})
    return FittedTotalvi(model, task)


def _indexing(split: Any) -> dict[str, list[np.ndarray]]:
    return {"external_indexing": [split.train, split.validation]}


def _empty(cells: AnnData, var: Any) -> AnnData:
    zeros = sparse.csr_matrix((cells.n_obs, len(var)), dtype=np.float32)
    return AnnData(zeros, obs=cells.obs[[]].copy(), var=var.copy())


def _totals(counts: Any) -> np.ndarray:
    return np.asarray(counts.sum(axis=1)).ravel()


def _translation(values: np.ndarray, like: AnnData) -> Translation:
    adata = AnnData(
        np.asarray(values, dtype=np.float32), obs=like.obs[[]].copy(), var=like.var[[]].copy()
    )
    return Translation(adata, adata)
