"""Translate a file on many processes or machines."""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from scvi_xmodal._arguments import check_arguments
from scvi_xmodal._layers import layer_names
from scvi_xmodal.data import TranslationWriter, open_backed

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
        Further keywords of the model's ``translate``.

    Returns
    -------
    The path of the output, as ``translate(out=...)`` writes it.

    Raises
    ------
    ValueError
        If the output does not end in ``.zarr`` or exists, or the query does not fit the model.
    """
    check_arguments(locals())
    import dask

    if Path(out).suffix != ".zarr":
        raise ValueError(f"out={str(out)!r} must end in .zarr: workers write to it side by side.")
    # The first cell tells what comes out, and every mistake, before work is given away.
    task = _Task(str(model_dir), str(store), source, target, tuple(sorted(options.items())))
    first = task.translate(np.array([0]))
    n_obs = open_backed(store).n_obs
    with TranslationWriter(out, (n_obs, first.n_vars), rows_per_chunk=rows_per_task) as writer:
        writer.create(_matrices(first))
        path = str(writer.aside)
        starts = range(0, n_obs, rows_per_task)
        tasks = [
            dask.delayed(task.write)(path, start, min(start + rows_per_task, n_obs))
            for start in starts
        ]
        compute = dask.compute if client is None else client.compute
        parts = compute(*tasks) if client is None else client.gather(compute(tasks))
        obs = _annotation(store, source)
        if "predicted_depth" in first.obs:
            obs = obs.assign(predicted_depth=np.concatenate(parts))
        writer.finish(obs=obs, var=first.var, record=first.uns["scvi_xmodal"])
    return Path(out)


class _Task:
    """What a worker needs to know; small enough to send."""

    def __init__(
        self, model_dir: str, store: str, source: str, target: str, options: tuple[Any, ...]
    ):
        self.model_dir = model_dir
        self.store = store
        self.source = source
        self.target = target
        self.options = options

    def translate(self, rows: NDArray[np.int64]) -> AnnData:
        model = _load(self.model_dir, os.getpid())
        return model.translate(
            self.store,
            source=self.source,
            target=self.target,
            indices=rows,
            **dict(self.options),
        )

    def write(self, path: str, start: int, stop: int) -> NDArray[np.float32] | None:
        """Translate rows, write them, and return their predicted depth if there is one."""
        import zarr

        result = self.translate(np.arange(start, stop))
        group = zarr.open_group(path, mode="r+")
        for name, values in _matrices(result).items():
            group[name if name == "X" else f"layers/{name}"][start:stop] = values
        predicted = result.obs.get("predicted_depth")
        return None if predicted is None else predicted.to_numpy()


def _matrices(adata: AnnData) -> dict[str, Any]:
    return {"X": adata.X, **{name: adata.layers[name] for name in layer_names(adata)}}


@lru_cache(maxsize=2)
def _load(model_dir: str, process: int) -> Any:
    """Load a model once in each process."""
    import scvi_xmodal.model
    from scvi_xmodal.model import read_manifest

    name = read_manifest(model_dir)["model"]
    return getattr(scvi_xmodal.model, name).load(model_dir, adata=False, accelerator="cpu")


def _annotation(store: str | Path, source: str) -> Any:
    opened = open_backed(store)
    modality = getattr(opened, "mod", {}).get(source)
    return (opened if modality is None else modality).obs.copy()
