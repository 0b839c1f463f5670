"""A translation's parts, on arrays: what was asked for, checked, and put together."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from lightning.pytorch.utilities import move_data_to_device
from tqdm import tqdm

from scvi_xmodal._arguments import shown
from scvi_xmodal._callers import level_of_user

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import torch
    from numpy.typing import NDArray

    from scvi_xmodal.data import Query
    from scvi_xmodal.model._intervals import Interval
    from scvi_xmodal.module import ModalitySpec


@dataclass(frozen=True, eq=False)
class Request:
    """A translation that has been checked and is ready to run."""

    query: Query
    source: str | tuple[str, ...]
    target: str
    columns: NDArray[np.int64]
    batch: NDArray[np.int64] | None
    depth: str
    totals: NDArray[np.float32] | None
    rows_at_a_time: int
    progress: bool = False
    interval: Interval | None = None
    network: dict[str, Any] = field(default_factory=dict)

    def row_blocks(self) -> Iterator[slice]:
        with tqdm(
            total=self.query.n_obs, disable=not self.progress, desc="Translating", unit="cell"
        ) as bar:
            for start in range(0, self.query.n_obs, self.rows_at_a_time):
                stop = min(start + self.rows_at_a_time, self.query.n_obs)
                yield slice(start, stop)
                bar.update(stop - start)


def to_device(rows: Any, device: torch.device) -> Any:
    """Move sparse rows to a device, or those of several modalities."""
    if isinstance(rows, dict):
        return move_data_to_device(rows, device)
    return rows._replace(
        values=rows.values.to(device),
        columns=rows.columns.to(device),
        offsets=rows.offsets.to(device),
    )


def stacked(
    blocks: Iterator[dict[str, NDArray[np.float32]]], n_rows: int
) -> dict[str, NDArray[np.float32]]:
    """Stack blocks of rows into arrays made once, so that no row is held twice."""
    whole: dict[str, NDArray[np.float32]] = {}
    start = 0
    for block in blocks:
        for name, values in block.items():
            if name not in whole:
                whole[name] = np.empty((n_rows, *values.shape[1:]), dtype=values.dtype)
            whole[name][start : start + len(values)] = values
        start += len(values)
    return whole


def chosen_columns(spec: ModalitySpec, features: Sequence[str] | None) -> NDArray[np.int64]:
    if features is None:
        return np.arange(spec.n_features)
    names = [features] if isinstance(features, str) else list(features)
    twice = {shown(name) for name in names if not isinstance(name, str) or names.count(name) > 1}
    if twice:
        raise ValueError(f"features must be names, each once; got {sorted(twice)[:3]}.")
    columns = pd.Index(spec.feature_names).get_indexer(pd.Index(names, dtype=object))
    if (columns < 0).any():
        unknown = [name for name, column in zip(names, columns, strict=True) if column < 0]
        raise ValueError(
            f"{len(unknown)} of the features asked for are not among the model's {spec.key!r} "
            f"features, such as {unknown[:3]}."
        )
    return columns


def check_batch_size(batch_size: int | None) -> None:
    if batch_size is not None and batch_size < 1:
        raise ValueError(f"batch_size must be at least 1, got {batch_size}.")


def given_totals(depth: Any, n_obs: int) -> NDArray[np.float32] | None:
    if isinstance(depth, str):
        if depth not in ("median", "predicted"):
            raise ValueError(
                f"depth={depth!r} is unknown; it is 'median', 'predicted', or an array."
            )
        return None
    try:
        # a copy: torch takes no read-only arrays, as columns of pandas 3 are
        totals = np.array(depth, dtype=np.float32)
    except (TypeError, ValueError):
        totals = np.empty(0, dtype=np.float32)
    if totals.shape != (n_obs,) or not np.isfinite(totals).all() or (totals <= 0).any():
        raise ValueError(
            f"depth must hold one positive total for each of the {n_obs} cells, got shape "
            f"{totals.shape}."
        )
    return totals


def count_empty(rows: Any) -> int:
    """Return how many rows hold no count; of several modalities each row has one."""
    return 0 if isinstance(rows, dict) else int((rows.row_sums() == 0).sum())


def warn_of_empty(n_empty: int, request: Request) -> None:
    if n_empty:
        warnings.warn(
            f"{n_empty} of {request.query.n_obs} cells have no count in {request.source!r}: their "
            "translation is that of an average cell and says nothing of them. Leave them out, "
            "such as by scanpy.pp.filter_cells(query, min_counts=1).",
            UserWarning,
            stacklevel=level_of_user(),
        )


def with_depth(obs: pd.DataFrame, predicted: NDArray[np.float32] | None) -> pd.DataFrame:
    return obs if predicted is None else obs.assign(predicted_depth=predicted)
