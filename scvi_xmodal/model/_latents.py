"""Latents of any query that holds a modality."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from scvi_xmodal._arguments import WHOLE, check_arguments
from scvi_xmodal.model._queries import QueryMixin
from scvi_xmodal.model._request import check_batch_size, to_device
from scvi_xmodal.model._several import one_or_several

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from anndata import AnnData
    from mudata import MuData
    from numpy.typing import ArrayLike, NDArray


class LatentMixin(QueryMixin):
    """Encodes cells; needs a ``module`` with ``latent``."""

    shares_latent: ClassVar[bool] = True
    """Whether all modalities are encoded into one latent."""

    device: Any
    module: Any

    def get_latent_representation(
        self,
        adata: AnnData | MuData | str | Path | None = None,
        *,
        modality: str | Sequence[str],
        indices: ArrayLike | None = None,
        layer: str | None = None,
        batch_size: int = 1024,
        repool: bool = False,
        return_dist: bool = False,
    ) -> NDArray[np.float32] | tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return the latent of cells, seen through one modality.

        Parameters
        ----------
        adata
            Cells, as in :meth:`translate`.
        modality
            Modality to encode; Butterfly takes several, as in :meth:`translate`.
        indices
            Rows to encode; by default all.
        layer
            Layer of the query that holds the counts, or ``"X"``; by default as in setup.
        batch_size
            Cells at a time.
        repool
            Whether to map the query's peaks onto the model's, as in :meth:`translate`.
        return_dist
            Whether to return means and variances of q(z).

        Returns
        -------
        Means of shape (n_cells, n_latent), and variances if asked for: a row for each cell of an
        AnnData, and of a MuData for each that has the modality, in the MuData's order. Of Babel,
        whose latent is a point, variances are 0.

        Raises
        ------
        ValueError
            If the model is not trained, a modality is unknown, or the query lacks cells, features,
            counts or peaks that overlap the model's.
        """
        check_arguments(locals(), adata=None, modality=None, batch_size=WHOLE)
        check_batch_size(batch_size)
        named = one_or_several(modality)
        query = self._query(adata, named, layer, indices, argument="modality", repool=repool)
        self.module.eval()
        means, variances = [], []
        for start in range(0, query.n_obs, batch_size):
            rows = slice(start, min(start + batch_size, query.n_obs))
            counts = to_device(query.reader.sparse_rows(rows), self.device)
            qz = self.module.latent(named, counts, **self._encoder_inputs(query.obs, rows))
            means.append(qz.mean.cpu().numpy())
            variances.append(qz.variance.cpu().numpy())
        if return_dist:
            return np.concatenate(means), np.concatenate(variances)
        return np.concatenate(means)
