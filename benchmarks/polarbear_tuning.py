"""What Polarbear's defaults were chosen among, on validation cells.

Fold 0 by cell of the bundled bone marrow and cortex cells, prepared as in
``benchmarks.polarbear``: a quarter of the training cells keeps its pairs, the others go in twice,
as RNA-only and as ATAC-only cells. Every variant is scored on all pairs of the fold's validation
cells, of which it saw a quarter as pairs to stop by; test cells decide nothing. A run that was
stopped goes on where it was.
"""

from __future__ import annotations

import argparse
import warnings
from pathlib import Path
from typing import Any

import pandas as pd
import scvi
import torch

import scvi_xmodal as xm
from benchmarks._accuracy_data import load, prepare
from benchmarks._accuracy_jobs import Job
from benchmarks._accuracy_ours import QUIET
from benchmarks._machine import describe
from benchmarks._tables import as_markdown
from benchmarks.polarbear import with_pairs

RESULTS = Path(__file__).with_name("results")
VARIANTS: dict[str, dict[str, Any]] = {
    "dropout .1, as published": {"init": {"dropout_rate": 0.1}},
    "dropout .4": {"init": {"dropout_rate": 0.4}},
    "dropout .6": {"init": {"dropout_rate": 0.6}},
    "dropout .4, KL weight .02": {
        "init": {"dropout_rate": 0.4},
        "plan": {"max_kl_weight": 0.02},
    },
}
FRACTION = 0.25
SCORES = {"rna": ["pearson_gene", "pearson_flat"], "atac": ["auroc_peak", "auroc_flat"]}


def main(arguments: list[str] | None = None) -> None:
    """Measure what the table lacks, then write ``polarbear_tuning.csv`` and ``.md``."""
    options = _parser().parse_args(arguments)
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore")
    path = options.out / "polarbear_tuning.csv"
    table = pd.read_csv(path) if path.exists() else pd.DataFrame(columns=["data", "variant"])
    for data in ("bmmc_multiome", "cortex_2k"):
        for variant, choices in VARIANTS.items():
            if not ((table["data"] == data) & (table["variant"] == variant)).any():
                row = {"data": data, "variant": variant, **measure(data, choices), **describe()}
                table = pd.concat([table, pd.DataFrame([row])])
                table.to_csv(path, index=False)
    (options.out / "polarbear_tuning.md").write_text(markdown(table))


def measure(data: str, choices: dict[str, Any]) -> dict[str, float]:
    """Train a variant and score both directions on the validation cells."""
    task, _ = prepare(load(data, None), Job(data, "cell", 0, "polarbear"))
    validation = task.training[task.split.validation]
    own = with_pairs(task, FRACTION, 0, others=True)
    scvi.settings.seed = 0
    xm.model.Polarbear.setup_mudata(own.training)
    model = xm.model.Polarbear(own.training, **choices["init"])
    model.train(split=own.split, plan_kwargs=choices.get("plan"), **QUIET)
    found = {}
    for source, target in (("atac", "rna"), ("rna", "atac")):
        query, truth = validation[source].copy(), validation[target].copy()
        depth = "predicted" if target == "atac" else "median"
        out = model.translate(query, source=source, target=target, depth=depth)
        scores = xm.metrics.evaluate_translation({"own": out}, truth, kind=target).loc["own"]
        found |= {name: float(scores[name]) for name in SCORES[target]}
    return found


def markdown(table: pd.DataFrame) -> str:
    """Return one table of both sets."""
    last = table.iloc[-1]
    names = [name for own in SCORES.values() for name in own]
    return "\n".join(
        [
            "# What Polarbear's defaults were chosen among",
            "",
            str(__doc__).split("\n", 2)[2].strip(),
            "",
            f"Written by `{last['command']}`, never by hand. {last['date']}, commit "
            f"{last['commit']}. {last['machine']}.",
            "",
            as_markdown(table[["data", "variant", *names]]),
            "",
        ]
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--out", type=Path, default=RESULTS)
    return parser


if __name__ == "__main__":
    main()
