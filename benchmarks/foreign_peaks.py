"""Peaks of another assembly and experiment, mapped onto peak sets that a model may have."""

from __future__ import annotations

import argparse
import os
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import mudata
import numpy as np
import pandas as pd

import scvi_xmodal as xm
from benchmarks._machine import describe
from scvi_xmodal.datasets._mudata import own_columns_only

if TYPE_CHECKING:
    from anndata import AnnData

RESULTS = Path(__file__).with_name("results")
SOURCE = "scicar_a549_dex_900.h5mu"
TARGETS = {"10x PBMC 10k": "multiome_pbmc10k_40cells.h5mu", "H1": "snareseq_h1.h5mu"}
CHAIN = "annotation/hg19ToHg38.over.chain.gz"

_TEXT = """# Peaks of another assembly on a model's peaks

{n_cells} A549 cells (sci-CAR) with {n_peaks:,} peaks called on hg19 are lifted to hg38 by
`pp.liftover` and mapped onto two hg38 peak sets by `pp.repool_peaks`, as
`translate(..., repool=True)` does before it translates. The rows "as they are" show what becomes
of the peaks if nobody lifts them.

{lifting}

{table}

- **Used** are A549's peaks that share a base with a target peak; the others are dropped.
- **Covered** are target peaks that share a base with one of A549's. All others count as closed in
  every cell, so a model trained on the target's peaks sees these cells through that share of them;
  the warning of `translate` gives the number.
- **Open in a cell** is the median number of open peaks in a cell; the last column is the rank
  correlation, over cells, of that number before and after.

{about}
"""


@dataclass(frozen=True)
class Run:
    """What became of the cells on one target."""

    target: str
    lifted: bool
    pooled: AnnData
    source: AnnData

    def row(self) -> dict[str, object]:
        """Return the row of the report's table."""
        report = self.pooled.uns["repool_peaks"]
        before, after = (np.diff(a.X.tocsr().indptr) for a in (self.source, self.pooled))
        used, covered = report["n_used"], report["n_covered"]
        correlation = pd.Series(before).corr(pd.Series(after), method="spearman")
        return {
            "target peaks": f"{self.target} ({report['n_target']:,})",
            "A549 peaks": "lifted to hg38" if self.lifted else "as they are, hg19",
            "used of A549's": f"{used:,} ({used / report['n_source']:.1%})",
            "covered of the target's": f"{covered:,} ({report['coverage']:.1%})",
            "open in a cell, before": f"{np.median(before):.0f}",
            "after": f"{np.median(after):.0f}",
            "rank correlation": f"{correlation:.3f}",
        }


def main(arguments: list[str] | None = None) -> None:
    """Lift, re-pool, and write ``foreign_peaks.md``."""
    options = _parser().parse_args(arguments)
    if options.data_dir is None:
        raise SystemExit("Say where the data lie: --data-dir FOLDER, or SCVI_XMODAL_DATA.")
    source = _read(options.source or options.data_dir / SOURCE)
    targets = {name: options.data_dir / file for name, file in TARGETS.items()}
    chain = options.chain or options.data_dir / CHAIN
    with warnings.catch_warnings():
        # the report says the same
        warnings.filterwarnings("ignore", message=".*(target peaks|could not be lifted)")
        text = report(source, {name: _read(path) for name, path in targets.items()}, chain)
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "foreign_peaks.md").write_text(text)
    print(text)


def report(source: AnnData, targets: dict[str, AnnData], chain: Path) -> str:
    """Return the report as Markdown.

    Parameters
    ----------
    source
        Cells with hg19 peaks.
    targets
        Data with hg38 peaks, by name.
    chain
        Chain file from hg19 to hg38.
    """
    lifted = xm.pp.liftover(source, chain)
    runs = [
        Run(name, cells is lifted, xm.pp.repool_peaks(cells, target.var), cells)
        for name, target in targets.items()
        for cells in (source, lifted)
    ]
    table = pd.DataFrame([run.row() for run in runs])
    return _TEXT.format(
        n_cells=source.n_obs,
        n_peaks=source.n_vars,
        lifting=_lifting(lifted),
        table=_markdown(table),
        about="; ".join(f"{key}: {value}" for key, value in describe().items()),
    )


def _lifting(lifted: AnnData) -> str:
    found = xm.pp.LiftoverReport(**lifted.uns["liftover"])
    return (
        f"Of {found.n_peaks:,} peaks {found.n_lifted:,} ({found.n_lifted / found.n_peaks:.2%}) "
        f"are lifted; {found.n_unmapped} have no place in hg38, {found.n_resized} change their "
        f"length by more than a fifth, {found.n_repeated} land on another's place, "
        f"and {found.n_moved} are kept on another chromosome."
    )


def _markdown(table: pd.DataFrame) -> str:
    lines = [table.columns, ["---"] * table.shape[1], *table.to_numpy(dtype=object)]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def _read(path: Path) -> AnnData:
    with own_columns_only():
        return mudata.read_h5mu(path)["atac"]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m benchmarks.foreign_peaks", description=__doc__)
    folder = os.environ.get("SCVI_XMODAL_DATA")
    parser.add_argument("--data-dir", type=Path, default=Path(folder) if folder else None)
    parser.add_argument("--source", type=Path, help="another .h5mu with hg19 peaks")
    parser.add_argument("--chain", type=Path, help="chain file, by default among the data")
    parser.add_argument("--out", type=Path, default=RESULTS)
    return parser


if __name__ == "__main__":
    main()
