"""Cells that lack modalities: what they add, and paths that no cell was measured on.

Three experiments, ``--parts simulated wnn bmmc``:

- **simulated**: RNA, ATAC and protein of cells with a known truth. Trained once on cells that have
  all three, once on a mosaic (RNA of all cells, ATAC of one half, protein of the other, so that no
  cell has ATAC and protein), every path and combination of sources is scored on test cells.
- **wnn**: PBMC CITE-seq of four batches, one with RNA only, one with protein only, two with both
  (Hao et al. 2021). A part of the paired cells trains, with and without the cells that lack a
  modality; paired cells that nobody trained on test.
- **bmmc**: bone marrow, Multiome and CITE-seq of different cells, which share genes. One model of
  both translates the Multiome's ATAC into proteins. No cell has both, so means of cell types are
  compared with those of the CITE-seq cells, each protein's mean over types taken off; beside the
  chain ATAC -> RNA -> protein inside the model, and across two models of one experiment each.

Scores are mean Pearson correlations per feature of test cells, on the scale of ``translate``.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from benchmarks._machine import describe
from benchmarks._mosaic_parts import bmmc, simulated, wnn
from benchmarks._mosaic_report import draw, markdown
from scvi_xmodal.model._presets import PRESETS

if TYPE_CHECKING:
    from collections.abc import Callable

RESULTS = Path(__file__).with_name("results")
LONGEST = PRESETS["default"].max_epochs
PARTS: dict[str, Callable[..., list[dict]]] = {"simulated": simulated, "wnn": wnn, "bmmc": bmmc}


def main(arguments: list[str] | None = None) -> None:
    """Measure what the table lacks, then write ``mosaic.csv``, ``.md`` and ``.png``."""
    options = _parser().parse_args(arguments)
    options.out.mkdir(parents=True, exist_ok=True)
    path = options.out / "mosaic.csv"
    table = pd.read_csv(path) if path.exists() else pd.DataFrame(columns=["part", "seed"])
    done = set(zip(table["part"], table["seed"], strict=True))
    for seed in options.seeds:
        for part in options.parts:
            if (part, seed) in done or options.report:
                continue
            rows = PARTS[part](seed, data_dir=options.data_dir, max_epochs=options.max_epochs)
            about = {"part": part, "seed": seed, "max_epochs": options.max_epochs, **describe()}
            table = pd.concat([table, pd.DataFrame(rows).assign(**about)])
            table.to_csv(path, index=False)
            print(pd.DataFrame(rows).to_string(index=False), flush=True)
    (options.out / "mosaic.md").write_text(markdown(table, str(__doc__)))
    draw(table, options.out / "mosaic.png")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m benchmarks.mosaic", description=__doc__)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--max-epochs", type=int, default=LONGEST, help="of the integrative phase")
    parser.add_argument("--report", action="store_true", help="only write the report anew")
    folder = os.environ.get("SCVI_XMODAL_DATA")
    parser.add_argument("--data-dir", type=Path, default=Path(folder) if folder else None)
    parser.add_argument("--out", type=Path, default=RESULTS)
    return parser


if __name__ == "__main__":
    main()
