"""What every translation returns: one contract for models and baselines."""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from anndata import AnnData

import scvi_xmodal
from scvi_xmodal._constants import UNS_KEY

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd
    from numpy.typing import NDArray


def translation(
    layers: Mapping[str, NDArray[Any]],
    *,
    obs: pd.DataFrame,
    var: pd.DataFrame,
    record: Mapping[str, Any],
) -> AnnData:
    """Wrap predicted values in an AnnData.

    Parameters
    ----------
    layers
        ``"X"`` and any further layers, of shape (n_cells, n_features).
    obs
        The query's annotation of cells; copied.
    var
        The training features; copied.
    record
        What :func:`translation_record` returns.

    Returns
    -------
    AnnData of shape (n_cells, n_features), with the record in ``uns["scvi_xmodal"]``.
    """
    further = {name: values for name, values in layers.items() if name != "X"}
    return AnnData(
        X=layers["X"],
        obs=obs.copy(),
        var=var.copy(),
        layers=further,
        uns={UNS_KEY: dict(record)},
    )


def translation_record(
    *, source: str, target: str, target_kind: str, model: str, options: Mapping[str, Any]
) -> dict[str, Any]:
    """Return where a translation comes from: modalities, model, versions and options."""
    packages = ("scvi-tools", "torch", "anndata", "mudata")
    versions = {name: version(name) for name in packages}
    return {
        "source": source,
        "target": target,
        "target_kind": target_kind,
        "model": model,
        "versions": {"scvi-xmodal": scvi_xmodal.__version__, **versions},
        # h5ad cannot hold None
        "options": {key: "None" if value is None else value for key, value in options.items()},
    }
