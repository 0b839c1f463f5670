"""Cells re-paired within clusters of a joint embedding (scButterfly-C)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from scvi_xmodal._arguments import check_arguments, check_order
from scvi_xmodal.data import Pairs
from scvi_xmodal.metrics._clustering import _leiden
from scvi_xmodal.pairing._cells import modality_keys, paired_rows, training_rows
from scvi_xmodal.pairing._embedding import Embedding, embed, own_embedding
from scvi_xmodal.pairing._labels import repaired

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mudata import MuData
    from numpy.typing import ArrayLike, NDArray

_FEWEST_CELLS = 3
_N_NEIGHBORS = 15


@dataclass(frozen=True, eq=False)
class ClusterPairs(Pairs):
    """Pairs within clusters, with what the clusters were made of.

    Parameters
    ----------
    drawn
        The pairs, drawn once or anew in each epoch.
    clusters
        Cluster of each training cell, of shape (n_train,); the index are rows of the data.
    embedding
        Joint embedding of the training cells, of shape (n_train, n_dimensions).
    model
        The trained MULTIVI or TOTALVI; ``None`` for other embeddings.
    """

    drawn: Pairs
    clusters: pd.Series
    embedding: NDArray[np.floating]
    model: Any

    def __init__(
        self, drawn: Pairs, *, clusters: pd.Series, embedding: NDArray[np.floating], model: Any
    ):
        fields = {"drawn": drawn, "clusters": clusters, "embedding": embedding, "model": model}
        for name, value in fields.items():
            object.__setattr__(self, name, value)
        super().__init__(drawn.rows)

    def draw(self, epoch: int) -> Pairs:
        """Return the table of an epoch."""
        return self.drawn.draw(epoch)

    @property
    def sources(self) -> dict[str, NDArray[np.int64]]:
        """All rows of each modality that any epoch may read."""
        return self.drawn.sources


def by_cluster(
    mdata: MuData,
    indices: ArrayLike,
    *,
    embedding: Embedding | ArrayLike | None = None,
    resolution: float = 3.0,
    n_rounds: int = 2,
    redraw: bool = False,
    seed: int = 0,
    layers: Mapping[str, str] | None = None,
    modalities: Mapping[str, str] | None = None,
    train_kwargs: Mapping[str, Any] | None = None,
) -> ClusterPairs:
    """Add pairs of different cells of the same cluster to the measured ones (scButterfly-C).

    The training cells are embedded by all their modalities together, clustered by Leiden over 15
    neighbours at a resolution so high that clusters hold one cell type each, and re-paired within
    clusters as by :func:`by_label` (Cao et al. 2024, Methods, "data augmentation"). No labels are
    needed.

    Parameters
    ----------
    mdata
        Paired cells, raw counts.
    indices
        Rows of the training cells: ``split.train``. No other cell is looked at.
    embedding
        * ``"multivi"``: latent of a :class:`scvi.model.MULTIVI` trained here with its defaults,
          as published; the default for RNA with ATAC
        * ``"totalvi"``: likewise :class:`scvi.model.TOTALVI`; the default for RNA with protein
        * ``"quick"``: principal components of log-normalised RNA and CLR protein, and latent
          semantic indexing of ATAC (its first component, which is depth, left out), each
          modality scaled to the same total variance and put side by side; seconds, no training.
          The default for three modalities
        * an array of your own, of shape (n_cells, n_dimensions), one row for each row of
          ``mdata``
    resolution
        Resolution of Leiden.
    n_rounds, redraw, seed
        As in :func:`by_label`; the seed also serves the embedding and the clusters.
    layers
        Layer of the counts of a modality, such as ``{"rna": "counts"}``; ``X`` by default.
    modalities
        The modality of each of the model's, such as ``{"rna": "gex"}``; by default found.
    train_kwargs
        Keywords of the integration model's ``train``, such as ``{"max_epochs": 50}``.

    Returns
    -------
    ClusterPairs
        Pairs, with ``clusters``, ``embedding`` and the integration ``model``.

    Raises
    ------
    ValueError
        If the embedding is unknown or does not fit the modalities, a training cell lacks one,
        ``layers`` names another modality, there are fewer than three cells, or values are no
        counts.

    Examples
    --------
    >>> import scvi_xmodal as xm
    >>> mdata = xm.datasets.synthetic(n_cells=120, n_genes=40, n_peaks=60, atac_density=0.3)
    >>> pairs = xm.pairing.by_cluster(mdata, range(100), embedding="quick")
    >>> len(pairs), pairs.clusters.size
    (300, 100)
    """
    check_arguments(locals())
    rows = training_rows(indices, mdata)
    if rows.size < _FEWEST_CELLS:
        raise ValueError(f"{rows.size} training cells cannot be clustered.")
    keys = modality_keys(mdata, modalities)
    unknown = [name for name in layers or {} if name not in keys]
    if unknown:
        raise ValueError(
            f"layers names {unknown[0]!r}, but the modalities to pair are {list(keys)}: give the "
            f"layers of those, such as layers={{{next(iter(keys))!r}: 'counts'}}."
        )
    own = paired_rows(mdata, rows, keys)
    model = None
    if embedding is None or isinstance(embedding, str):
        points, model = embed(
            {name: (mdata.mod[key], own[name]) for name, key in keys.items()},
            embedding,
            layers=dict(layers or {}),
            seed=seed,
            train_kwargs=dict(train_kwargs or {}),
        )
    else:
        check_order(embedding, mdata.obs_names, "embedding")
        points = own_embedding(embedding, mdata.n_obs)[rows]
    clusters = _leiden(np.asarray(points), resolution, _N_NEIGHBORS, seed)
    drawn = repaired(own, clusters.astype(str), n_rounds=n_rounds, redraw=redraw, seed=seed)
    return ClusterPairs(
        drawn,
        clusters=pd.Series(clusters, index=rows, name="cluster").astype("category"),
        embedding=points,
        model=model,
    )
