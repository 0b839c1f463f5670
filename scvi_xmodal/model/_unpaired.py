"""Models of two experiments that share no cell."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd
from anndata import AnnData
from mudata import MuData

from scvi_xmodal._arguments import ANNDATA, TEXT, check_arguments
from scvi_xmodal._layers import layer_names
from scvi_xmodal.data import layer_name
from scvi_xmodal.data._modalities import check_kind
from scvi_xmodal.datasets._mudata import own_columns_only
from scvi_xmodal.pairing._cells import labels_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Self


class UnpairedMixin:
    """Builds models from two AnnData with different cells."""

    setup_mudata: Any

    @classmethod
    def from_unpaired(
        cls,
        rna: AnnData,
        atac: AnnData,
        labels_key: str,
        *,
        batch_key: str | None = None,
        layers: Mapping[str, str] | None = None,
        modalities: tuple[str, str] = ("rna", "atac"),
        **model_kwargs: Any,
    ) -> Self:
        """Return a model of two experiments with different cells, ready to train.

        ``model.adata`` is a MuData of both: matrices are shared with the experiments, not
        copied, and nothing is written into those. Split it by :func:`scvi_xmodal.pp.split`.
        ``train`` draws pairs within labels that both have (Cao et al. 2024, "Unpaired data
        training"); cells of other labels can be translated like any.

        Parameters
        ----------
        rna, atac
            Raw counts of the two experiments. Where they use the same cell names, the names of
            all cells are prefixed, as in ``"rna:AAAC-1"``: equal barcodes are no equal cells.
        labels_key
            Column of both ``obs`` with the labels, the same words in both.
        batch_key
            Column of both ``obs`` with batches.
        layers
            Layer of the counts of a modality, such as ``{"rna": "counts"}``; ``X`` by default.
        modalities
            What the two are: two of ``"rna"``, ``"atac"`` and ``"protein"``.
        **model_kwargs
            Keywords of the model, such as ``preset``.

        Raises
        ------
        ValueError
            If a column or layer is missing, a cell has no label or batch, or values are no
            counts.

        Examples
        --------
        >>> import scvi_xmodal as xm
        >>> mdata = xm.datasets.synthetic(n_cells=80, n_genes=20, n_peaks=30, atac_density=0.3)
        >>> parts = {"rna": mdata["rna"][:40].copy(), "atac": mdata["atac"][40:].copy()}
        >>> for part in parts.values():
        ...     part.obs["cell_type"] = mdata.obs["cell_type"].reindex(part.obs_names)
        >>> model = xm.model.Butterfly.from_unpaired(*parts.values(), "cell_type")
        >>> model.adata.n_obs
        80
        """
        check_arguments(locals(), rna=ANNDATA, atac=ANNDATA, labels_key=TEXT)
        kinds = tuple(modalities) if isinstance(modalities, Sequence) else ()
        if len(kinds) != 2 or not set(kinds) <= {"rna", "atac", "protein"} or len(set(kinds)) < 2:
            raise ValueError(
                f"modalities={modalities!r} must be two of 'rna', 'atac' and 'protein'."
            )
        parts = dict(zip(kinds, (rna, atac), strict=True))
        for argument, (kind, adata) in zip(("rna", "atac"), parts.items(), strict=True):
            check_kind(adata, kind, argument)
        layers = dict(layers or {})
        if not set(layers) <= set(kinds):
            unknown = sorted(set(layers) - set(kinds))
            raise ValueError(f"layers names {unknown}; the modalities are {list(kinds)}.")
        columns = {"labels_key": labels_key}
        columns |= {} if batch_key is None else {"batch_key": batch_key}
        mdata = _joined(parts, layers, columns)
        cls.setup_mudata(
            mdata,
            batch_key=batch_key,
            labels_key=labels_key,
            modalities={f"{kind}_layer": kind for kind in kinds},
            pairing="unpaired",
            **{f"{kind}_layer": layers.get(kind) for kind in kinds},
        )
        return cls(mdata, **model_kwargs)  # type: ignore[call-arg]


def _joined(
    parts: Mapping[str, AnnData], layers: Mapping[str, str], columns: Mapping[str, str]
) -> MuData:
    """Return both experiments as one object that shares their matrices.

    Columns are those of ``obs`` by the argument that names them.
    """
    first, second = parts.values()
    clash = first.obs_names.isin(second.obs_names).any()
    shallow = {
        kind: _shallow(adata, layers.get(kind), kind, prefix=f"{kind}:" if clash else "")
        for kind, adata in parts.items()
    }
    with own_columns_only(), warnings.catch_warnings():
        # a protein and its gene share a name; the modality tells them apart
        warnings.filterwarnings("ignore", message="var_names are not unique")
        mdata = MuData(shallow)
    for argument, column in columns.items():
        values = [
            pd.Series(labels_of(adata, column, argument=argument), index=shallow[kind].obs_names)
            for kind, adata in parts.items()
        ]
        mdata.obs[column] = pd.concat(values).reindex(mdata.obs_names).astype("category")
    return mdata


def _shallow(adata: AnnData, layer: str | None, kind: str, *, prefix: str) -> AnnData:
    """Return the counts with annotation of their own."""
    if layer is not None and layer not in adata.layers:
        raise ValueError(
            f"{layer_name(kind, layer)} does not exist; the layers are {layer_names(adata)}."
        )
    kept = AnnData(
        X=adata.X if layer is None else None,
        obs=adata.obs.copy(),
        var=adata.var.copy(),
        layers={} if layer is None else {layer: adata.layers[layer]},
    )
    kept.obs_names = [f"{prefix}{name}" for name in adata.obs_names]
    return kept
