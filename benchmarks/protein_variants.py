"""How proteins are best modelled: weight, dropout, and counts instead of centred log-ratios.

Each variant of Butterfly is trained on the training cells of a fold and scored on its validation
cells, so that test cells decide nothing. ``nb`` models protein counts as negative binomial around
the cell's own total, as RNA is; its prediction is the CLR of the expected ln(1 + count).
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

import scvi_xmodal as xm
from benchmarks._machine import describe
from scvi_xmodal.data import Split
from scvi_xmodal.model import _butterfly
from scvi_xmodal.module._likelihoods import LIKELIHOODS, NegativeBinomial

if TYPE_CHECKING:
    import torch
    from mudata import MuData

    from scvi_xmodal.module import Blend

RESULTS = Path(__file__).with_name("results")
VARIANTS: dict[str, dict[str, Any]] = {
    "default: Gaussian, weight 2, decoder's dropout .1": {},
    "decoder's dropout .3": {"protein": {"max_decoder_dropout": 0.3}},
    "decoder's dropout .6, as RNA's": {"protein": {"max_decoder_dropout": 0.6}},
    "weight 1": {"loss_weight": {"protein": 1.0}},
    "weight 5": {"loss_weight": {"protein": 5.0}},
    "weight 10": {"loss_weight": {"protein": 10.0}},
    "dropout .3 of all but that": {"dropout_rate": 0.3},
    "nb, weight 1": {"loss_weight": {"protein": 1.0}, "protein": {"likelihood": "protein_nb"}},
    "nb, weight 2": {"protein": {"likelihood": "protein_nb"}},
}
"""Keywords of Butterfly, and under ``protein`` settings that no argument of it asks for."""
SCORES = {
    "rna -> protein": ["pearson_protein", "pearson_cell", "spearman_protein"],
    "protein -> rna": ["pearson_gene", "pearson_cell"],
}


class ProteinNegativeBinomial(NegativeBinomial):
    """Protein counts around the cell's own total; ``X`` is CLR, as for every protein."""

    def predict(
        self,
        hidden: torch.Tensor,
        total: torch.Tensor | None = None,
        *,
        blend: Blend | None = None,
    ) -> dict[str, torch.Tensor]:
        """Return centred expected log1p counts."""
        logged = super().predict(hidden, total, blend=blend)["X"]
        return {"X": logged - logged.mean(dim=1, keepdim=True)}


def main(arguments: list[str] | None = None) -> None:
    """Measure what the table lacks, then write ``protein_variants.csv`` and ``.md``."""
    options = _parser().parse_args(arguments)
    options.out.mkdir(parents=True, exist_ok=True)
    path = options.out / "protein_variants.csv"
    table = pd.read_csv(path) if path.exists() else pd.DataFrame(columns=["fold", "variant"])
    done = set(zip(table["fold"], table["variant"], strict=True))
    for fold in options.folds:
        for variant in options.variants:
            if (fold, variant) in done:
                continue
            rows = measure(xm.datasets.bmmc_citeseq(), fold, VARIANTS[variant], options.max_epochs)
            about = {"fold": fold, "variant": variant, **describe()}
            table = pd.concat([table, pd.DataFrame(rows).assign(**about)])
            table.to_csv(path, index=False)
            print(fold, variant, rows, flush=True)
    (options.out / "protein_variants.md").write_text(markdown(table))


def measure(
    mdata: MuData, fold: int, variant: dict[str, Any], max_epochs: int
) -> list[dict[str, Any]]:
    """Train a variant and score both directions on the validation cells."""
    import scvi

    split = xm.pp.split(mdata, by="cell", n_folds=5, fold=fold, seed=0)
    mdata = xm.pp.select_features(mdata, n_top_genes=3000, indices=split.train)
    scvi.settings.seed = 0
    xm.model.Butterfly.setup_mudata(mdata)
    init = dict(variant)
    model = _with_settings(mdata, init.pop("protein", {}), init)
    started = time.process_time()
    fitted = Split(split.train, split.validation, split.test)
    model.train(max_epochs, split=fitted, enable_progress_bar=False, accelerator="cpu")
    cost = {"cpu_seconds": time.process_time() - started}
    rows = []
    for source, target in (("rna", "protein"), ("protein", "rna")):
        query, truth = (mdata[key][split.validation].copy() for key in (source, target))
        out = model.translate(query, source=source, target=target)
        scores = xm.metrics.evaluate_translation({"own": out}, truth).loc["own"]
        way = f"{source} -> {target}"
        rows.append({"way": way, **cost, **{name: scores[name] for name in SCORES[way]}})
    return rows


def _with_settings(mdata: MuData, settings: dict[str, Any], init: dict[str, Any]) -> Any:
    """Return a model whose proteins have other settings."""
    from scvi_xmodal.model._presets import PRESETS

    LIKELIHOODS["protein_nb"] = ProteinNegativeBinomial  # type: ignore[index]
    preset = PRESETS["default"]
    protein = replace(preset.settings["protein"], **settings)
    _butterfly.PRESETS["default"] = replace(
        preset, settings={**preset.settings, "protein": protein}
    )
    try:
        return xm.model.Butterfly(mdata, **init)
    finally:
        _butterfly.PRESETS["default"] = preset


def markdown(table: pd.DataFrame) -> str:
    """Return both directions' tables: means over folds, and differences from the default."""
    last = table.iloc[-1]
    lines = [
        "# Models of proteins",
        "",
        str(__doc__).split("\n", 2)[2].strip(),
        "",
        f"Bone marrow CITE-seq. Written by `{last['command']}`, never by hand. {last['date']}, "
        f"commit {last['commit']}. {last['machine']}. Means over the folds; in brackets what is "
        "gained over the default, fold by fold.",
    ]
    for way, names in SCORES.items():
        own = table[table["way"] == way]
        lines += ["", f"## {way}", "", "| variant | folds | " + " | ".join(names) + " |"]
        lines.append("|" + " --- |" * (len(names) + 2))
        base = own[own["variant"] == next(iter(VARIANTS))].set_index("fold")
        for variant, part in own.groupby("variant", sort=False):
            part = part.set_index("fold")
            cells = [_cell(part[name], base[name]) for name in names]
            lines.append(f"| {variant} | {part.index.tolist()} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _cell(own: pd.Series, base: pd.Series) -> str:
    gains = ", ".join(f"{gain:+.3f}" for gain in (own - base).dropna()) if own is not base else ""
    return f"{np.mean(own):.4f} ({gains})"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m benchmarks.protein_variants", description=__doc__)
    parser.add_argument("--folds", nargs="+", type=int, default=[0, 1])
    parser.add_argument("--variants", nargs="+", choices=VARIANTS, default=list(VARIANTS))
    parser.add_argument("--max-epochs", type=int, default=200, help="of the integrative phase")
    parser.add_argument("--out", type=Path, default=RESULTS)
    return parser


if __name__ == "__main__":
    main()
