"""What all translating models share: setup, queries, translation, files."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd
from scvi import REGISTRY_KEYS
from scvi.data import AnnDataManager, AnnDataManagerValidationCheck
from scvi.model.base import BaseModelClass

from scvi_xmodal._arguments import DATA, check_arguments
from scvi_xmodal._compat import copy_views, keep_with_data, manager_of, release_with_model
from scvi_xmodal._constants import FORMAT_VERSION
from scvi_xmodal._texts import label_text
from scvi_xmodal.data import RowReader, check_counts, layer_name, match_features
from scvi_xmodal.model._saving import SavingMixin
from scvi_xmodal.model._setup import (
    COUNT_KEYS,
    check_setup_keywords,
    count_fields,
    obs_field,
    resolve_modalities,
)
from scvi_xmodal.model._setup_checks import (
    check_pairing,
    check_proteins,
    check_unpaired_columns,
)
from scvi_xmodal.model._translating import TranslatingMixin
from scvi_xmodal.model._trust import TrustMixin

if TYPE_CHECKING:
    from collections.abc import Mapping

    from anndata import AnnData
    from mudata import MuData
    from numpy.typing import NDArray


class CrossModalModel(SavingMixin, TrustMixin, TranslatingMixin, BaseModelClass):
    """Base of models that translate between the modalities of a MuData.

    Subclasses build ``self.specs`` and ``self.module`` and train it.
    """

    _predicts_depth = True
    """Whether ``translate`` knows ``depth="predicted"``."""
    _knows_batches = True
    """Whether ``setup_mudata`` takes a ``batch_key``."""
    _pairings: tuple[str, ...] = ("measured", "unpaired")

    def __init__(self, adata: MuData | None = None, registry: dict[str, Any] | None = None):
        check_arguments(locals(), adata=DATA.or_none())
        if adata is None and registry is None:
            raise ValueError(
                f"{type(self).__name__} needs the data that setup_mudata registered, got None."
            )
        if adata is not None and self._get_most_recent_anndata_manager(adata) is None:
            setup = "setup_mudata(mdata)" if hasattr(adata, "mod") else "setup_anndata(adata, ...)"
            raise ValueError(
                f"The data are not registered: call {type(self).__name__}.{setup} first. A copy "
                "or subset of registered data is registered by itself."
            )
        super().__init__(adata, registry)
        release_with_model(self)

    @classmethod
    def register_manager(cls, adata_manager: AnnDataManager) -> None:
        """Register data for as long as they live."""
        keep_with_data(cls, adata_manager)
        super().register_manager(adata_manager)

    @classmethod
    def _get_most_recent_anndata_manager(
        cls, adata: AnnData | MuData, required: bool = False
    ) -> AnnDataManager | None:
        """Return what the data hold: scvi-tools' store takes a copy for its original."""
        manager = manager_of(cls, adata)
        if manager is None and required:
            raise ValueError(f"The data are not registered with {cls.__name__}.")
        return manager

    @classmethod
    def setup_anndata(cls, adata: AnnData, **kwargs: Any) -> None:
        """Refuse: two modalities are needed, and an AnnData is one."""
        raise ValueError(
            f"{cls.__name__} learns from several modalities of the same cells: put them into a "
            "MuData({'rna': ..., 'atac': ...}) and call setup_mudata."
        )

    @classmethod
    def setup_mudata(
        cls,
        mdata: MuData,
        rna_layer: str | None = None,
        atac_layer: str | None = None,
        protein_layer: str | None = None,
        batch_key: str | None = None,
        labels_key: str | None = None,
        modalities: Mapping[str, str] | None = None,
        pairing: Literal["measured", "unpaired", "mosaic"] = "measured",
        **kwargs: Any,
    ) -> None:
        """Register the raw counts of two or three modalities, by default of the same cells.

        Modalities are recognised by ``var["feature_types"]``, else by their key (``"rna"``,
        ``"gex"``, ``"peaks"``, ``"adt"``, ...). Besides scvi-tools' registration keys nothing is
        written into ``mdata``.

        Parameters
        ----------
        mdata
            MuData with raw counts: dense, CSR, CSC or ``csr_array``. A view is made actual.
        rna_layer, atac_layer, protein_layer
            Layer of each modality that holds the counts; ``None`` for ``X``.
        batch_key
            Column of ``obs`` with batches, which decoders are told of.
        labels_key
            Column of ``obs`` with labels, for re-pairing within labels.
        modalities
            Which modality each layer argument refers to, as in scvi-tools, such as
            ``{"rna_layer": "rna", "atac_layer": "atac"}``; by default they are found.
        pairing
            ``"measured"``: all cells were measured in all modalities. ``"unpaired"``: paired in
            training only, within ``labels_key`` or as ``train`` is told. ``"mosaic"``
            (Butterfly): each cell was measured in some modalities and trains the paths between
            those. Splits count rows of ``mdata.obs``, :class:`~scvi_xmodal.data.Pairs` rows of
            each modality's own matrix.
        **kwargs
            Keywords of scvi-tools' field registration, used by ``load``.

        Raises
        ------
        ValueError
            If modalities, layers or columns are missing, cells are not paired, names repeat,
            all proteins are isotype controls, or values are not counts.

        Examples
        --------
        >>> import scvi_xmodal as xm
        >>> mdata = xm.datasets.synthetic(n_cells=60, n_genes=20, n_peaks=30, atac_density=0.3)
        >>> xm.model.Butterfly.setup_mudata(mdata)
        """
        setup_method_args = cls._get_setup_method_args(**locals())
        if not hasattr(mdata, "mod"):
            raise ValueError(
                f"setup_mudata needs a MuData, got {type(mdata).__name__}: put the modalities "
                "into MuData({'rna': ..., 'atac': ...})."
            )
        check_setup_keywords(
            kwargs,
            "rna_layer, atac_layer, protein_layer, batch_key, labels_key, modalities and pairing",
        )
        check_arguments({"batch_key": batch_key, "labels_key": labels_key})
        copy_views(mdata, copy_if_view=True)
        layers = {
            "rna_layer": rna_layer,
            "atac_layer": atac_layer,
            "protein_layer": protein_layer,
        }
        chosen = resolve_modalities(mdata, modalities, layers)
        # what was found is kept, so that loading does not depend on finding it again
        setup_method_args["setup_args"]["modalities"] = dict(chosen)
        check_proteins(mdata, chosen)
        paired = check_pairing(mdata, chosen, pairing, cls._pairings)
        if not paired:
            check_unpaired_columns(mdata, batch_key, labels_key)
            labels_key = labels_key if labels_key in mdata.obs else None
        fields = count_fields(chosen, layers)
        for registry_key, obs_key, argument in (
            (REGISTRY_KEYS.BATCH_KEY, batch_key, "batch_key"),
            (REGISTRY_KEYS.LABELS_KEY, labels_key, "labels_key"),
        ):
            fields.append(obs_field(mdata, registry_key, obs_key, argument, chosen))
        manager = AnnDataManager(
            fields=fields,
            setup_method_args=setup_method_args,
            # check_pairing looks at the modalities that are chosen, scvi-tools at all
            validation_checks=AnnDataManagerValidationCheck(check_fully_paired_mudata=False),
        )
        manager.register_fields(mdata, **kwargs)
        cls.register_manager(manager)

    def _state(self, key: str) -> dict[str, Any]:
        registry_key = COUNT_KEYS[self.specs[key].kind]
        return self.registry_["field_registries"][registry_key]

    def _location(self, key: str) -> tuple[str | None, str | None]:
        """Return the modality and layer that a spec was registered from."""
        place = self._state(key)["data_registry"]
        layer = place["attr_key"] if place["attr_name"] == "layers" else None
        return place.get("mod_key"), layer

    def get_var_names(self, legacy_mudata_format: bool = False) -> dict[str, NDArray[Any]]:
        """Return the feature names of each registered modality."""
        names = {}
        for key, spec in self.specs.items():
            modality, _ = self._location(key)
            names[modality or key] = np.asarray(spec.feature_names)
        return names

    def _var(self, key: str) -> pd.DataFrame:
        spec = self.specs[key]
        index = pd.Index(spec.feature_names, dtype=object)
        return pd.DataFrame(self._state(key)["state_registry"]["var"], index=index)

    def _training_reader(self, key: str) -> RowReader:
        """Return a reader of the training data's rows in the network's feature order."""
        spec = self.specs[key]
        modality, layer = self._location(key)
        adata = self.adata if modality is None else self.adata.mod[modality]
        position = match_features(
            adata.var_names, spec.feature_names, modality=key, kind=spec.kind, reference=modality
        )
        matrix = adata.X if layer is None else adata.layers[layer]
        # once more, because people normalise in place after they have registered their data
        check_counts(matrix, name=layer_name(modality or key, layer))
        found = position >= 0
        position[found] = spec.position[position[found]]
        return RowReader(matrix, position=position, n_features=spec.n_features)

    @cached_property
    def _batch_names(self) -> list[Any]:
        state = self.registry_["field_registries"][REGISTRY_KEYS.BATCH_KEY]["state_registry"]
        return np.asarray(state.get("categorical_mapping", [])).tolist()

    def _batch_key(self) -> str | None:
        state = self.registry_["field_registries"][REGISTRY_KEYS.BATCH_KEY]["state_registry"]
        return state.get("original_key") if len(self._batch_names) > 1 else None

    def _batch_modality(self) -> str | None:
        """Return the modality whose ``obs`` the batches were registered from, if it was one's."""
        state = self.registry_["field_registries"][REGISTRY_KEYS.BATCH_KEY]
        return state["data_registry"].get("mod_key")

    def _batch_codes(self, obs: pd.DataFrame, transform_batch: Any = None) -> NDArray | None:
        """Return the batch to decode each cell in, of shape (n_cells,), if there are batches."""
        key = self._batch_key()
        if key is None and transform_batch is None:
            return None
        if key is None and self.registry_["setup_args"].get("batch_key") is None:
            setup = self.registry_.get("setup_method_name", "setup_mudata")
            mend = f"pass batch_key= to {setup}" if self._knows_batches else "leave it out"
            raise ValueError(
                f"transform_batch={transform_batch!r} was given, but the model knows no "
                f"batches: {mend}."
            )
        if transform_batch is not None:
            values = np.full(len(obs), transform_batch, dtype=object)
        elif key in obs:
            values = obs[key].to_numpy(dtype=object)
        else:
            raise ValueError(
                f"The query's obs has no column {key!r}, which the model was trained with. Add "
                f"it, or name the batch to translate into: transform_batch="
                f"{self._batch_names[0]!r}."
            )
        codes = self._known_batches(values)
        if (codes < 0).any():
            raise ValueError(
                f"Batch {values[codes < 0][0]!r} was not among the training batches "
                f"{self._batch_names}. Translate into one of them: transform_batch="
                f"{self._batch_names[0]!r}."
            )
        return None if key is None else codes  # one batch alone needs no telling

    def _check_decoded_batch(self, target: str, batch: Any) -> None:
        """Raise if a batch that was asked for by name never taught the target's decoder."""
        if batch is None or self._batch_key() is None:
            return  # the codes are checked where they are made
        (code,) = self._known_batches(np.array([batch], dtype=object))
        shares = self.module.decoders[target].batches.shares.cpu().numpy()
        if code >= 0 and shares[code] == 0:
            known = [name for name, share in zip(self._batch_names, shares, strict=True) if share]
            raise ValueError(
                f"No training cell of batch {batch!r} was measured in {target!r}: translate into "
                f"one of {known}, transform_batch={known[0]!r}."
            )

    def _known_batches(self, values: NDArray[Any]) -> NDArray[np.int64]:
        """Return the number of each cell's batch, of shape (n_cells,), -1 where it is unknown."""
        names, own = (pd.Index(part, dtype=object) for part in (self._batch_names, values))
        codes = names.get_indexer(own)
        # files and command lines turn the batch 1 into the text "1", gaps into the number 1.0
        for text in (str, label_text):
            if (codes < 0).any():
                as_text = own.where(own.isna(), own.map(text))
                codes = np.where(codes < 0, names.map(text).get_indexer(as_text), codes)
        return codes.astype(np.int64)

    def _finish_init(self, init_locals: dict[str, Any]) -> None:
        """Record what saving needs; the last call of every constructor."""
        self.format_version_ = FORMAT_VERSION
        self.init_params_ = self._get_init_params(init_locals)
        specs = self.specs.values()
        sizes = ", ".join(
            f"{s.key} ({s.n_features} features in {len(s.blocks)} blocks)" for s in specs
        )
        self._model_summary_string = f"{type(self).__name__} between {sizes}"
