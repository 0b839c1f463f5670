from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from anndata import AnnData
from scipy import sparse

from scvi_xmodal import pp

if TYPE_CHECKING:
    from collections.abc import Callable

    from mudata import MuData

    from scvi_xmodal.data import Split


def parts(split: Split) -> tuple[list[int], list[int], list[int]]:
    return split.train.tolist(), split.validation.tolist(), split.test.tolist()


def cells(n: int) -> AnnData:
    return AnnData(sparse.csr_matrix((n, 1), dtype=np.float32))


def labelled(labels: list[Any], key: str = "cell_type") -> AnnData:
    adata = cells(len(labels))
    adata.obs[key] = labels
    return adata


@pytest.mark.parametrize("dtype", ["Int64", "float", "object"])
def test_numbers_are_excluded_by_number_where_cells_lack_labels(dtype: str) -> None:
    adata = labelled([1, 2, 3, 4, None, 1])
    adata.obs["cell_type"] = adata.obs["cell_type"].astype(dtype)
    split = pp.split(adata, by="cell_type", exclude=[1, None])
    assert sorted(sum(parts(split), [])) == [1, 2, 3]


def test_excluded_labels_stand_in_no_part() -> None:
    types = ["a", "b", "c", "d", "Mis", None, "a", np.nan]
    split = pp.split(labelled(types), by="cell_type", exclude=["Mis", None])
    assert sorted(sum(parts(split), [])) == [0, 1, 2, 3, 6]
    with pytest.raises(ValueError, match=r"2 of 8 cells have no label.*exclude=\[None\]"):
        pp.split(labelled(types), by="cell_type", exclude=["Mis"])
    with pytest.raises(ValueError, match=r"exclude names \['mis'\]"):
        pp.split(labelled(types), by="cell_type", exclude=["mis", None])
    with pytest.raises(ValueError, match=r"exclude=\['Mis'\]"):
        pp.split(labelled(types), by="cell_type", exclude="Mis")


def test_labels_are_found_in_modalities(mdata: MuData) -> None:
    assert list(mdata.obs) == []
    expected = parts(pp.split(mdata["rna"], by="cell_type"))
    assert parts(pp.split(mdata, by="cell_type")) == expected
    assert parts(pp.split(mdata, by="cell_type", key="atac:cell_type")) == expected
    mdata.obs["cell_type"] = mdata["rna"].obs["cell_type"].to_numpy()
    mdata["atac"].obs["cell_type"] = "old"
    assert parts(pp.split(mdata, by="cell_type")) == expected  # mdata.obs comes first


def test_labels_pulled_by_old_mudata_are_found(mdata: MuData) -> None:
    expected = parts(pp.split(mdata, by="batch"))
    for adata in mdata.mod.values():
        batch = adata.obs.pop("batch")
    mdata.obs["rna:batch"] = batch.to_numpy()
    assert parts(pp.split(mdata, by="batch")) == expected
    assert parts(pp.split(mdata, by="batch", key="rna:batch")) == expected


def test_modalities_must_agree_on_labels(mdata: MuData) -> None:
    mdata["atac"].obs["batch"] = ["three", *mdata["atac"].obs["batch"].iloc[1:]]
    with pytest.raises(ValueError, match="disagree on .*'cell0': 'one' and 'three'"):
        pp.split(mdata, by="batch")
    assert pp.split(mdata, by="batch", key="rna:batch").test.size == 20


def test_modalities_complete_each_others_labels(
    mdata: MuData, join: Callable[[Any], MuData]
) -> None:
    mosaic = join({"rna": mdata["rna"][:25].copy(), "atac": mdata["atac"][15:][::-1].copy()})
    split = pp.split(mosaic, by="batch")
    batch = mdata["rna"].obs["batch"]
    assert split.train.size + split.validation.size + split.test.size == 40
    assert batch[mosaic.obs_names[split.test]].nunique() == 1


def test_numbers_and_categories_are_labels_too() -> None:
    adata = labelled([1, 2, 3, 1, 2, 3], "batch")
    expected = parts(pp.split(adata, by="batch"))
    adata.obs["batch"] = adata.obs["batch"].astype(str).astype("category")
    assert parts(pp.split(adata, by="batch")) == expected
