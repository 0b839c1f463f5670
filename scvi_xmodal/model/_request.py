"""A translation's parts, on arrays: what was asked for, checked, and put together."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from lightning.pytorch.utilities import move_data_to_device
from tqdm import tqdm

from scvi_xmodal._arguments import check_order, shown
from scvi_xmodal._callers import level_of_user

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd
    import torch
    from numpy.typing import NDArray

    from scvi_xmodal.data import Query
    from scvi_xmodal.model._intervals import Interval


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


def check_batch_size(batch_size: int | None) -> None:
    if batch_size is not None and batch_size < 1:
        raise ValueError(f"batch_size must be at least 1, got {batch_size}.")


def given_totals(depth: Any, names: pd.Index) -> NDArray[np.float32] | None:
    n_obs = len(names)
    if isinstance(depth, str):
        if depth not in ("median", "predicted"):
            raise ValueError(
                f"depth={depth!r} is unknown; it is 'median', 'predicted', or an array."
            )
        return None
    wanted = f"depth must hold one positive total for each of the {n_obs} cells"
    try:
        # a copy: torch takes no read-only arrays, as columns of pandas 3 are
        totals = np.array(depth, dtype=np.float32)
    except (TypeError, ValueError):
        raise ValueError(f"{wanted}, got {shown(depth)}.") from None
    if totals.ndim == 0:
        mend = f": np.full({n_obs}, {depth})." if totals > 0 else "."
        raise ValueError(f"{wanted}, got {shown(depth)}{mend}")
    if totals.shape != (n_obs,):
        raise ValueError(f"{wanted}, got shape {totals.shape}.")
    check_order(depth, names, "depth")
    bad = ~(np.isfinite(totals) & (totals > 0))
    if bad.any():
        raise ValueError(f"{wanted}, got {totals[bad][0]:g} for {bad.sum()} of them.")
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
