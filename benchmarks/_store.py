"""An .h5mu file of any number of cells, written by blocks of rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import h5py
import numpy as np
import pandas as pd
from anndata import AnnData
from mudata import MuData
from scipy import sparse

from benchmarks.simulate import MODALITIES, Size, blocks, cell_types, chromosomes, peak_names
from scvi_xmodal.datasets._mudata import own_columns_only

if TYPE_CHECKING:
    from pathlib import Path

CHUNK = 1 << 16


def write_h5mu(size: Size, path: Path) -> Path:
    """Write simulated cells, never holding more than a block of them.

    The frame of the file, with empty matrices, is written by mudata; the counts are then
    appended to its CSR arrays.

    Parameters
    ----------
    size
        What to simulate.
    path
        File to write.

    Returns
    -------
    The path.
    """
    obs = pd.DataFrame(
        {"cell_type": pd.Categorical(cell_types(size).astype(str))},
        index=np.char.add("cell", np.arange(size.n_cells).astype(str)).astype(object),
    )
    atac = pd.DataFrame({"chrom": chromosomes(size)}, index=peak_names(size))
    rna = pd.DataFrame(index=[f"gene{i}" for i in range(size.n_genes)])
    frames = {"rna": rna, "atac": atac}
    empty = {
        m: AnnData(
            sparse.csr_matrix((size.n_cells, len(var)), dtype=np.float32), obs=obs[[]], var=var
        )
        for m, var in frames.items()
    }
    with own_columns_only():
        mdata = MuData(empty)
        mdata.obs["cell_type"] = obs["cell_type"]
        mdata.write_h5mu(path)
    with h5py.File(path, "r+") as file:
        for modality in MODALITIES:
            _fill(file[f"mod/{modality}/X"], size, modality)
    return path


def _fill(group: h5py.Group, size: Size, modality: str) -> None:
    density = size.density if modality == "atac" else size.rna_density
    expected = size.n_cells * size.n_features(modality) * density
    # one type for indices and indptr, as scipy has it; with room for more than is expected
    index = np.int32 if 1.5 * expected < np.iinfo(np.int32).max else np.int64
    for name, dtype in (("data", np.float32), ("indices", index)):
        attributes = dict(group[name].attrs)
        del group[name]
        group.create_dataset(name, shape=(0,), maxshape=(None,), chunks=(CHUNK,), dtype=dtype)
        group[name].attrs.update(attributes)
    counts = [np.zeros(1, dtype=np.int64)]
    for block in blocks(size, modality):
        start = group["data"].shape[0]
        for name in ("data", "indices"):
            group[name].resize((start + block.nnz,))
            group[name][start:] = getattr(block, name)
        counts.append(np.diff(block.indptr))
    attributes = dict(group["indptr"].attrs)
    del group["indptr"]
    group["indptr"] = np.cumsum(np.concatenate(counts)).astype(index)
    group["indptr"].attrs.update(attributes)
