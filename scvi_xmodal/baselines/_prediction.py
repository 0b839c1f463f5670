"""What a fitted baseline predicts, some rows at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from scvi_xmodal.data import TranslationWriter, translation
from scvi_xmodal.data._translation import stacked

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    import pandas as pd
    from anndata import AnnData
    from numpy.typing import NDArray
    from scipy import sparse

    from scvi_xmodal._constants import Kind
    from scvi_xmodal.baselines._profiles import Values
    from scvi_xmodal.baselines._training import Modality
    from scvi_xmodal.data import Query

    Encoder: TypeAlias = Callable[[sparse.csr_matrix], Values]
    Predictor: TypeAlias = Callable[[Values], NDArray[np.float64]]

_BLOCK_VALUES = 1 << 24
_BLOCK_CELLS = 4096


def predicted_blocks(
    cells: Query,
    encode: Encoder,
    predict: Predictor,
    target: Modality,
    columns: NDArray[np.int64],
) -> Iterator[dict[str, NDArray[np.float32]]]:
    """Yield ``"X"`` and further layers of some rows at a time, so that little else is dense.

    Parameters
    ----------
    cells
        The query.
    encode
        What turns counts of the source into inputs.
    predict
        What turns inputs into profiles of the target.
    target
        The target's training modality.
    columns
        Its features to return.
    """
    kind, library = target.spec.kind, target.statistics.median_library
    # a block's distances to the training cells must fit as well as its output
    widest = max(target.spec.n_features, target.statistics.n_cells)
    size = min(max(_BLOCK_VALUES // widest, 1), _BLOCK_CELLS)
    for block in cells.reader.blocks(size=size):
        values = _to_valid_range(predict(encode(block)), kind).astype(np.float32)
        layers = {"X": values}
        if kind == "rna":
            layers["mean"] = expected_counts(values, library)
        yield {name: layer[:, columns] for name, layer in layers.items()}


def gathered(
    blocks: Iterator[dict[str, NDArray[np.float32]]],
    obs: pd.DataFrame,
    var: pd.DataFrame,
    record: Mapping[str, Any],
    out: str | Path | None,
) -> AnnData | Path:
    """Put the blocks together, or write them one after another and return the path."""
    if out is None:
        return translation(stacked(blocks, len(obs)), obs=obs, var=var, record=record)
    with TranslationWriter(out, (len(obs), len(var)), obs=obs, var=var) as writer:
        for block in blocks:
            writer.append(block)
        writer.finish(obs=obs, var=var, record=record)
    return writer.path


def expected_counts(values: Values, library: float) -> NDArray[np.float32]:
    """Return counts of shape (n_cells, n_genes) that add up to a library size in every cell.

    The exponential of a mean of logarithms is below the mean, so each cell is scaled up.
    """
    counts = np.expm1(np.maximum(values, 0))
    sums = counts.sum(axis=1, keepdims=True, dtype=np.float64)
    return (counts * (library / np.maximum(sums, 1e-12))).astype(np.float32)


def _to_valid_range(values: NDArray[np.float64], kind: Kind) -> NDArray[np.float64]:
    """Clip probabilities to [0, 1] and log1p expression to 0 and above."""
    if kind == "protein":
        return values
    return np.clip(values, 0.0, 1.0 if kind == "atac" else None)
