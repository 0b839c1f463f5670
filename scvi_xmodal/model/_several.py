"""Translation from several modalities of a cell at once."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from mudata import MuData

from scvi_xmodal.data import Query, open_backed
from scvi_xmodal.data._joint import join_queries
from scvi_xmodal.data._query import modality_name
from scvi_xmodal.model._queries import refuse_choices

if TYPE_CHECKING:
    from collections.abc import Mapping

    from scvi_xmodal.module import ModalitySpec


class SeveralSourcesMixin:
    """Lets ``source`` and ``modality`` name several modalities, of which a cell may lack some.

    Needs a module whose ``latent`` and ``predict_depth`` take the counts of several.
    """

    adata: Any
    specs: Mapping[str, ModalitySpec]
    _check_key: Any
    _location: Any

    def _query(self, adata: Any, key: Any, layer: Any, indices: Any, **options: Any) -> Query:
        """Read one or several modalities of a query, or of the training data."""
        if not isinstance(key, tuple):
            return super()._query(adata, key, layer, indices, **options)  # type: ignore[misc]
        argument = options.get("argument", "source")
        if adata is None and self.adata is None:  # the same words as for one
            return super()._query(adata, key[0], layer, indices, **options)  # type: ignore[misc]
        for own in key:
            self._check_key(own, argument)
        if not key:
            raise ValueError(f"{argument}=() names none; the model has {list(self.specs)}.")
        if len(set(key)) < len(key):
            raise ValueError(f"{argument}={key!r} names a modality twice.")
        if isinstance(adata, Query):
            adata.check_source(*(self.specs[own] for own in key))
            refuse_choices(layer, indices, repool=options.get("repool", False))
            return adata
        adata = open_backed(adata) if isinstance(adata, str | Path) else adata
        adata = self.adata if adata is None else adata
        if not isinstance(adata, MuData):
            raise ValueError(
                f"{argument}={key!r} are several modalities, but the query is of type "
                f"{type(adata).__name__}: give a MuData that holds them."
            )
        repool = options.pop("repool", False)
        parts = {}
        for own in key:
            pooled = repool and self.specs[own].kind == "atac"
            query = super()._query(  # type: ignore[misc]
                adata, own, layer, None, repool=pooled, **options
            )
            name = modality_name(adata, self.specs[own], modality=self._location(own)[0])
            parts[own] = (name, query)
        return join_queries(adata, parts, indices)


def one_or_several(source: Any) -> Any:
    """Return a modality's name as it is, several as a tuple, and one of a list by itself."""
    if isinstance(source, str) or not hasattr(source, "__iter__"):
        return source
    names = tuple(source)
    return names[0] if len(names) == 1 else names
