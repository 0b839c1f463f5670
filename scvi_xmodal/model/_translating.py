"""Queries in, translations and latents out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from scvi_xmodal._arguments import MAPPING, check_arguments
from scvi_xmodal._memory import memory_advice
from scvi_xmodal.data import Query, TranslationWriter, translation
from scvi_xmodal.data._translation import stacked
from scvi_xmodal.model._drawing import DrawingMixin
from scvi_xmodal.model._request import Request, count_empty, warn_of_empty, with_depth
from scvi_xmodal.model._several import one_or_several

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    import pandas as pd
    from anndata import AnnData
    from mudata import MuData
    from numpy.typing import ArrayLike, NDArray


_VALUES_AT_A_TIME = 1 << 22


class TranslatingMixin(DrawingMixin):
    """Translation and latents for any query that holds the source modality.

    Needs ``self.specs`` and a ``self.module`` with ``translate``, ``latent`` and
    ``predict_depth``.
    """

    _interval: Any
    _scored_var: Any

    def translate(
        self,
        adata: AnnData | MuData | Query | str | Path | None = None,
        *,
        source: str | Sequence[str],
        target: str,
        indices: ArrayLike | None = None,
        transform_batch: Any = None,
        depth: str | ArrayLike = "median",
        features: Sequence[str] | None = None,
        layer: str | None = None,
        batch_size: int | None = None,
        repool: bool = False,
        quantiles: Sequence[float] | None = None,
        n_samples: int | None = None,
        out: str | Path | None = None,
        enable_progress_bar: bool = False,
        network: Mapping[str, Any] | None = None,
    ) -> AnnData | Path:
        """Translate cells from one modality into another.

        Each cell is translated by itself: alone or in company, it comes out the same.

        Parameters
        ----------
        adata
            Cells to translate: an AnnData of the source, or a MuData that holds it, with or
            without the target; features in any order, in memory or on disk; or the path of
            such a file; or a :class:`~scvi_xmodal.data.Query`. By default the training data.
        source
            Modality to translate from. Butterfly takes several, such as ``("rna", "atac")``:
            every cell of a MuData is translated from those that it was measured in, by the mean
            of their latents.
        target
            Modality to translate to; may be the source, which denoises it.
        indices
            Rows to translate; by default all. Of a MuData its own rows, such as ``split.test``;
            cells without any source are left out.
        transform_batch
            Batch to translate into; by default each cell's own, or the training batches' average
            where no training cell of that batch was measured in the target.
        depth
            Depth of the predicted cells: ``"median"`` of the training cells, what clustering
            wants; ``"predicted"`` from the source's own totals, what matches measured cells; or
            totals of shape (n_cells,). TF-IDF values (``atac_target="tfidf"``), squared-error
            expression and proteins know no depth.
        features
            Names of the target's features to return; by default all.
        layer
            Layer of the query that holds the counts, or ``"X"``; by default as in setup.
        batch_size
            Cells at a time; by default as many as make some millions of values.
        repool
            Whether to map the query's peaks onto the model's by their overlap, as
            :func:`~scvi_xmodal.pp.repool_peaks` does: a peak of the model is open where a peak
            of the query that shares a base with it is open. A warning and
            ``uns["scvi_xmodal"]["repool"]`` tell how many of the model's peaks were covered.
        quantiles
            Quantiles to return besides, as layers: ``(0.05, 0.95)`` gives ``layers["q05"]`` and
            ``layers["q95"]``, between which 90 % of measured values of cells like the validation
            cells are to fall. They are of counts at ``depth`` (RNA; with
            ``gene_likelihood="normal"`` of log-normalised values) and of CLR values (protein),
            calibrated on the validation cells. A peak is open or not, so there they are of the
            probability, over the latent only, and not calibrated.
        n_samples
            Latent samples that quantiles are computed from, by default 20. They are drawn with
            scvi's seed and shared by all cells.
        out
            Path ending in ``.h5ad`` or ``.zarr`` to write to, some rows at a time, so that of
            each cell only its name and ``obs`` stay in memory.
        enable_progress_bar
            Whether to show on standard error how many cells are done.
        network
            Further keywords for ``module.translate``, for models to use.

        Returns
        -------
        AnnData of shape (n_cells, n_features of the target) with the query's ``obs`` and the
        training features' ``var``; with ``out`` its path. ``X`` is expected log1p expression
        at the training median depth (RNA), accessibility probability (ATAC) or CLR expression
        (protein); ``layers["mean"]`` are expected counts (RNA); ``var["validation_pearson"]`` or
        ``var["validation_auroc"]`` says how well each feature was translated
        (:meth:`trust_scores`); ``uns["scvi_xmodal"]`` says where it is from and on
        which ``scale`` ``X`` is.

        Raises
        ------
        ValueError
            If a modality, batch, feature or depth is unknown, no training cell of
            ``transform_batch`` was measured in the target, the query lacks cells, features,
            counts or peaks that overlap the model's, there are no such quantiles, or ``out``
            cannot be written.
        """
        check_arguments(locals(), adata=None, network=MAPPING.or_none())
        self._check_key(target, "target")
        depth_name = depth if isinstance(depth, str) else "given"
        named = one_or_several(source)
        interval = self._interval((named, target), quantiles, n_samples, depth_name)
        request = self._requested(
            adata,
            source=named,
            target=target,
            indices=indices,
            transform_batch=transform_batch,
            depth=depth,
            features=features,
            layer=layer,
            batch_size=batch_size,
            repool=repool,
            values_at_a_time=_VALUES_AT_A_TIME if interval is None else _VALUES_AT_A_TIME // 8,
            progress=enable_progress_bar,
            interval=interval,
            network=dict(network or {}),
        )
        query = request.query
        options = {"transform_batch": transform_batch, "depth": request.depth, **request.network}
        if interval is not None:
            options |= interval.record()
        record = self._record(request, options)
        var = self._scored_var(named, target, self._var(target)).iloc[request.columns]
        if out is not None:
            return self._stream(request, out, var, record)
        with memory_advice("translate", request.rows_at_a_time):
            layers = stacked(self._translate_blocks(request), query.n_obs)
        obs = with_depth(query.obs, layers.pop("predicted_depth", None))
        return translation(layers, obs=obs, var=var, record=record)

    def _stream(
        self, request: Request, out: str | Path, var: pd.DataFrame, record: Mapping[str, Any]
    ) -> Path:
        """Write the translation block by block and return its path."""
        shape = (request.query.n_obs, len(request.columns))
        depths: list[Any] = []
        advice = memory_advice("translate", request.rows_at_a_time)
        with TranslationWriter(out, shape, obs=request.query.obs, var=var) as writer, advice:
            for block in self._translate_blocks(request):
                depths.append(block.pop("predicted_depth", None))
                writer.append(block)
            predicted = None if depths[0] is None else np.concatenate(depths)
            obs = with_depth(request.query.obs, predicted)
            writer.finish(obs=obs, var=var, record=record)
        return writer.path

    def _translate_blocks(self, request: Request) -> Iterator[dict[str, NDArray[np.float32]]]:
        """Yield the translation of some rows at a time, features in the user's order."""
        module, device = self.module, self.device
        module.eval()
        spec = self._check_key(request.target, "target")
        positions = spec.position[request.columns]
        in_order = np.array_equal(positions, np.arange(spec.n_features))
        position = None if in_order else torch.from_numpy(positions).to(device)
        n_empty = 0
        for rows in request.row_blocks():
            counts, given = self._block(request, rows)
            layers = module.translate(
                counts, request.source, request.target, **given, **request.network
            )
            if position is not None:
                layers = {k: v.index_select(1, position) for k, v in layers.items()}
            block = {k: v.cpu().numpy() for k, v in layers.items()}
            if request.interval is not None:
                block |= self._quantile_layers(request, counts, positions, given)
            if request.depth == "predicted":
                block["predicted_depth"] = given["total"].cpu().numpy()
            n_empty += count_empty(counts)
            yield block
        warn_of_empty(n_empty, request)

    def _quantile_layers(
        self,
        request: Request,
        counts: Any,
        positions: NDArray[np.int64],
        given: Mapping[str, torch.Tensor | None],
    ) -> dict[str, NDArray[np.float32]]:
        interval = request.interval
        assert interval is not None
        moments = self.module.moments(
            counts,
            request.source,
            request.target,
            noise=interval.noise,
            **given,
        )
        return interval.layers(moments, positions)
