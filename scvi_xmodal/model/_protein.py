"""Proteins from a latent that was trained without them."""

from __future__ import annotations

import warnings
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch
from scvi import settings

from scvi_xmodal._arguments import ABOVE_ZERO, COUNT, POSITIVE, check_arguments, check_keywords
from scvi_xmodal._layers import layer_names
from scvi_xmodal.data import (
    RowReader,
    Split,
    check_counts,
    check_unique,
    find_modalities,
    layer_name,
    match_most_features,
)
from scvi_xmodal.model._request import to_device
from scvi_xmodal.model._setup_checks import check_paired
from scvi_xmodal.module import TRANSFORMS, ModalitySpec, ProteinHead
from scvi_xmodal.module._protein_head import HEAD_ACTIVATIONS
from scvi_xmodal.train import HEAD_LOSSES, HeadPlan, fit_head

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mudata import MuData
    from numpy.typing import NDArray

    from scvi_xmodal.module._protein_head import HeadActivation
    from scvi_xmodal.train import HeadLoss

PROTEIN = "protein"
_BLOCK = 1024
_VALIDATION_SHARE = 0.1
_MIN_TRAINING_CELLS = 10
_PLAN_RULES = {
    **dict.fromkeys(["lr", "max_grad_norm"], ABOVE_ZERO),
    **dict.fromkeys(["batch_size", "max_epochs"], POSITIVE),
    **dict.fromkeys(["patience", "lr_patience"], COUNT),
}


class ProteinHeadMixin:
    """Trains a protein decoder on the frozen latent of ``self.module``, and remembers it."""

    module: Any
    device: Any
    specs: Mapping[str, ModalitySpec]
    is_trained_: bool
    protein_head_: dict[str, Any] | None

    def train_protein_head(
        self,
        cite_mdata: MuData,
        *,
        split: Split | None = None,
        rna_layer: str | None = None,
        protein_layer: str | None = None,
        activation: HeadActivation = "tanh",
        loss: HeadLoss = "mse",
        max_missing_genes: float = 0.1,
        plan_kwargs: Mapping[str, Any] | None = None,
    ) -> pd.DataFrame:
        r"""Learn proteins from a CITE-seq experiment; encoders and latent stay as they are.

        .. math:: \hat y_i = W_2 \tanh(W_1 z_i + b_1) + b_2, \quad
            y_{ij} = \ln(1 + c_{ij}) - \frac{1}{J} \sum_k \ln(1 + c_{ik})

        with latents :math:`z_i` of the cells' RNA and protein counts c (BABEL, Methods,
        "Extending BABEL to Predict Protein Epitopes"; the pseudocount of 1 is the published
        code's). Afterwards ``translate(..., target="protein")`` works from every modality.

        Parameters
        ----------
        cite_mdata
            MuData with raw counts of RNA and proteins of the same cells; not changed.
        split
            Rows of the training and validation cells; by default a tenth, drawn with scvi's
            seed, validates.
        rna_layer, protein_layer
            Layers of the counts; ``None`` for ``X``.
        activation
            ``"tanh"`` as in the paper, or ``"prelu"`` after batch norm, the code's default.
        loss
            ``"mse"`` as in the paper, or ``"l1"``, the code's default.
        max_missing_genes
            Largest share of the model's genes that the data may lack; a warning tells how many
            are then taken for undetected.
        plan_kwargs
            Fields of :class:`~scvi_xmodal.train.HeadPlan`: ``lr``, ``max_epochs``, ...

        Returns
        -------
        Mean training and validation loss of each epoch.

        Raises
        ------
        ValueError
            If the model is not trained, knows no RNA or knows proteins already; if modalities
            are missing or unpaired, values are no counts, proteins or the model's genes repeat,
            proteins are fewer than two or 0 in all training cells, or too many genes are missing.
        """
        check_arguments(locals())
        self._check_can_have_head()
        plan = _checked_plan(activation, loss, plan_kwargs)
        keys = _rna_and_protein(cite_mdata)
        rna, proteins = (cite_mdata.mod[key] for key in keys)
        split = _resolved_split(split, cite_mdata.n_obs)
        counts = _matrix(proteins, keys[1], protein_layer)
        names = _checked_proteins(proteins.var_names, counts, split)
        spec = next(spec for spec in self.specs.values() if spec.kind == "rna")
        position = match_most_features(
            rna.var_names, spec.feature_names, modality=spec.key, max_missing=max_missing_genes
        )
        found = position >= 0
        position[found] = spec.position[position[found]]
        matrix = _matrix(rna, keys[0], rna_layer)
        z = self._latents(
            spec.key, RowReader(matrix, position=position, n_features=len(spec.order))
        )
        y = _centred_log_ratio(counts, names).to(self.device)
        head = ProteinHead(z.shape[1], len(names), activation=activation).to(self.device)
        history = fit_head(head, z, y, split, loss=loss, plan=plan)
        self.module.protein_head = head
        self.protein_head_ = {
            "names": [str(name) for name in names],
            "activation": activation,
            "loss": loss,
            "history": history.to_dict("list"),
        }
        return history

    def _check_can_have_head(self) -> None:
        if not self.is_trained_:
            raise ValueError("The model is not trained yet: call train() first.")
        kinds = {spec.kind for spec in self.specs.values()}
        if "rna" not in kinds or PROTEIN in kinds:
            raise ValueError(
                "A protein head is for a model that knows RNA and no proteins; this one has "
                f"{list(self.specs)}."
            )

    def _drop_protein_head(self) -> None:
        if self.protein_head_ is not None:
            warnings.warn(
                "The protein head is dropped, because the latent is trained anew: call "
                "train_protein_head again.",
                stacklevel=3,
            )
            self.module.protein_head = self.protein_head_ = None

    def _latents(self, key: str, reader: RowReader) -> torch.Tensor:
        self.module.eval()
        parts = []
        for start in range(0, reader.n_rows, _BLOCK):
            rows = reader.sparse_rows(slice(start, min(start + _BLOCK, reader.n_rows)))
            parts.append(self.module.latent(key, to_device(rows, self.device)).mean)
        # leave inference mode, whose tensors take no part in training
        return torch.cat(parts).clone()

    def _protein_names(self) -> list[str]:
        if self.protein_head_ is None:
            raise ValueError(
                f"target={PROTEIN!r} needs a protein head: call train_protein_head(cite_mdata) "
                f"first. The model itself has {list(self.specs)}."
            )
        return self.protein_head_["names"]

    def _protein_spec(self) -> ModalitySpec:
        return ModalitySpec.build(PROTEIN, "protein", self._protein_names())

    def _protein_var(self) -> pd.DataFrame:
        return pd.DataFrame(index=pd.Index(self._protein_names(), dtype=object))


def _checked_plan(activation: str, loss: str, plan_kwargs: Mapping[str, Any] | None) -> HeadPlan:
    known = [field.name for field in fields(HeadPlan)]
    choices: tuple[tuple[str, str, Any], ...] = (
        ("activation", activation, HEAD_ACTIVATIONS),
        ("loss", loss, HEAD_LOSSES),
        *(("plan_kwargs", name, known) for name in plan_kwargs or {}),
    )
    for argument, value, allowed in choices:
        if value not in list(allowed):
            raise ValueError(f"{argument}={value!r} is unknown; there are {list(allowed)}.")
    check_keywords("plan_kwargs", plan_kwargs or {}, _PLAN_RULES)
    return HeadPlan(**(plan_kwargs or {}))


def _rna_and_protein(mdata: MuData) -> tuple[str, str]:
    if not hasattr(mdata, "mod"):
        raise ValueError(
            f"train_protein_head needs a MuData, got {type(mdata).__name__}: put the modalities "
            "into MuData({'rna': ..., 'protein': ...})."
        )
    found = find_modalities(mdata.mod)
    for kind in ("rna", PROTEIN):
        if kind not in found:
            raise ValueError(
                f"The CITE-seq data have no {kind} modality; they have {list(mdata.mod)}. Rename "
                f"it to {kind!r}."
            )
    keys = (found["rna"], found["protein"])
    check_paired(mdata, list(keys))
    return keys


def _matrix(adata: Any, key: str, layer: str | None) -> Any:
    name = layer_name(key, layer)
    if layer is not None and layer not in adata.layers:
        raise ValueError(f"{name} does not exist; there are {layer_names(adata)}.")
    matrix = adata.X if layer is None else adata.layers[layer]
    if matrix is None:
        raise ValueError(f"{name} is empty: counts are needed.")
    check_counts(matrix, name=name)
    return matrix


def _checked_proteins(names: pd.Index, matrix: Any, split: Split) -> NDArray[Any]:
    """Return the proteins' names if they can be learnt."""
    check_unique(names, name="The proteins")
    if len(names) < 2:
        raise ValueError(
            f"{len(names)} proteins are too few: a centred log-ratio needs two or more."
        )
    totals = np.zeros(len(names))
    for block in RowReader(matrix, n_features=len(names)).blocks(split.train):
        totals += np.bincount(block.indices, block.data, minlength=len(names))
    absent = names[totals == 0]
    if len(absent):
        raise ValueError(
            f"{len(absent)} proteins are 0 in all training cells, such as {list(absent[:3])}: "
            "leave them out, because there is nothing to learn of them."
        )
    return names.to_numpy(dtype=object)


def _resolved_split(split: Split | None, n_obs: int) -> Split:
    if split is not None and not isinstance(split, Split):
        raise ValueError(
            f"split must be a Split, got {type(split).__name__}: "
            "scvi_xmodal.data.Split(train, validation, test), as pp.split returns."
        )
    if split is None:
        shuffled = np.random.default_rng(settings.seed).permutation(n_obs)
        n_validation = int(np.ceil(_VALIDATION_SHARE * n_obs))
        split = Split(shuffled[n_validation:], shuffled[:n_validation])
    split.check_range(n_obs)
    if split.train.size < _MIN_TRAINING_CELLS:
        raise ValueError(
            f"{split.train.size} training cells are too few; at least {_MIN_TRAINING_CELLS} are "
            "needed."
        )
    return split


def _centred_log_ratio(matrix: Any, names: NDArray[Any]) -> torch.Tensor:
    """Return CLR values of all cells, of shape (n_cells, n_proteins)."""
    transform = TRANSFORMS["clr"](ModalitySpec.build(PROTEIN, "protein", names))
    reader = RowReader(matrix, n_features=len(names))
    return transform(reader.sparse_rows(slice(0, reader.n_rows)))
