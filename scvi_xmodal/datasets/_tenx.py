"""What Cell Ranger writes."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from scvi_xmodal._arguments import check_arguments

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData


def read_10x(path: str | Path, *, genome: str | None = None) -> MuData:
    """Read a 10x Multiome or CITE-seq matrix into a MuData.

    scanpy reads the file; features go into modalities by their type: ``"Gene Expression"`` into
    ``rna``, ``"Peaks"`` into ``atac``, ``"Antibody Capture"`` into ``protein``. Others are left
    out with a warning. Names are made unique and peaks get coordinates, as
    :func:`scvi_xmodal.pp.to_mudata` says.

    Parameters
    ----------
    path
        ``filtered_feature_bc_matrix.h5`` of Cell Ranger (3 or later) or Cell Ranger ARC, or the
        folder of that name with ``matrix.mtx.gz``.
    genome
        Genome to keep, where an ``.h5`` file holds several. Features of none, as antibodies
        are, stay.

    Returns
    -------
    MuData of raw counts, CSR, cells named by barcode and genes by symbol, with Ensembl
    identifiers in ``var["gene_ids"]``.

    Raises
    ------
    ValueError
        If there is no such file or genome, it is none of 10x', it holds fewer than two
        modalities, or a genome is asked of a folder, which does not tell them.

    Examples
    --------
    >>> import scvi_xmodal as xm
    >>> mdata = xm.datasets.read_10x("filtered_feature_bc_matrix.h5")  # doctest: +SKIP
    """
    check_arguments(locals())
    from scvi_xmodal.pp._to_mudata import gather

    return gather(read_table(Path(path), genome))


def is_10x(path: Path) -> bool:
    """Return whether a path looks like a 10x matrix: an ``.h5`` file or a folder of ``.mtx``."""
    if path.is_dir():
        return any(path.glob("*matrix.mtx*"))
    return path.suffix == ".h5"


def read_table(path: Path, genome: str | None = None) -> AnnData:
    """Return all features of a 10x matrix in one table, as scanpy reads it.

    Raises
    ------
    ValueError
        If there is no such file, it is none of 10x', or a folder holds several.
    """
    import scanpy

    if not path.exists():
        raise ValueError(f"{str(path)!r} does not exist.")
    if genome is not None and path.is_dir():
        raise ValueError(
            f"genome={genome!r}: the files of a folder, {str(path)!r}, do not say which genome "
            "features are of. Read the .h5 file beside it."
        )
    prefix = _prefix(path) if path.is_dir() else ""
    with warnings.catch_warnings():
        # it is said again, for each modality
        warnings.filterwarnings("ignore", message=".*names are not unique")
        try:
            if path.is_dir():
                adata = scanpy.read_10x_mtx(
                    path, gex_only=False, prefix=prefix or None, make_unique=False
                )
                adata.X = adata.X.tocsr()
            else:
                adata = _read_h5(path, genome)
        # scanpy raises a bare Exception for a file of another layout
        except Exception as error:
            raise ValueError(
                f"{str(path)!r} is no 10x matrix that scanpy can read ({_reason(error)}). "
                "Read .h5ad with anndata and .h5mu with mudata."
            ) from error
    return adata


def _read_h5(path: Path, genome: str | None) -> AnnData:
    """Return the features of a genome, and those of none, as antibodies are."""
    import scanpy

    whole = scanpy.read_10x_h5(path, gex_only=False)
    if genome is None or "genome" not in whole.var:
        return whole
    of = whole.var["genome"].astype(str)
    if not (of == genome).any():
        raise ValueError(f"genome={genome!r} is none of {sorted(set(of) - {''})}")
    return whole[:, of.isin([genome, ""])].copy()


def _prefix(folder: Path) -> str:
    """Return what stands before the names of a folder's files, such as ``"GSM1_"`` in GEO's."""
    prefixes = sorted({p.name.split("matrix.mtx")[0] for p in folder.glob("*matrix.mtx*")})
    if len(prefixes) > 1:
        raise ValueError(
            f"{str(folder)!r} holds {len(prefixes)} matrices, named {prefixes[:3]}...matrix.mtx: "
            "put the three files of each into a folder of its own."
        )
    return prefixes[0] if prefixes else ""


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
