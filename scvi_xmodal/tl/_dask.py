"""Translate a file on many processes or machines."""

from __future__ import annotations

import os
from contextlib import nullcontext
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import numpy as np
from scvi import settings

from scvi_xmodal._arguments import check_arguments
from scvi_xmodal._layers import layer_names
from scvi_xmodal.data import Query, TranslationWriter
from scvi_xmodal.model._several import one_or_several

if TYPE_CHECKING:
    from anndata import AnnData
    from numpy.typing import NDArray


def translate_dask(
    model_dir: str | Path,
    store: str | Path,
    out: str | Path,
    *,
    source: str,
    target: str,
    client: Any = None,
    rows_per_task: int = 4096,
    **options: Any,
) -> Path:
    """Translate a file by blocks of rows on Dask workers.

    Each worker loads the model once, opens the file by itself, and writes its rows into the
    output; only row numbers travel. Model, file and output must be readable by all workers.

    Parameters
    ----------
    model_dir
        Directory of a saved model.
    store
        File to translate: ``.h5ad``, ``.h5mu`` or ``.zarr``.
    out
        Output to write, ending in ``.zarr`` (several processes cannot write one ``.h5ad``).
    source, target
        Modalities.
    client
        :class:`distributed.Client` of a running cluster; by default the threads of this
        process do the work.
    rows_per_task
        Cells of each task.
    **options
        Further keywords of the model's ``translate``, but for ``indices``.

    Returns
    -------
    The path of the output, as ``translate(out=...)`` writes it.

    Raises
    ------
    ValueError
        If the output does not end in ``.zarr`` or exists, or the query does not fit the model.
    """
    check_arguments(locals())
    if Path(out).suffix != ".zarr":
        raise ValueError(f"out={str(out)!r} must end in .zarr: workers write to it side by side.")
    task = _Task(model_dir, store, source, target, options)
    try:
        _translate(task, Path(out), client, rows_per_task)
    finally:
        # or the file stays open, and could not be written to
        _cells.cache_clear()
        _load.cache_clear()
    return Path(out)


def _translate(task: _Task, out: Path, client: Any, rows_per_task: int) -> None:
    """Give the cells away by blocks, and put down what they are."""
    import dask

    # The first cell tells what comes out, and every mistake, before work is given away.
    cells = task.cells()
    n_obs = cells.n_obs
    first = task.translate(0, 1)
    shape = (n_obs, first.n_vars)
    with TranslationWriter(
        out, shape, obs=cells.obs, var=first.var, rows_per_chunk=rows_per_task
    ) as writer:
        writer.create(_matrices(first))
        path = str(writer.aside)
        starts = range(0, n_obs, rows_per_task)
        tasks = [
            dask.delayed(task.write)(path, start, min(start + rows_per_task, n_obs))
            for start in starts
        ]
        compute = dask.compute if client is None else client.compute
        parts = compute(*tasks) if client is None else client.gather(compute(tasks))
        obs = cells.obs
        if "predicted_depth" in first.obs:
            obs = obs.assign(predicted_depth=np.concatenate(parts))
        record = first.uns["scvi_xmodal"]
        if cells.pool is not None:
            record = {**record, "repool": cells.pool.report.record()}
        writer.finish(obs=obs, var=first.var, record=record)


_DRAWING = Lock()
"""Held by the thread that draws."""


class _Task:
    """What a worker needs to know; small enough to send."""

    def __init__(
        self,
        model_dir: str | Path,
        store: str | Path,
        source: Any,
        target: str,
        options: dict[str, Any],
    ):
        options = dict(options)
        for name, is_given in (
            ("indices", options.get("indices") is not None),
            ("depth", not isinstance(options.get("depth", ""), str)),
        ):
            if is_given:
                raise ValueError(
                    f"{name}= cannot be split over workers: all cells of a file are translated, "
                    "at the median or predicted depth. Use model.translate."
                )
        # what is drawn for quantiles is drawn with it, and workers have none of their own
        self.seed = settings.seed
        self.model_dir = str(model_dir)
        # what is kept of this call serves no other: model and file may be written anew
        self.call = uuid4().hex
        self.store = str(store)
        self.source = one_or_several(source)
        self.target = target
        self.layer = options.pop("layer", None)
        self.repool = bool(options.pop("repool", False))
        self.options = options

    def cells(self) -> Query:
        """Return the cells that the model finds in the file, as every worker finds them."""
        return _cells(
            self.model_dir, self.call, self.store, self.source, self.layer, self.repool, _here()
        )

    def translate(self, start: int, stop: int) -> AnnData:
        """Translate some of the cells."""
        if settings.seed != self.seed:
            settings.seed = self.seed
        cells = self.cells()
        part = Query(
            _RowsOf(cells.reader, start, stop),  # type: ignore[arg-type]
            cells.obs.iloc[start:stop],
            spec=cells.spec,
        )
        model = _load(self.model_dir, self.call, _here())
        # one at a time: Pyro, which Polarbear draws by, keeps its handlers for all threads at once
        with _DRAWING if "n_samples" in self.options else nullcontext():
            return model.translate(part, source=self.source, target=self.target, **self.options)

    def write(self, path: str, start: int, stop: int) -> NDArray[np.float32] | None:
        """Translate rows, write them, and return their predicted depth if there is one."""
        import zarr

        result = self.translate(start, stop)
        group = zarr.open_group(path, mode="r+")
        for name, values in _matrices(result).items():
            group[name if name == "X" else f"layers/{name}"][start:stop] = values
        predicted = result.obs.get("predicted_depth")
        return None if predicted is None else predicted.to_numpy()


class _RowsOf:
    """Some neighbouring rows of a reader."""

    def __init__(self, reader: Any, start: int, stop: int):
        self.reader, self.start, self.n_rows = reader, start, stop - start

    def sparse_rows(self, rows: slice) -> Any:
        start, stop, _ = rows.indices(self.n_rows)
        return self.reader.sparse_rows(slice(self.start + start, self.start + stop))


def _matrices(adata: AnnData) -> dict[str, Any]:
    return {"X": adata.X, **{name: adata.layers[name] for name in layer_names(adata)}}


def _here() -> int:
    # a cache must not travel into a forked process with its open files
    return os.getpid()


@lru_cache(maxsize=1)
def _load(model_dir: str, call: str, process: int) -> Any:
    """Load a model once in each process."""
    import scvi_xmodal.model
    from scvi_xmodal.model import read_manifest

    name = read_manifest(model_dir)["model"]
    return getattr(scvi_xmodal.model, name).load(model_dir, adata=False, accelerator="cpu")


@lru_cache(maxsize=1)
def _cells(
    model_dir: str, call: str, store: str, source: Any, layer: Any, repool: bool, process: int
) -> Query:
    """Find the cells of a file once in each process; their counts stay on disk."""
    return _load(model_dir, call, process)._query(store, source, layer, None, repool=repool)
