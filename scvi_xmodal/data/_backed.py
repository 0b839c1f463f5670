"""Open files without reading their counts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
from anndata import AnnData
from anndata.io import read_elem, sparse_dataset

from scvi_xmodal._arguments import check_arguments

if TYPE_CHECKING:
    from mudata import MuData


def open_backed(path: str | Path) -> AnnData | MuData:
    """Open an ``.h5ad``, ``.h5mu`` or ``.zarr`` file, leaving its matrices on disk.

    What comes back trains and translates like an object in memory: rows are read as they are
    needed. To train from ``.zarr`` or ``.h5ad`` files put them into a ``MuData``.

    Parameters
    ----------
    path
        File or zarr directory.

    Returns
    -------
    AnnData or MuData with ``X`` and layers on disk; of an AnnData's file ``obs``, ``var`` and
    ``uns``, such as what a translation is, are read besides, and nothing else.

    Raises
    ------
    ValueError
        If the file does not exist, has another ending, or cannot be read.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import scvi_xmodal as xm
    >>> from scvi_xmodal.data import open_backed
    >>> path = Path(tempfile.mkdtemp()) / "kang.h5ad"
    >>> xm.datasets.kang_pbmc().write_h5ad(path)
    >>> open_backed(path).n_obs
    1556
    """
    check_arguments({"path": path})
    path = Path(path)
    if not path.exists():
        raise ValueError(f"{str(path)!r} does not exist.")
    if path.suffix not in (".h5ad", ".h5mu", ".zarr"):
        raise ValueError(
            f"{str(path)!r} ends in {path.suffix!r}; known are .h5ad, .h5mu and .zarr."
        )
    try:
        return _open(path)
    # what a file that is cut short raises depends on where it is cut
    except (OSError, KeyError, RuntimeError, AttributeError, ValueError) as error:
        raise ValueError(
            f"{str(path)!r} cannot be read as {path.suffix}: {type(error).__name__}: {error}"
        ) from error


def _open(path: Path) -> AnnData | MuData:
    if path.suffix == ".h5mu":
        from mudata import read_h5mu

        return read_h5mu(path, backed="r")
    if path.suffix == ".h5ad":
        return _lazily(h5py.File(path, "r"))
    import zarr

    group = zarr.open_group(str(path), mode="r")
    if "mod" in group:
        raise ValueError(
            "it holds a MuData, which is opened from .h5mu; scvi_xmodal.datasets.read reads it"
        )
    return _lazily(group)


def _lazily(group: Any) -> AnnData:
    layers = {name: _matrix(group["layers"][name]) for name in group.get("layers", {})}
    return AnnData(
        X=_matrix(group["X"]) if "X" in group else None,  # counts may be in layers alone
        obs=read_elem(group["obs"]),
        var=read_elem(group["var"]),
        uns=read_elem(group["uns"]) if "uns" in group else {},
        layers=layers,
    )


def _matrix(element: Any) -> Any:
    encoding = str(element.attrs.get("encoding-type", ""))
    return sparse_dataset(element) if encoding.startswith(("csr", "csc")) else element
