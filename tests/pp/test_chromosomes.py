from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

from scvi_xmodal import pp

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from mudata import MuData

PEAKS = ["chr1:1-2", "chrX:1-2", "chr2L:1-2", "KI270713.1:1-2", "chrM:1-2", "chrY:1-2", "22:1-2"]


@pytest.fixture
def atac() -> AnnData:
    return AnnData(np.arange(7.0)[None], var=pd.DataFrame(index=PEAKS))


def test_numbered_chromosomes_stay_by_default(atac: AnnData) -> None:
    result = pp.exclude_chromosomes(atac)
    assert result.var_names.tolist() == ["chr1:1-2", "chr2L:1-2", "22:1-2"]
    assert result.X.tolist() == [[0, 2, 6]]
    assert atac.n_vars == 7


def test_named_chromosomes_go(atac: AnnData) -> None:
    for names in (["chrX", "chrM"], ["X", "m"]):
        result = pp.exclude_chromosomes(atac, names)
        assert result.var_names.tolist() == [PEAKS[i] for i in (0, 2, 3, 5, 6)]
    assert pp.exclude_chromosomes(atac, ["chrX", "chrW"]).n_vars == 6
    with pytest.warns(UserWarning, match=r"Nothing lies on \['chrZ'\]; the chromosomes are"):
        assert pp.exclude_chromosomes(atac, ["chrZ"]).n_vars == 7


def test_mitochondria_go_by_either_name(atac: AnnData) -> None:
    ensembl = atac.copy()
    ensembl.var_names = [name.replace("chrM", "MT").removeprefix("chr") for name in PEAKS]
    for names in (["chrX", "chrM"], ["X", "MT"]):
        for data in (atac, ensembl):
            kept = pp.exclude_chromosomes(data, names).X.tolist()
            assert kept == [[0, 2, 3, 5, 6]]


def test_columns_come_before_names(atac: AnnData) -> None:
    atac.var["chrom"] = pd.Categorical(["chrX", *["chr1"] * 5, None])
    with pytest.warns(UserWarning, match=r"1 of 7 features of 'adata' .* dropped"):
        assert pp.exclude_chromosomes(atac).var_names.tolist() == PEAKS[1:6]
    with pytest.warns(UserWarning, match=r"1 of 7 features of 'adata' .* kept"):
        assert pp.exclude_chromosomes(atac, ["X"]).var_names.tolist() == PEAKS[1:]


def test_genes_need_a_table(mdata: MuData, digest: Callable[[Any], str]) -> None:
    before = digest(mdata)
    with pytest.raises(ValueError, match=r"genes of 'rna' have no column 'chrom'.*gene_table"):
        pp.exclude_chromosomes(mdata)
    names = mdata["rna"].var_names[:20]
    chrom = ["chrX", *["chr1"] * 19]
    columns = {"chrom": chrom, "start": 1, "end": 2, "strand": "+"}
    table = pd.DataFrame(columns, index=names)
    with pytest.warns(UserWarning, match="10 of 30 features of 'rna' have no chromosome"):
        result = pp.exclude_chromosomes(mdata, genes=table)
    assert result["rna"].var_names.tolist() == names[1:].tolist()
    assert result["atac"].n_vars == mdata["atac"].n_vars
    assert result["protein"].n_vars == mdata["protein"].n_vars
    with pytest.warns(UserWarning, match="10 of 30 .* kept"):
        result = pp.exclude_chromosomes(mdata, ["chr2", "chrX"], genes=table)
    assert result["rna"].n_vars == 29
    assert result["atac"].n_vars == 16
    assert digest(mdata) == before
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        rna = pp.exclude_chromosomes(mdata["rna"][:, :20], genes=table)
    assert rna.var_names.tolist() == names[1:].tolist()


def test_mistakes_are_named(atac: AnnData, mdata: MuData, join: Callable[..., MuData]) -> None:
    with pytest.raises(ValueError, match=r"'chrX' is one text; give \['chrX'\]"):
        pp.exclude_chromosomes(atac, "chrX")
    with pytest.raises(ValueError, match=r"No feature of 'adata' would be left.*'chrX'"):
        pp.exclude_chromosomes(atac[:, [1, 5]])
    with pytest.raises(ValueError, match=r"None of \['protein'\] is known as RNA or ATAC"):
        pp.exclude_chromosomes(join({"protein": mdata["protein"].copy()}))
