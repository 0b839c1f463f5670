import pytest

from scvi_xmodal import datasets
from scvi_xmodal.data import read_genes


@pytest.mark.parametrize(
    ("assembly", "name"), [("mm10", "cortex_snareseq"), ("hg38", "bmmc_multiome")]
)
def test_tables_are_valid_and_know_the_bundled_genes(assembly, name):
    table = datasets.gene_table(assembly)
    assert read_genes(table).shape == table.shape
    assert (table["end"] - table["start"]).max() <= 2_500_000
    genes = getattr(datasets, name)()["rna"].var_names
    assert genes.isin(table.index).mean() > 0.95


def test_an_unknown_assembly_is_refused():
    with pytest.raises(ValueError, match="assembly='hg19' is not bundled"):
        datasets.gene_table("hg19")
