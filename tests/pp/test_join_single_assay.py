"""Single-assay experiments joined to a paired one."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from mudata import MuData
from scipy import sparse

from scvi_xmodal import datasets, pp
from scvi_xmodal.data import rows_of_modality


@pytest.fixture
def mdata():
    return datasets.synthetic(n_cells=30, n_genes=12, n_peaks=20, n_batches=2, atac_density=0.3)


def test_rows_features_and_counts(mdata):
    paired, others = mdata[:10].copy(), mdata[10:].copy()
    rna = others["rna"][:, ::-1].copy()  # another order
    atac = [others["atac"][:8].copy(), others["atac"][8:].copy()]
    joined = pp.join_single_assay(paired, rna=rna, atac=atac, obs_keys=["batch"])
    # cells of the same name that come from different experiments are different cells
    assert joined.n_obs == 10 + 20 + 20
    assert joined.obs_names[10] == others.obs_names[0]
    assert joined.obs_names[30] == f"atac1:{others.obs_names[0]}"
    assert (rows_of_modality(joined, "rna") >= 0).sum() == 30
    assert (rows_of_modality(joined, "atac")[:10] >= 0).all()
    assert (rows_of_modality(joined, "atac")[10:30] < 0).all()
    assert joined["rna"].var_names.equals(mdata["rna"].var_names)
    for key in ("rna", "atac"):
        assert (joined[key].X != mdata[key].X).nnz == 0
        assert sparse.issparse(joined[key].X)
        assert list(joined[key].var.columns) == list(mdata[key].var.columns)
    wanted = np.concatenate([mdata.obs["batch"], others.obs["batch"]]).astype(str)
    assert joined.obs["batch"].astype(str).tolist() == wanted.tolist()


def test_inputs_stay(mdata):
    paired, rna = mdata[:10].copy(), mdata["rna"][5:].copy()
    names = rna.obs_names.copy()
    joined = pp.join_single_assay(paired, rna=rna)
    assert joined.n_obs == 35
    assert rna.obs_names.equals(names)
    joined["rna"].X.data[:] = 9
    assert (paired["rna"].X != mdata["rna"][:10].X).nnz == 0
    assert (rna.X != mdata["rna"][5:].X).nnz == 0


def test_peaks_may_be_written_otherwise(mdata):
    atac = mdata["atac"][:5, ::-1].copy()
    atac.var_names = atac.var_names.str.replace(":", "-")
    joined = pp.join_single_assay(mdata, atac=atac)
    assert joined["atac"].var_names.equals(mdata["atac"].var_names)
    assert (joined["atac"].X[-5:] != mdata["atac"].X[:5]).nnz == 0


def test_nothing_to_join(mdata):
    assert pp.join_single_assay(mdata).shape == mdata.shape


def _of_types(adata):
    adata = adata.copy()
    adata.var["feature_types"] = ["Antibody Capture", *["Gene Expression"] * (adata.n_vars - 1)]
    return adata


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"atac": lambda m: m["atac"][:, :15].copy()}, "lacks 5 of the 20.*pp.repool_peaks"),
        ({"rna": lambda m: m["rna"][:, :11].copy()}, "lacks 1 of the 12.*pp.align_features"),
        ({"rna": lambda m: m["rna"][:0].copy()}, "rna1 has no cells"),
        ({"rna": lambda m: _of_types(m["rna"])}, r"rna1 takes rna, but 1 of 12 .*\['Antibody"),
        ({"rna": lambda m: m["rna"][[0, 0]].copy()}, "appears twice in rna1"),
        ({"rna": lambda m: [m["rna"].X]}, "rna1 must be an AnnData"),
        ({"protein": lambda m: m["rna"].copy()}, "no protein modality"),
        ({"rna": lambda m: m["rna"].copy(), "obs_keys": lambda m: ["lane"]}, "no column 'lane'"),
    ],
)
@pytest.mark.filterwarnings("ignore:Observation names are not unique")
def test_refusals(mdata, change, match):
    arguments = {name: make(mdata) for name, make in change.items()}
    with pytest.raises(ValueError, match=match):
        pp.join_single_assay(mdata, **arguments)


def test_refuses_what_is_no_mudata(mdata):
    with pytest.raises(ValueError, match="must be a MuData"):
        pp.join_single_assay(mdata["rna"], rna=mdata["rna"])


def test_modalities_of_unknown_kind_stay(mdata):
    hashtags = mdata["rna"][5:10, :3].copy()
    paired = MuData({"hto": hashtags, "atac": mdata["atac"][:10].copy(), "rna": mdata["rna"][:10]})
    joined = pp.join_single_assay(paired, rna=mdata["rna"][10:].copy())
    assert set(joined.mod) == {"rna", "atac", "hto"}
    assert joined.n_obs == 30
    assert joined["hto"].obs_names.equals(hashtags.obs_names)
    assert (joined["hto"].X != hashtags.X).nnz == 0
    assert joined["hto"] is not paired["hto"]


def test_measures_of_cells_stay_numbers(mdata):
    joined = pp.join_single_assay(
        mdata[:10].copy(), rna=mdata["rna"][10:].copy(), obs_keys=["true_depth", "cell_type"]
    )
    wanted = mdata["rna"].obs["true_depth"].reindex(joined.obs_names)
    pd.testing.assert_series_equal(joined.obs["true_depth"], wanted, check_names=False)
    assert joined.obs["cell_type"].dtype == "category"
