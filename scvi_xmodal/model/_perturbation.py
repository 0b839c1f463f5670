"""Control and perturbed cells of one AnnData as two modalities."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scvi import REGISTRY_KEYS
from scvi.data import AnnDataManager
from scvi.data.fields import CategoricalObsField

from scvi_xmodal._arguments import check_arguments
from scvi_xmodal._compat import copy_views
from scvi_xmodal.data import CountsField
from scvi_xmodal.model._setup import check_setup_keywords
from scvi_xmodal.model._setup_checks import check_names
from scvi_xmodal.pairing._cells import labels_of
from scvi_xmodal.pairing._transport import condition_rows

if TYPE_CHECKING:
    from anndata import AnnData
    from numpy.typing import NDArray

    from scvi_xmodal.data import Query


class PerturbationMixin:
    """Lets a model translate between two conditions, measured in different cells.

    Both modalities, ``"control"`` and ``"perturbed"``, are RNA and read the same matrix, each
    its own rows; training pairs them within labels or as it is told.
    """

    adata: Any
    registry_: dict[str, Any]
    specs: Any
    _get_setup_method_args: Any
    register_manager: Any

    @classmethod
    def setup_anndata(
        cls,
        adata: AnnData,
        condition_key: str | None = None,
        control: str | None = None,
        perturbed: str | None = None,
        labels_key: str | None = None,
        batch_key: str | None = None,
        layer: str | None = None,
        **kwargs: Any,
    ) -> None:
        """Register RNA counts of control and perturbed cells (perturbation-response prediction).

        The model's modalities are ``"control"`` and ``"perturbed"`` (Cao et al. 2024, Methods).
        The matrix is not copied; splits and :class:`~scvi_xmodal.data.Pairs` count rows of
        ``adata``. Cells of other conditions are not used.

        Parameters
        ----------
        adata
            Raw counts. A view is made actual.
        condition_key
            Column of ``obs`` with the condition.
        control, perturbed
            The two conditions, as they stand in that column.
        labels_key
            Column of ``obs`` with the cell type, within which training pairs cells by default;
            :func:`scvi_xmodal.pairing.by_optimal_transport` is the published way.
        batch_key
            Column of ``obs`` with batches, which decoders are told of. Some must hold cells of
            both conditions.
        layer
            Layer that holds the counts; ``None`` for ``X``.
        **kwargs
            Keywords of scvi-tools' field registration, used by ``load``.

        Raises
        ------
        ValueError
            If a column or condition is missing, the conditions are the same, labels or batches
            have gaps, no batch holds cells of both conditions, or values are not counts.

        Examples
        --------
        >>> import scvi_xmodal as xm
        >>> kang = xm.datasets.kang_pbmc()
        >>> xm.model.Butterfly.setup_anndata(
        ...     kang, "condition", control="ctrl", perturbed="stim", labels_key="cell_type"
        ... )
        >>> list(xm.model.Butterfly(kang, n_latent=8).specs)
        ['control', 'perturbed']
        """
        setup_method_args = cls._get_setup_method_args(**locals())
        if condition_key is None or control is None or perturbed is None:
            raise ValueError(
                f"{cls.__name__} learns from several modalities of the same cells: put them into "
                "a MuData({'rna': ..., 'atac': ...}) and call setup_mudata. For two conditions "
                "of one AnnData give condition_key=, control= and perturbed=."
            )
        check_setup_keywords(
            kwargs, "condition_key, control, perturbed, labels_key, batch_key and layer"
        )
        check_arguments(locals())
        copy_views(adata, copy_if_view=True)
        rows = condition_rows(adata, condition_key, {"control": control, "perturbed": perturbed})
        for argument, key in (("labels_key", labels_key), ("batch_key", batch_key)):
            if key is not None:
                labels_of(adata, key, argument=argument)
                check_names(adata.obs[key], argument)
        if batch_key is not None and "source_registry" not in kwargs:  # saved models load
            _check_batches(adata, batch_key, rows)
        fields = [
            CountsField(REGISTRY_KEYS.X_KEY, layer, "rna", "rna"),
            CategoricalObsField(REGISTRY_KEYS.BATCH_KEY, batch_key),
            CategoricalObsField(REGISTRY_KEYS.LABELS_KEY, labels_key),
        ]
        manager = AnnDataManager(fields=fields, setup_method_args=setup_method_args)
        manager.register_fields(adata, **kwargs)
        cls.register_manager(manager)

    def _conditions(self) -> dict[str, str] | None:
        """Return the value of each condition, if the modalities are conditions."""
        if self.registry_.get("setup_method_name") != "setup_anndata":
            return None
        return {key: self.registry_["setup_args"][key] for key in ("control", "perturbed")}

    def get_var_names(self, legacy_mudata_format: bool = False) -> Any:
        """Return the feature names of each modality, of two conditions the genes of both."""
        if self._conditions() is None:
            return super().get_var_names(legacy_mudata_format)  # type: ignore[misc]
        return np.asarray(self.specs["control"].feature_names)

    def _is_paired(self) -> bool:
        return self._conditions() is None and super()._is_paired()  # type: ignore[misc]

    def _own_rows(self, key: str) -> NDArray[np.int64]:
        conditions = self._conditions()
        if conditions is None:
            return super()._own_rows(key)  # type: ignore[misc]
        rows = condition_rows(self.adata, self._condition_key(), conditions)[key]
        own = np.full(self.adata.n_obs, -1, dtype=np.int64)
        own[rows] = rows
        return own

    def _condition_key(self) -> str:
        return self.registry_["setup_args"]["condition_key"]

    def _query(self, adata: Any, key: str, layer: Any, indices: Any, **options: Any) -> Query:
        """Read a query; of the training data only the cells of the source's condition."""
        conditions = self._conditions()
        if conditions is not None and adata is None and self.adata is not None:
            if indices is None and key in conditions:
                indices = np.flatnonzero(self._own_rows(key) >= 0)
        query = super()._query(adata, key, layer, indices, **options)  # type: ignore[misc]
        if conditions is not None:
            self._refuse_other_condition(query, key, conditions, is_own=adata is None)
        return query

    def _refuse_other_condition(
        self, query: Query, key: str, conditions: dict[str, str], *, is_own: bool
    ) -> None:
        """Raise at cells of other conditions; ``is_own`` says that they are the training data's.

        Where no cell is of a condition that the model knows, others may call it otherwise.
        """
        column = self._condition_key()
        if column not in query.obs:
            return
        values = query.obs[column].astype(str)
        here = values == str(conditions[key])
        known = set(map(str, conditions.values()))
        others = values[~here] if is_own or here.any() else values[values.isin(known)]
        if others.size:
            texts = all(isinstance(value, str) for value in query.obs[column].unique())
            # numbers that conditions are called by equal no text
            own = f"adata.obs[{column!r}]" + ("" if texts else ".astype(str)")
            raise ValueError(
                f"{others.size} of the {query.n_obs} cells are "
                f"{' or '.join(map(repr, others.unique()[:3]))} in obs[{column!r}], but "
                f"source={key!r} is {conditions[key]!r}. Give the cells of one condition: "
                f"adata[{own} == {str(conditions[key])!r}], or indices= of those alone."
            )


def _check_batches(adata: AnnData, batch_key: str, rows: dict[str, NDArray[np.int64]]) -> None:
    """Raise if batches tell the conditions apart, so that their effects are one."""
    batches = adata.obs[batch_key]
    found = {key: sorted(map(str, batches.iloc[own].unique())) for key, own in rows.items()}
    if not set(found["control"]) & set(found["perturbed"]):
        raise ValueError(
            f"No batch of batch_key={batch_key!r} holds cells of both conditions: "
            f"{found['control'][:10]} are control, {found['perturbed'][:10]} perturbed, so what "
            "the batch does and what the perturbation does cannot be told apart. Leave it out, or "
            "name batches that both conditions share, such as donors."
        )
