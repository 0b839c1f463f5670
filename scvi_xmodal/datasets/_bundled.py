"""Small real data sets that travel with the package."""

from __future__ import annotations

import warnings
from dataclasses import asdict, dataclass
from importlib.resources import as_file, files
from typing import TYPE_CHECKING

import anndata
import mudata

from scvi_xmodal.datasets._mudata import own_columns_only

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData


@dataclass(frozen=True)
class _Source:
    """What ``uns["provenance"]`` says beside what the file itself says."""

    citation: str
    doi: str
    licence: str


_BMMC = "Luecken et al., NeurIPS Datasets and Benchmarks 2021; Lance et al., PMLR 176, 2022"
_BMMC_DOI = "10.1101/2022.04.11.487796"
_BMMC_LICENCE = (
    "GEO record GSE194122; read from openproblems-bio/neurips2021_multimodal_viash (MIT)"
)


def cortex_snareseq() -> MuData:
    """Read 2,000 adult mouse cortex nuclei, RNA and ATAC from the same nucleus.

    SNARE-seq of the adult mouse cerebral cortex (GSE126074): 2,000 random nuclei of the three
    largest sub-libraries, and the features seen in at least 0.5 % of them. Genome mm10.

    Returns
    -------
    MuData
        Modality ``rna`` of shape (2000, 1355) and ``atac`` of shape (2000, 5606); raw counts,
        CSR float32. ``atac.var`` has ``chrom``, ``start`` and ``end``. ``obs`` has
        ``cell_type`` (15 types; ``Mis`` means unassigned), ``cell_type_fine`` and ``batch``.
        ``uns["provenance"]`` holds origin, citation and licence.

    References
    ----------
    Chen, Lake & Zhang, *Nature Biotechnology* 37, 1452-1457 (2019),
    doi:10.1038/s41587-019-0290-0. Read from the repository of scMoMaT (Zhang et al., *Nature
    Communications* 14, 2023), ``PeterZZQ/scMoMaT``, MIT licence.

    Examples
    --------
    >>> from scvi_xmodal.datasets import cortex_snareseq
    >>> mdata = cortex_snareseq()
    >>> mdata["rna"].shape, mdata["atac"].shape
    ((2000, 1355), (2000, 5606))
    """
    source = _Source(
        citation="Chen, Lake & Zhang, Nature Biotechnology 37, 1452-1457 (2019)",
        doi="10.1038/s41587-019-0290-0",
        licence="GEO record GSE126074; read from PeterZZQ/scMoMaT (MIT)",
    )
    return _read_mudata("snareseq_mouse_cortex_2k.h5mu", source)


def bmmc_multiome() -> MuData:
    """Read 500 human bone marrow cells, RNA and ATAC from the same cell (10x Multiome).

    The starter set of the NeurIPS 2021 competition (GSE194122): two donors and the features
    that the competition chose for it. Genome hg38; one peak lies on a contig that is no
    chromosome.

    Returns
    -------
    MuData
        Modality ``rna`` of shape (500, 600) and ``atac`` of shape (500, 600); raw counts, CSR
        float32. ``atac.var`` has ``chrom``, ``start`` and ``end``. ``obs`` has ``cell_type``
        (21 types) and ``batch`` (2 donors). ``uns["provenance"]`` holds origin, citation and
        licence.

    References
    ----------
    Luecken et al., *A sandbox for prediction and integration of DNA, RNA, and proteins in
    single cells*, NeurIPS Datasets and Benchmarks (2021); Lance et al., *PMLR* 176, 162-176
    (2022), doi:10.1101/2022.04.11.487796. Read from
    ``openproblems-bio/neurips2021_multimodal_viash``, MIT licence.

    Examples
    --------
    >>> from scvi_xmodal.datasets import bmmc_multiome
    >>> mdata = bmmc_multiome()
    >>> mdata["rna"].shape, mdata["atac"].shape
    ((500, 600), (500, 600))
    """
    source = _Source(citation=_BMMC, doi=_BMMC_DOI, licence=_BMMC_LICENCE)
    return _read_mudata("multiome_bmmc_mini.h5mu", source)


def bmmc_citeseq() -> MuData:
    """Read 600 human bone marrow cells, RNA and surface protein from the same cell (CITE-seq).

    The starter set of the NeurIPS 2021 competition (GSE194122): two donors and the features
    that the competition chose for it.

    Returns
    -------
    MuData
        Modality ``rna`` of shape (600, 1000) and ``protein`` of shape (600, 134); raw counts,
        CSR float32. ``obs`` has ``cell_type`` (41 types) and ``batch`` (2 donors).
        ``uns["provenance"]`` holds origin, citation and licence.

    References
    ----------
    Luecken et al., *A sandbox for prediction and integration of DNA, RNA, and proteins in
    single cells*, NeurIPS Datasets and Benchmarks (2021); Lance et al., *PMLR* 176, 162-176
    (2022), doi:10.1101/2022.04.11.487796. Read from
    ``openproblems-bio/neurips2021_multimodal_viash``, MIT licence.

    Examples
    --------
    >>> from scvi_xmodal.datasets import bmmc_citeseq
    >>> mdata = bmmc_citeseq()
    >>> mdata["rna"].shape, mdata["protein"].shape
    ((600, 1000), (600, 134))
    """
    source = _Source(citation=_BMMC, doi=_BMMC_DOI, licence=_BMMC_LICENCE)
    return _read_mudata("citeseq_bmmc_mini.h5mu", source)


def kang_pbmc() -> AnnData:
    """Read 1,556 human blood cells, half of them stimulated with interferon beta.

    PBMCs of lupus patients before and after six hours of IFN-beta (GSE96583), the subset that
    the package muscat carries as its example: two donors, both conditions.

    Returns
    -------
    AnnData
        Raw RNA counts of shape (1556, 1267), CSR float32. ``obs`` has ``cell_type`` (5 types),
        ``condition`` (``ctrl`` or ``stim``), ``donor`` and ``batch`` (condition and donor).
        ``uns["provenance"]`` holds origin, citation and licence.

    References
    ----------
    Kang et al., *Nature Biotechnology* 36, 89-94 (2018), doi:10.1038/nbt.4042. Read from
    ``HelenaLC/muscat`` (Crowell et al., *Nature Communications* 11, 2020), a repository under
    GPL-3.

    Examples
    --------
    >>> from scvi_xmodal.datasets import kang_pbmc
    >>> adata = kang_pbmc()
    >>> adata.shape, list(adata.obs["condition"].cat.categories)
    ((1556, 1267), ['ctrl', 'stim'])
    """
    source = _Source(
        citation="Kang et al., Nature Biotechnology 36, 89-94 (2018)",
        doi="10.1038/nbt.4042",
        licence="GEO record GSE96583; read from HelenaLC/muscat (GPL-3)",
    )
    with as_file(files("scvi_xmodal.datasets").joinpath("data", "kang_pbmc_muscat.h5ad")) as path:
        adata = anndata.read_h5ad(path)
    adata.uns["provenance"] = _provenance(adata.uns, source)
    return adata


def _read_mudata(name: str, source: _Source) -> MuData:
    resource = files("scvi_xmodal.datasets").joinpath("data", name)
    with as_file(resource) as path, own_columns_only(), warnings.catch_warnings():
        # A protein and its gene share a name; the modality tells them apart.
        warnings.filterwarnings("ignore", message="var_names are not unique")
        mdata = mudata.read_h5mu(path)
    mdata.uns["provenance"] = _provenance(mdata.uns, source)
    return mdata


def _provenance(uns: dict, source: _Source) -> dict[str, str]:
    stored = {key: str(value) for key, value in uns["provenance"].items()}
    return stored | asdict(source)
