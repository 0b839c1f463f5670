"""RNA of one batch of mouse cortex, ATAC of another: what is lost without measured pairs.

SNARE-seq cortex (Chen, Lake & Zhang 2019), three batches. RNA of the first and ATAC of the second
train, paired at random within cell types (``Butterfly.from_unpaired``); the third, in which both
were measured, tests. Once with all types, once without a third of them (every third by size), on
which translation is then scored. Beside it the same model trained on the measured pairs of the
first batch, and Ridge on either's pairs. Cells called "Mis" have no type and are left out.
"""

from __future__ import annotations

import argparse
import os
import time
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import mudata
import numpy as np
import pandas as pd
from mudata import MuData

import scvi_xmodal as xm
from benchmarks._machine import describe
from scvi_xmodal.data import Split
from scvi_xmodal.datasets._mudata import own_columns_only
from scvi_xmodal.model._presets import PRESETS

if TYPE_CHECKING:
    from numpy.typing import NDArray

RESULTS = Path(__file__).with_name("results")
LONGEST = PRESETS["default"].max_epochs
FILE = "cortex_snareseq_3batches.h5mu"
SCORES = {
    ("atac", "rna"): ["pearson_gene", "pearson_cell", "ami"],
    ("rna", "atac"): ["auroc_peak", "auroc_cell", "ami"],
}
NAMES = {"rna": "RNA", "atac": "ATAC"}
LEFT_OUT = {"all types": False, "two thirds of the types": True}


@dataclass(frozen=True, eq=False)
class Cells:
    """Cortex cells, and which of them do what.

    Parameters
    ----------
    mdata
        Paired cells.
    rows
        Rows of the batches whose RNA trains, whose ATAC trains, and that test.
    """

    mdata: MuData
    rows: tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]


def main(arguments: list[str] | None = None) -> None:
    """Measure, then write ``unpaired.csv`` and ``.md``."""
    options = _parser().parse_args(arguments)
    if options.data_dir is None:
        raise SystemExit("Say where the data lie: --data-dir FOLDER, or SCVI_XMODAL_DATA.")
    options.out.mkdir(parents=True, exist_ok=True)
    with own_columns_only():
        whole = mudata.read_h5mu(options.data_dir / FILE)
    tables = []
    for name, leave_out in LEFT_OUT.items():
        rows = measure(whole, leave_out, options)
        tables.append(pd.DataFrame(rows).assign(trained_on=name, **describe()))
        print(tables[-1].iloc[:, :8].to_string(index=False), flush=True)
        pd.concat(tables).to_csv(options.out / "unpaired.csv", index=False)
    (options.out / "unpaired.md").write_text(markdown(pd.concat(tables)))


def measure(whole: MuData, leave_out: bool, options: argparse.Namespace) -> list[dict[str, Any]]:
    """Train on unpaired and on paired cells, and score both on the third batch."""
    cells = chosen(whole, leave_out, options.min_peak_fraction)
    first, second, test = cells.rows
    parts = {"rna": cells.mdata["rna"][first].copy(), "atac": cells.mdata["atac"][second].copy()}
    started = time.process_time()
    model, pairs = _unpaired(parts, options)
    costs = {"Butterfly, unpaired": time.process_time() - started}
    own = cells.mdata[first].copy()
    started = time.process_time()
    paired = _paired(own, options)
    costs["Butterfly, paired"] = time.process_time() - started
    translators = {
        "Butterfly, unpaired": model,
        "Butterfly, paired": paired,
        "Ridge, unpaired": xm.baselines.Ridge().fit(_as_paired(parts, pairs)),
        "Ridge, paired": xm.baselines.Ridge().fit(own),
        "Mean": xm.baselines.Mean().fit(own),
    }
    rows = []
    for source, target in SCORES:
        query, truth = (cells.mdata[key][test].copy() for key in (source, target))
        scored, profiles = {}, {}
        for name, translator in translators.items():
            profiles[name] = translator.translate(query, source=source, target=target)
            deep = target == "atac" and name.startswith("Butterfly")
            depth = {"depth": "predicted"} if deep else {}
            scored[name] = translator.translate(query, source=source, target=target, **depth)
        table = xm.metrics.evaluate_translation(
            scored,
            truth,
            reference=cells.mdata[target][first],
            labels_key="cell_type",
            clustering=profiles,
        )
        for name in translators:
            about = {"model": name, "source": source, "target": target}
            scores = {score: table.loc[name, score] for score in SCORES[source, target]}
            cost = {"cpu_seconds": costs.get(name, float("nan"))}
            rows.append({**about, **scores, **cost, "n_test": test.size})
    return rows


def chosen(whole: MuData, leave_out: bool, min_peak_fraction: float) -> Cells:
    """Choose cells and, by those that train, features."""
    obs = whole["rna"].obs
    batches = sorted(obs["batch"].unique())
    types = obs["cell_type"].astype(str)
    order = types[types != "Mis"].value_counts().index
    unseen = types.isin(order[2::3]).to_numpy()
    known = (types != "Mis").to_numpy()
    may_train = known & ~unseen if leave_out else known
    rows = [np.flatnonzero(may_train & (obs["batch"] == b).to_numpy()) for b in batches[:2]]
    may_test = unseen if leave_out else known
    rows.append(np.flatnonzero(may_test & (obs["batch"] == batches[2]).to_numpy()))
    mdata = xm.pp.select_features(
        whole,
        n_top_genes=3000,
        min_peak_fraction=min_peak_fraction,
        indices=np.concatenate(rows[:2]),
    )
    return Cells(mdata, tuple(rows))  # type: ignore[arg-type]


def _unpaired(parts: dict[str, Any], options: argparse.Namespace) -> tuple[Any, Any]:
    import scvi

    scvi.settings.seed = 0
    model = xm.model.Butterfly.from_unpaired(parts["rna"], parts["atac"], "cell_type")
    split = _split(model.adata.n_obs)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*single training cell")
        pairs, validation = (
            xm.pairing.unpaired(model.adata, None, "cell_type", indices=rows)
            for rows in (split.train, split.validation)
        )
    model.train(
        options.max_epochs,
        split=split,
        pairs=pairs,
        validation_pairs=validation,
        enable_progress_bar=False,
        accelerator="cpu",
    )
    return model, pairs


def _paired(mdata: MuData, options: argparse.Namespace) -> Any:
    import scvi

    scvi.settings.seed = 0
    xm.model.Butterfly.setup_mudata(mdata)
    model = xm.model.Butterfly(mdata)
    split = _split(mdata.n_obs)
    model.train(options.max_epochs, split=split, enable_progress_bar=False, accelerator="cpu")
    return model


def _split(n_obs: int) -> Split:
    rows = np.random.default_rng(0).permutation(n_obs)
    return Split(rows[n_obs // 5 :], rows[: n_obs // 5])


def _as_paired(parts: dict[str, Any], pairs: Any) -> MuData:
    """Return drawn pairs as if they were measured, for models that know no others."""
    drawn = {}
    for key, adata in parts.items():
        drawn[key] = adata[pairs.rows[key]].copy()
        drawn[key].obs_names = [f"pair_{i}" for i in range(len(pairs))]
    with own_columns_only():
        return MuData(drawn)


def markdown(table: pd.DataFrame) -> str:
    """Return a table for each direction and choice of types."""
    last = table.iloc[-1]
    lines = [
        "# Unpaired cells",
        "",
        str(__doc__).split("\n", 2)[2].strip(),
        "",
        f"Written by `{last['command']}`, never by hand. {last['date']}, commit {last['commit']}. "
        f"{last['machine']}. One seed.",
    ]
    groups = table.groupby(["trained_on", "source", "target"], sort=False)
    for (trained_on, source, target), own in groups:
        names = SCORES[source, target]
        tested = "all types" if trained_on == "all types" else "the types left out"
        title = f"{NAMES[source]} -> {NAMES[target]}, trained on {trained_on}"
        lines += ["", f"## {title}", "", f"Tested on {own['n_test'].iloc[0]} cells of {tested}."]
        lines += ["", "| model | " + " | ".join(names) + " |", "|" + " --- |" * (len(names) + 1)]
        for _, row in own.iterrows():
            cells = [f"{row[name]:.3f}" for name in names]
            lines.append(f"| {row['model']} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m benchmarks.unpaired", description=__doc__)
    parser.add_argument("--max-epochs", type=int, default=LONGEST, help="of the integrative phase")
    parser.add_argument("--min-peak-fraction", type=float, default=0.005)
    folder = os.environ.get("SCVI_XMODAL_DATA")
    parser.add_argument("--data-dir", type=Path, default=Path(folder) if folder else None)
    parser.add_argument("--out", type=Path, default=RESULTS)
    return parser


if __name__ == "__main__":
    main()
