"""Data sets: 10x files, four small real ones, where genes lie, and a simulator of known truth."""

from __future__ import annotations

from scvi_xmodal.datasets._bundled import (
    bmmc_citeseq,
    bmmc_multiome,
    cortex_snareseq,
    kang_pbmc,
)
from scvi_xmodal.datasets._genes import gene_table
from scvi_xmodal.datasets._read import read
from scvi_xmodal.datasets._synthetic import synthetic
from scvi_xmodal.datasets._tenx import read_10x
from scvi_xmodal.datasets._truth import true_mean

__all__ = [
    "bmmc_citeseq",
    "bmmc_multiome",
    "cortex_snareseq",
    "gene_table",
    "kang_pbmc",
    "read",
    "read_10x",
    "synthetic",
    "true_mean",
]
