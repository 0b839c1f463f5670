"""Does memory stay flat over many translations by two threads, and is what is done with released?

Two threads share one model and translate queries of all sizes, with intervals, familiarity,
latents and files among them. Then models are set up, trained and dropped.
"""

from __future__ import annotations

import argparse
import gc
import tempfile
import threading
import time
import warnings
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import scvi_xmodal as xm
from benchmarks._machine import describe
from benchmarks._probe import memory

RESULTS = Path(__file__).with_name("results")
N_CELLS, N_GENES, N_PEAKS = 600, 300, 1500


def main(arguments: list[str] | None = None) -> None:
    """Translate, train, and write ``soak.csv`` and ``soak.md``."""
    options = _parser().parse_args(arguments)
    options.out.mkdir(parents=True, exist_ok=True)
    found = {**translate_often(options.calls), **train_often(options.models)}
    row = {**found, **describe()}
    pd.DataFrame([row]).to_csv(options.out / f"{options.name}.csv", index=False)
    text = markdown(row)
    (options.out / f"{options.name}.md").write_text(text)
    print(text)


def translate_often(n_calls: int, *, n_threads: int = 2) -> dict[str, Any]:
    """Return memory before and after, queries still alive, and wrong answers.

    Parameters
    ----------
    n_calls
        Translations in all.
    n_threads
        Threads that share the model.
    """
    mdata = _simulated()
    model = _trained(mdata)
    expected = {key: model.translate(mdata, source=key, target=key).X for key in ("rna", "atac")}
    work = _Work(model, mdata, expected)
    _run(work, max(4, n_calls // 10), n_threads)  # caches, arenas and lazy imports fill
    before, begin = _resident(), time.perf_counter()
    managers = _n_managers()
    _run(work, n_calls, n_threads)
    seconds = time.perf_counter() - begin
    after = _resident()
    return {
        "calls": n_calls,
        "threads": n_threads,
        "seconds": round(seconds, 1),
        "rss_before_mb": round(before / 1e6, 1),
        "growth_mb": round((after - before) / 1e6, 1),
        "queries_alive": sum(query() is not None for query in work.queries),
        "managers_more": _n_managers() - managers,
        "wrong": work.wrong,
        "errors": len(work.errors),
    }


def train_often(n_models: int) -> dict[str, Any]:
    """Return how many models and data are alive after they were trained and dropped."""
    alive: list[Any] = []
    first = 0
    for number in range(n_models):
        mdata = _simulated()
        model = _trained(mdata)
        alive += [weakref.ref(model), weakref.ref(mdata)]
        del model, mdata
        if number == min(2, n_models - 1):
            first = _resident()
    growth = _resident() - first
    return {
        "models": n_models,
        "models_and_data_alive": sum(own() is not None for own in alive),
        "growth_training_mb": round(growth / 1e6, 1),
    }


class _Work:
    """What threads do, and what they found."""

    def __init__(self, model: Any, mdata: Any, expected: dict[str, Any]):
        self.model, self.mdata, self.expected = model, mdata, expected
        self.queries: list[Any] = []
        self.wrong = 0
        self.errors: list[BaseException] = []

    def once(self, rng: np.random.Generator, folder: str) -> None:
        """Translate a random query somehow and compare it with what came out before."""
        source, target = rng.permutation(["rna", "atac"])
        rows = np.sort(rng.choice(self.mdata.n_obs, rng.integers(1, 200), replace=False))
        query = self.mdata[str(source)][rows].copy()
        self.queries.append(weakref.ref(query))
        same = self.model.translate(query, source=str(source), target=str(source)).X
        if not np.allclose(same, self.expected[str(source)][rows], rtol=1e-4, atol=1e-5):
            self.wrong += 1
        kind = rng.integers(4)
        if kind == 0:
            options = {"quantiles": (0.05, 0.95), "n_samples": 4}
            self.model.translate(query, source=source, target=target, **options)
        elif kind == 1:
            out = Path(folder) / f"{threading.get_ident()}.h5ad"
            self.model.translate(query, source=source, target=target, out=out).unlink()
        elif kind == 2:
            self.model.familiarity(query, source=source)
        else:
            self.model.get_latent_representation(query, modality=source)


def _run(work: _Work, n_calls: int, n_threads: int) -> None:
    def loop(seed: int) -> None:
        rng = np.random.default_rng(seed)
        for _ in range(n_calls // n_threads):
            try:
                work.once(rng, folder)
            except Exception as error:  # noqa: BLE001  # counted, and shown by the report
                work.errors.append(error)

    with tempfile.TemporaryDirectory() as folder:
        threads = [threading.Thread(target=loop, args=(seed,)) for seed in range(n_threads)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()


def _simulated() -> Any:
    return xm.datasets.synthetic(
        n_cells=N_CELLS, n_genes=N_GENES, n_peaks=N_PEAKS, atac_density=0.1, rna_depth=500
    )


def _trained(mdata: Any) -> Any:
    xm.model.Butterfly.setup_mudata(mdata)
    model = xm.model.Butterfly(mdata, n_latent=8)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.train(1, pretrain_epochs=1, enable_progress_bar=False)
    return model


def _n_managers() -> int:
    model = xm.model.Butterfly
    per_model = model._per_instance_manager_store.values()
    return len(model._setup_adata_manager_store) + sum(map(len, per_model))


def _resident() -> int:
    gc.collect()  # models, whose end lets go of their data,
    gc.collect()  # and the data
    return memory("VmRSS")


def markdown(row: dict[str, Any]) -> str:
    """Return the report."""
    share = row["growth_mb"] / row["rss_before_mb"]
    return (
        f"{row['calls']} calls by {row['threads']} threads on one model in {row['seconds']} s: "
        f"resident memory {row['rss_before_mb']:.0f} MB before, {row['growth_mb']:+.1f} MB "
        f"({share:+.1%}) after; {row['wrong']} of them answered otherwise than alone, "
        f"{row['errors']} failed, {row['queries_alive']} queries were still alive and "
        f"{row['managers_more']} data managers were added.\n\n"
        f"{row['models']} models set up, trained and dropped: {row['models_and_data_alive']} "
        f"models or data still alive, {row['growth_training_mb']:+.1f} MB since the third.\n\n"
        f"`{row['command']}`; {row['date']}, commit {row['commit']}, {row['machine']}.\n"
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m benchmarks.soak", description=__doc__)
    parser.add_argument("--calls", type=int, default=2000)
    parser.add_argument("--models", type=int, default=20)
    parser.add_argument("--name", default="soak", help="of the files")
    parser.add_argument("--out", type=Path, default=RESULTS)
    return parser


if __name__ == "__main__":
    main()
