"""What translating and drawing ask of a model in the same words: checked, read, recorded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from scvi_xmodal.data import translation_record
from scvi_xmodal.data._translation import chosen_columns
from scvi_xmodal.model._latents import LatentMixin
from scvi_xmodal.model._request import Request, check_batch_size, given_totals, to_device
from scvi_xmodal.model._several import one_or_several

if TYPE_CHECKING:
    from collections.abc import Mapping


class RequestingMixin(LatentMixin):
    """Turns arguments into a :class:`Request`, and that into blocks of rows for the module."""

    _batch_codes: Any
    _check_decoded_batch: Any

    def _requested(
        self,
        adata: Any,
        *,
        source: Any,
        target: str,
        indices: Any,
        transform_batch: Any,
        depth: Any,
        features: Any,
        layer: str | None,
        batch_size: int | None,
        repool: bool,
        values_at_a_time: int,
        **further: Any,
    ) -> Request:
        """Check what was asked for and read the query."""
        spec = self._check_key(target, "target")
        self._check_decoded_batch(target, transform_batch)
        columns = chosen_columns(spec, features)
        check_batch_size(batch_size)
        named = one_or_several(source)
        query = self._query(adata, named, layer, indices, repool=repool)
        return Request(
            query=query,
            source=named,
            target=target,
            columns=columns,
            batch=self._batch_codes(query.obs, transform_batch),
            depth=depth if isinstance(depth, str) else "given",
            totals=given_totals(depth, query.obs.index),
            rows_at_a_time=batch_size or max(1, values_at_a_time // max(spec.n_features, 1)),
            **further,
        )

    def _record(self, request: Request, options: Mapping[str, Any]) -> dict[str, Any]:
        """Return where an answer is from."""
        source, spec = request.source, self._check_key(request.target, "target")
        weighted = spec.settings.likelihood == "tfidf"
        scale = "counts" if options.get("drawn") else "tfidf" if weighted else None
        record = translation_record(
            source=source if isinstance(source, str) else "+".join(source),
            target=request.target,
            target_kind=spec.kind,
            scale=scale,
            n_features=int(spec.n_features),
            model=type(self).__name__,
            options=options,
        )
        if request.query.pool is not None:
            record["repool"] = request.query.pool.report.record()
        return record

    def _block(self, request: Request, rows: slice) -> tuple[Any, dict[str, Any]]:
        """Return the counts of some rows, and the keywords that they are predicted with."""
        counts = to_device(request.query.reader.sparse_rows(rows), self.device)
        total = None
        if request.totals is not None:
            total = torch.from_numpy(request.totals[rows]).to(self.device)
        elif request.depth == "predicted":
            total = self.module.predict_depth(counts, request.source, request.target)
        batch = request.batch
        codes = None if batch is None else torch.from_numpy(batch[rows]).to(self.device)
        own = self._encoder_inputs(request.query.obs, rows)
        return counts, {"batch": codes, "total": total, **own}
