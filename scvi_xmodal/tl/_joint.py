"""Uses of a trained model on cells with one or all modalities."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from mudata import MuData

from scvi_xmodal._arguments import LIST, check_arguments
from scvi_xmodal.data import open_backed, rows_of_modality
from scvi_xmodal.data._query import modality_name
from scvi_xmodal.data._query_cells import checked_rows
from scvi_xmodal.datasets._mudata import own_columns_only

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anndata import AnnData
    from numpy.typing import ArrayLike, NDArray


def enhance(
    model: Any,
    data: MuData | str | Path | None = None,
    *,
    through: Literal["own", "other"] = "own",
    indices: ArrayLike | None = None,
    depth: str = "median",
) -> MuData:
    """Return denoised profiles of paired cells.

    scButterfly's data enhancement (Cao et al. 2024, Fig. 4c): a model predicts the profiles of
    the very cells that it was trained on, which then cluster better than the sparse counts. The
    paper does not say through which path. ``"own"`` decodes each modality from its own latent;
    ``"other"`` translates each from the other, so that nothing of a cell's own noise is kept, and
    nothing that the other modality does not know either.

    Parameters
    ----------
    model
        A trained :class:`~scvi_xmodal.model.Butterfly` or another model of this package.
    data
        Cells with all of the model's modalities; by default the training data.
    through
        ``"own"`` or ``"other"``, the latter for two modalities.
    indices
        Rows to enhance; by default all.
    depth
        Depth of the profiles, as in the model's ``translate``.

    Returns
    -------
    MuData of the translations by modality.

    Raises
    ------
    ValueError
        If ``through`` is unknown, the modalities are not two, or cells lack one.

    Examples
    --------
    >>> import scvi_xmodal as xm
    >>> mdata = xm.datasets.synthetic(n_cells=40, n_peaks=20, atac_density=0.3)
    >>> xm.model.Butterfly.setup_mudata(mdata)
    >>> model = xm.model.Butterfly(mdata, n_latent=4, n_embedding=8)
    >>> model.train(1, pretrain_epochs=1, enable_progress_bar=False)
    >>> xm.tl.enhance(model)["atac"].shape
    (40, 20)
    """
    check_arguments(locals(), data=None)
    keys = list(model.specs)
    if through not in ("own", "other"):
        raise ValueError(f"through={through!r} is unknown; it is 'own' or 'other'.")
    if through == "other" and len(keys) != 2:
        raise ValueError(f"through='other' needs two modalities; the model has {keys}.")
    sources = keys if through == "own" else keys[::-1]
    return _joined(
        {
            target: model.translate(
                data, source=source, target=target, indices=indices, depth=depth
            )
            for source, target in zip(sources, keys, strict=True)
        }
    )


def joint_latent(
    model: Any,
    data: MuData | str | Path | None = None,
    *,
    modalities: Sequence[str] | None = None,
    combine: Literal["mean", "concatenate", "precision"] = "mean",
    indices: ArrayLike | None = None,
) -> NDArray[np.float32]:
    r"""Return one embedding of cells that several modalities were measured in.

    Each modality gives a posterior :math:`q_m(z) = N(\mu_m, \sigma_m^2)` of the same latent, which
    training aligned. They are averaged, put side by side, or weighted by what they are sure of,

    .. math:: z = \frac{\sum_m \mu_m / \sigma_m^2}{\sum_m 1 / \sigma_m^2}

    the mean of the product of the posteriors.

    Parameters
    ----------
    model
        A trained :class:`~scvi_xmodal.model.Butterfly` or another model of this package.
    data
        Cells with the modalities; by default the training data.
    modalities
        Modalities to look through; by default all of the model's.
    combine
        ``"mean"``, ``"concatenate"`` or ``"precision"``.
    indices
        Rows to embed; by default all.

    Returns
    -------
    Array of shape (n_cells, n_latent), times the number of modalities where concatenated, in the
    MuData's order of cells.

    Raises
    ------
    ValueError
        If ``combine`` or a modality is unknown, cells lack a modality, or the model's modalities
        have latents of their own or are conditions of different cells.

    Examples
    --------
    >>> import scvi_xmodal as xm
    >>> mdata = xm.datasets.synthetic(n_cells=40, n_peaks=20, atac_density=0.3)
    >>> xm.model.Butterfly.setup_mudata(mdata)
    >>> model = xm.model.Butterfly(mdata, n_latent=4, n_embedding=8)
    >>> model.train(1, pretrain_epochs=1, enable_progress_bar=False)
    >>> xm.tl.joint_latent(model, combine="concatenate").shape
    (40, 8)
    """
    check_arguments(locals(), data=None, modalities=LIST.or_none())
    if combine not in ("mean", "concatenate", "precision"):
        raise ValueError(
            f"combine={combine!r} is unknown; it is 'mean', 'concatenate' or 'precision'."
        )
    keys = list(model.specs) if modalities is None else list(modalities)
    if not keys:
        raise ValueError("modalities names none.")
    if not model.shares_latent and len(keys) > 1:
        raise ValueError(
            f"{type(model).__name__} has a latent of its own for each modality, which cannot be "
            f"joined: name one, modalities=[{keys[0]!r}], or use a Butterfly."
        )
    if len(keys) > 1 and model.registry_.get("setup_method_name") == "setup_anndata":
        raise ValueError(
            f"modalities={keys!r} are conditions, which different cells were measured in: name "
            f"one, modalities=[{keys[0]!r}]."
        )
    if len(keys) > 1:
        _check_measured(model, data, keys, indices)
    found = [
        model.get_latent_representation(data, modality=key, indices=indices, return_dist=True)
        for key in keys
    ]
    means, variances = (np.stack(parts) for parts in zip(*found, strict=True))
    if combine == "concatenate":
        return np.concatenate(list(means), axis=1)
    weights = np.ones_like(means) if combine == "mean" else 1 / np.maximum(variances, 1e-12)
    return (means * weights).sum(axis=0) / weights.sum(axis=0)


def _check_measured(model: Any, data: Any, keys: Sequence[str], indices: Any) -> None:
    """Raise unless every cell was measured in every modality."""
    data = open_backed(data) if isinstance(data, str | Path) else data
    data = model.adata if data is None else data
    if not isinstance(data, MuData):
        return
    n_obs, names = data.n_obs, data.obs_names
    rows = np.arange(n_obs) if indices is None else checked_rows(indices, n_obs, names)
    for key in keys:
        spec = model._check_key(key, "modality")
        name = modality_name(data, spec, modality=model._location(key)[0])
        own = rows_of_modality(data, name)[rows]
        n_lacking = int((own < 0).sum())
        if n_lacking:
            raise ValueError(
                f"{n_lacking} of {own.size} cells were not measured in {key!r}: subset to "
                "those that were, or let Butterfly look through what each cell has: "
                f"model.get_latent_representation(modality={list(keys)})."
            )


def _joined(modalities: dict[str, AnnData]) -> MuData:
    with own_columns_only(), warnings.catch_warnings():
        # a protein and its gene share a name; the modality tells them apart
        warnings.filterwarnings("ignore", message="var_names are not unique")
        return MuData(modalities)
