"""Any object that holds a modality, read as the cells to answer for."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from scvi_xmodal.data import Query, open_backed, read_query

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd
    import torch

    from scvi_xmodal.module import ModalitySpec


class QueryMixin:
    """Reads queries for a model with ``self.specs``."""

    specs: Mapping[str, ModalitySpec]
    # what scvi-tools' base class and CrossModalModel bring along
    adata: Any
    is_trained_: Any
    _batch_key: Any
    _batch_modality: Any
    _location: Any
    _var: Any

    def _encoder_inputs(self, obs: pd.DataFrame, rows: slice) -> dict[str, torch.Tensor]:
        """Return what else a model's encoders are told of some cells; by default nothing."""
        return {}

    def _query(
        self,
        adata: Any,
        key: Any,
        layer: str | None,
        indices: Any,
        *,
        argument: str = "source",
        repool: bool = False,
    ) -> Query:
        """Read the source modality of a query, or of the training data."""
        spec = self._check_key(key, argument)
        if not self.is_trained_:
            raise ValueError("The model is not trained yet: call train() first.")
        if adata is None and self.adata is None:
            raise ValueError("The model was loaded without data: give the cells to translate.")
        if isinstance(adata, Query):
            adata.check_source(spec)
            refuse_choices(layer, indices, repool=repool)
            return adata
        modality, own_layer = self._location(key)
        adata = open_backed(adata) if isinstance(adata, str | Path) else adata
        query = read_query(
            self.adata if adata is None else adata,
            spec,
            modality=modality,
            layer=layer,
            setup_layer=own_layer,
            indices=indices,
            batch_key=self._batch_key(),
            batch_places=self._batch_places(key),
            other_specs=tuple(other for other in self.specs.values() if other is not spec),
            repool=self._var(key) if repool else None,
        )
        if query.pool is not None:
            query.pool.warn()
        return query

    def _batch_places(self, key: str) -> tuple[str | None, ...]:
        """Return where a query's batches are looked for first."""
        # an AnnData has one obs
        return () if self._location(key)[0] is None else (self._batch_modality(),)

    def _check_key(self, key: Any, argument: str) -> ModalitySpec:
        if not isinstance(key, str) and hasattr(key, "__iter__") and argument != "target":
            raise ValueError(
                f"{argument}={key!r}: name one modality of {list(self.specs)}. Only "
                "Butterfly.translate and get_latent_representation take several at once."
            )
        if not isinstance(key, str) or key not in self.specs:
            raise ValueError(f"{argument}={key!r} is unknown; the model has {list(self.specs)}.")
        return self.specs[key]


def refuse_choices(layer: str | None, indices: Any, *, repool: bool) -> None:
    """Raise a ``ValueError`` if something is to be chosen of a Query, which was read before."""
    given = {"layer": layer, "indices": indices, "repool": repool or None}
    for name, value in given.items():
        if value is not None:
            raise ValueError(
                f"{name}={value!r} has no effect on a Query, whose cells were read before: give "
                "the cells themselves."
            )
