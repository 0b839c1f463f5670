"""Any file that holds counts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from scvi_xmodal._arguments import check_arguments
from scvi_xmodal.datasets._mudata import own_columns_only
from scvi_xmodal.datasets._tenx import is_10x, read_table

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData

BACKED_ABOVE = 1 << 30
"""Bytes on disk above which counts stay there by default."""

_ENDINGS = (".h5", ".h5ad", ".h5mu", ".zarr")


def read(path: str | Path, *, backed: bool | None = None) -> AnnData | MuData:
    """Read a 10x ``.h5`` file or folder, an ``.h5ad``, an ``.h5mu`` or a ``.zarr``.

    Parameters
    ----------
    path
        File, or folder of 10x or zarr.
    backed
        Whether to leave the counts on disk, as :func:`scvi_xmodal.data.open_backed` does; by
        default those of files above 1 GiB. 10x files and a MuData in zarr are always read.

    Returns
    -------
    A MuData from 10x files and ``.h5mu``, an AnnData from ``.h5ad``, either from ``.zarr``. That
    of a 10x file holds the modalities that are there, be it one.

    Raises
    ------
    ValueError
        If the file does not exist, has another ending, or cannot be read.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import scvi_xmodal as xm
    >>> path = Path(tempfile.mkdtemp()) / "kang.h5ad"
    >>> xm.datasets.kang_pbmc().write_h5ad(path)
    >>> xm.datasets.read(path).shape
    (1556, 1267)
    """
    check_arguments(locals())
    path = Path(path)
    if not path.exists():
        raise ValueError(f"{str(path)!r} does not exist.")
    if is_10x(path):
        from scvi_xmodal.pp._to_mudata import gather

        return gather(read_table(path), fewest=1)  # a query has no second modality
    if path.suffix not in _ENDINGS:
        raise ValueError(
            f"{str(path)!r} ends in {path.suffix!r}; known are {', '.join(_ENDINGS)} and folders "
            "with matrix.mtx.gz."
        )
    if backed is None:
        backed = _size(path) > BACKED_ABOVE
    try:
        return _read(path, backed)
    # what a file that is cut short raises depends on where it is cut
    except (OSError, KeyError, RuntimeError, AttributeError, ValueError) as error:
        raise ValueError(
            f"{str(path)!r} cannot be read as {path.suffix}: {type(error).__name__}: {error}"
        ) from error


def _read(path: Path, backed: bool) -> AnnData | MuData:
    import anndata
    import mudata

    from scvi_xmodal.data import open_backed

    if path.suffix == ".zarr" and _is_mudata(path):
        with own_columns_only():
            return mudata.read_zarr(path)
    if backed:
        return open_backed(path)
    if path.suffix == ".h5mu":
        with own_columns_only():
            return mudata.read_h5mu(path)
    if path.suffix == ".h5ad":
        return anndata.read_h5ad(path)
    return anndata.read_zarr(path)


def _is_mudata(path: Path) -> bool:
    """Return whether a zarr folder says of itself that it is a MuData, in format 2 or 3."""
    for name in (".zattrs", "zarr.json"):
        if (path / name).exists():
            attributes = json.loads((path / name).read_text())
            attributes = attributes.get("attributes", attributes)
            return str(attributes.get("encoding-type")).lower() == "mudata"
    return False


def _size(path: Path) -> int:
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())
