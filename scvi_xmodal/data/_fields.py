"""Registered count matrices, with all that a model must remember of them."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse
from scvi import settings
from scvi.data.fields import LayerField, MuDataWrapper

from scvi_xmodal._layers import layer_names
from scvi_xmodal.data._counts import check_counts, layer_name
from scvi_xmodal.data._matching import check_unique, match_features
from scvi_xmodal.data._peaks import parse_peaks
from scvi_xmodal.data._reader import RowReader

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData
    from numpy.typing import NDArray

    from scvi_xmodal._constants import Kind


class CountsField(LayerField):
    """A layer of counts whose features are remembered by name and chromosome.

    scvi-tools' own field looks at 20 values, refuses ``csr_array``, rewrites CSC matrices in
    place and compares only the number of features when a model meets other data.

    Parameters
    ----------
    registry_key
        Key of the field in the registry.
    layer
        Layer that holds the counts; ``None`` for ``X``.
    kind
        What the features are: ``"rna"``, ``"atac"`` or ``"protein"``.
    modality
        Name of the modality, as messages and ``source=`` call it.
    """

    def __init__(self, registry_key: str, layer: str | None, kind: Kind, modality: str):
        super().__init__(registry_key, layer, is_count_data=False, correct_data_format=False)
        self.kind = kind
        self.modality = modality

    def validate_field(self, adata: AnnData) -> None:
        """Raise a ``ValueError`` unless the layer is there and holds counts."""
        name = layer_name(self.modality, self.attr_key)
        if self.attr_key is not None and self.attr_key not in adata.layers:
            raise ValueError(f"{name} does not exist; the layers are {layer_names(adata)}.")
        if adata.n_obs == 0 or adata.n_vars == 0:
            raise ValueError(f"{name} has shape {adata.shape}: there is nothing to train on.")
        check_unique(adata.var_names, name=f"The features of {self.modality!r}")
        matrix = self.get_field_data(adata)
        if matrix is None:
            raise ValueError(
                f"{name} is empty: name the layer that holds the counts, such as "
                f"{self.kind}_layer='counts'; the layers are {layer_names(adata)}."
            )
        check_counts(matrix, name=name)

    def register_field(self, adata: AnnData) -> dict[str, Any]:
        """Validate the layer and describe its features."""
        state = super().register_field(adata)  # which validates: of a file, a pass over all counts
        _warn_if_empty(self.get_field_data(adata), self.modality)
        return {
            **state,
            "kind": self.kind,
            "modality": self.modality,
            "block_of": self._blocks(adata),
            "var": _plain_columns(adata.var),
        }

    def transfer_field(
        self, state_registry: dict[str, Any], adata_target: AnnData, **kwargs: Any
    ) -> dict[str, Any]:
        """Accept other data with the same features in any order; keep the model's own order."""
        self.validate_field(adata_target)
        match_features(
            adata_target.var_names,
            state_registry[self.COLUMN_NAMES_KEY],
            modality=self.modality,
            kind=self.kind,
        )
        return {**state_registry, self.N_OBS_KEY: adata_target.n_obs}

    def _blocks(self, adata: AnnData) -> NDArray[np.object_] | None:
        return chromosomes_of(adata) if self.kind == "atac" else None


MuDataCountsField = MuDataWrapper(CountsField)
MuDataCountsField.__module__ = __name__  # so that models loaded without their data can be pickled


def chromosomes_of(adata: AnnData) -> NDArray[np.object_] | None:
    """Return each peak's chromosome, or ``None``, with a warning, where peaks have none."""
    if "chrom" in adata.var:
        chrom = adata.var["chrom"].astype(object)
        # without a chromosome, as pp.annotate_peaks(on_error="keep") marks it
        return chrom.where(chrom.notna(), "").astype(str).to_numpy(dtype=object)
    peaks = parse_peaks(adata.var_names)
    if peaks.parsed.all():
        return np.asarray(peaks.chrom, dtype=object)
    bad = adata.var_names[~peaks.parsed]
    warnings.warn(
        f"{len(bad)} of {adata.n_vars} peaks have no coordinates in their names, such as "
        f"{list(bad[:3])}: all peaks become one block instead of one block a chromosome. Add the "
        "columns with pp.annotate_peaks, or set var['chrom'].",
        UserWarning,
        stacklevel=settings.warnings_stacklevel,
    )
    return None


def _plain_columns(var: pd.DataFrame) -> dict[str, NDArray[Any]]:
    """Return the columns as arrays of numbers or strings, which load anywhere."""
    columns = {}
    for name, column in var.items():
        values = column.to_numpy()
        numeric = values.dtype.kind in "biuf"  # not so where a nullable column has gaps
        if not numeric:
            text = column.astype(str).astype(object)
            values = text.where(column.notna().to_numpy(), None).to_numpy(dtype=object)
        columns[str(name)] = values
    return columns


def _warn_if_empty(matrix: Any, modality: str) -> None:
    """Warn of cells or features without any count; both keep working."""
    if not (sparse.issparse(matrix) or isinstance(matrix, np.ndarray)):
        return  # on disk: the training statistics will see it
    reader = RowReader(matrix, n_features=matrix.shape[1])
    detected = np.zeros(matrix.shape[1])
    counts = []
    for block in reader.blocks():
        detected += np.bincount(block.indices, block.data > 0, minlength=detected.size)
        rows = np.repeat(np.arange(block.shape[0]), np.diff(block.indptr))
        counts.append(np.bincount(rows, block.data > 0, minlength=block.shape[0]))
    per_cell = np.concatenate(counts)
    for what, totals in (("features", detected), ("cells", per_cell)):
        n_empty = int(np.sum(totals == 0))
        if n_empty:
            warnings.warn(
                f"{n_empty} of {totals.size} {what} of {modality!r} have no counts at all. They "
                "are kept, but nothing can be learned from them.",
                UserWarning,
                stacklevel=settings.warnings_stacklevel,
            )
