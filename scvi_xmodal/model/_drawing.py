"""Counts drawn from what a model predicts, with the scatter of measured ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from scipy import sparse

from scvi_xmodal._arguments import check_arguments
from scvi_xmodal._memory import memory_advice
from scvi_xmodal.data import translation
from scvi_xmodal.model._quantiles import matched_size
from scvi_xmodal.model._request import count_empty, warn_of_empty, with_depth
from scvi_xmodal.model._requesting import RequestingMixin

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from anndata import AnnData
    from mudata import MuData
    from numpy.typing import ArrayLike, NDArray

    from scvi_xmodal.data import Query
    from scvi_xmodal.model._request import Request

_VALUES_AT_A_TIME = 1 << 21
_UNDRAWN = {
    "normal": "it by squared errors, which say nothing of how values scatter; RNA with "
    "gene_likelihood='nb' can be",
    "tfidf": "TF-IDF values, which are no counts; ATAC with atac_target='binary' can be",
}


class DrawingMixin(RequestingMixin):
    """Draws counts; needs a ``module`` with ``moments`` and ``predict_depth``."""

    _predicts_depth: bool

    def posterior_predictive_sample(
        self,
        adata: AnnData | MuData | Query | str | Path | None = None,
        *,
        source: str | Sequence[str],
        target: str,
        indices: ArrayLike | None = None,
        transform_batch: Any = None,
        depth: str | ArrayLike | None = None,
        features: Sequence[str] | None = None,
        layer: str | None = None,
        batch_size: int | None = None,
        repool: bool = False,
        seed: int = 0,
    ) -> AnnData:
        r"""Draw the counts of cells of one modality as they might be measured in another.

        .. math::
            z_i \sim q(z \mid x_i), \quad
            y_{ij} \sim NB(\mu_{ij}, \theta_{ij}) \text{ (RNA)}, \quad
            y_{ij} \sim \text{Bernoulli}(p_{ij}) \text{ (ATAC)}

        with the means and variances that the model has for that latent.

        :meth:`translate` returns expectations, which scatter far less than cells do. Whatever
        weighs a difference by the scatter of cells, such as a test for differential expression,
        takes them for certain: a gene that no control cell has becomes the strongest result.
        Draws scatter as cells do, as far as the model's dispersions are right.

        Parameters
        ----------
        adata, source, target, indices, transform_batch, features, layer, repool
            As in :meth:`translate`.
        depth
            Depth of the drawn cells, as in :meth:`translate`; by default ``"predicted"``, as
            measured cells would have it, and of models that predict none ``"median"``.
        batch_size
            Cells at a time; by default as many as make some millions of values.
        seed
            Seed of the draws; others, other cells or features, or another ``batch_size``, give
            other counts.

        Returns
        -------
        AnnData of shape (n_cells, n_features of the target): ``X`` are counts (RNA) or whether
        peaks are open (ATAC), sparse; ``obs`` and ``uns`` as of :meth:`translate`, ``var`` without
        validation scores, which are of expectations.
        Metrics and tools that mean log1p expression refuse drawn RNA until it is normalised,
        by ``scanpy.pp.normalize_total`` and ``scanpy.pp.log1p``.

        Raises
        ------
        ValueError
            If the target is modelled by squared errors (protein) or as TF-IDF, and as
            :meth:`translate`.

        Examples
        --------
        >>> import scvi_xmodal as xm
        >>> mdata = xm.datasets.synthetic(n_cells=60, n_genes=20, n_peaks=30, atac_density=0.3)
        >>> xm.model.Butterfly.setup_mudata(mdata)
        >>> model = xm.model.Butterfly(mdata, n_latent=8)
        >>> model.train(max_epochs=1, pretrain_epochs=1, enable_progress_bar=False)
        >>> rna = model.posterior_predictive_sample(mdata["atac"], source="atac", target="rna")
        >>> rna.shape, bool((rna.X.data % 1 == 0).all())
        ((60, 20), True)
        """
        check_arguments(locals(), adata=None)
        spec = self._check_key(target, "target")
        depth = self._drawn_depth(depth)
        reason = _UNDRAWN.get("normal" if spec.kind == "protein" else spec.settings.likelihood)
        if reason is not None:
            raise ValueError(f"target={target!r} cannot be drawn: this model fits {reason}.")
        request = self._requested(
            adata,
            source=source,
            target=target,
            indices=indices,
            transform_batch=transform_batch,
            depth=depth,
            features=features,
            layer=layer,
            batch_size=batch_size,
            repool=repool,
            values_at_a_time=_VALUES_AT_A_TIME,
        )
        with memory_advice("posterior_predictive_sample", request.rows_at_a_time):
            blocks = list(self._drawn_blocks(request, np.random.default_rng(seed)))
        depths = [own for _, own in blocks if own is not None]
        options = {"transform_batch": transform_batch, "depth": request.depth, "seed": seed}
        return translation(
            {"X": sparse.vstack([counts for counts, _ in blocks], format="csr")},
            obs=with_depth(request.query.obs, np.concatenate(depths) if depths else None),
            var=self._var(target).iloc[request.columns],
            record=self._record(request, {**options, "drawn": True}),
        )

    def _drawn_depth(self, depth: str | ArrayLike | None) -> str | ArrayLike:
        if depth is None:
            return "predicted" if self._predicts_depth else "median"
        if not self._predicts_depth and not (isinstance(depth, str) and depth == "median"):
            raise ValueError(
                f"{type(self).__name__} predicts at the training cells' median depth only, so "
                "depth must be 'median'."
            )
        return depth

    def _drawn_blocks(
        self, request: Request, rng: np.random.Generator
    ) -> Iterator[tuple[sparse.csr_matrix, NDArray[np.float32] | None]]:
        """Yield counts of some rows at a time, and the depths predicted for them."""
        module = self.module
        module.eval()
        spec = self.specs[request.target]
        positions = spec.position[request.columns]
        n_empty = 0
        for rows in request.row_blocks():
            counts, given = self._block(request, rows)
            # one draw, of each cell its own
            noise = _noise(rng, rows.stop - rows.start, module).to(self.device)
            moments = module.moments(counts, request.source, request.target, noise=noise, **given)
            mean, variance = (own[:, positions].double().cpu().numpy() for own in moments[:2])
            depth = given["total"].cpu().numpy() if request.depth == "predicted" else None
            n_empty += count_empty(counts)
            yield _drawn(rng, spec.kind, mean, variance), depth
        warn_of_empty(n_empty, request)


def _noise(rng: np.random.Generator, n_cells: int, module: Any) -> torch.Tensor:
    shape = (1, n_cells, module.n_latent)
    return torch.from_numpy(rng.standard_normal(shape, dtype=np.float32))


def _drawn(
    rng: np.random.Generator, kind: str, mean: NDArray[np.float64], variance: NDArray[np.float64]
) -> sparse.csr_matrix:
    """Draw counts with given moments, or of ATAC whether peaks are open."""
    if kind == "atac":
        return sparse.csr_matrix(rng.random(mean.shape) < mean, dtype=np.float32)
    size = matched_size(mean, variance)
    return sparse.csr_matrix(rng.poisson(rng.gamma(size, mean / size)), dtype=np.float32)
