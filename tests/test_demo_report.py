import re
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from scvi_xmodal._demo_report import meaning, report

RNA = ["pearson_gene", "pearson_cell", "pearson_flat", "rmse"]
ATAC = ["auroc_peak", "ap_peak", "auroc_cell", "auroc_flat"]
MODELS = ["Butterfly", "Ridge", "DepthOnly", "measured"]


@pytest.fixture
def scores():
    tables = {}
    for number, (direction, columns) in enumerate(
        {"ATAC -> RNA": RNA, "RNA -> ATAC": ATAC}.items()
    ):
        values = np.random.default_rng(number).random((len(MODELS), 7))
        table = pd.DataFrame(values, MODELS, [*columns, "ari", "ami", "nmi"])
        table.loc["measured", columns] = np.nan
        tables[direction] = table.assign(n_cells=400)
    return pd.concat(tables, names=["direction", "prediction"])


def test_report_shows_every_score_in_100_columns(scores, capsys):
    report(scores, [Path("x/umap.png")], model="Butterfly", started=time.perf_counter() - 5)
    printed = capsys.readouterr().out
    assert max(map(len, printed.splitlines())) <= 100
    for direction, columns in (("ATAC -> RNA", RNA), ("RNA -> ATAC", ATAC)):
        block = printed.split(f"{direction}, 400 held-out cells\n")[1].split("\n\n")[0]
        header, *rows = block.splitlines()
        assert header.split() == [*columns, "ari", "ami", "nmi"]
        assert [row.split()[0] for row in rows] == MODELS
        for row in rows:
            name, *values = row.split()
            expected = scores.loc[(direction, name), [*columns, "ari", "ami", "nmi"]]
            assert values == ["-" if np.isnan(v) else f"{v:.3f}" for v in expected]
    assert "x/umap.png\n" in printed
    assert re.search(r"wall time 5 s, peak memory \d\.\d\d GB\n$", printed)


def test_meaning_names_the_best_baseline_also_where_it_wins(scores):
    scores["pearson_gene"] = [0.1, 0.2, -0.3, np.nan] + [np.nan] * 4
    scores["auroc_peak"] = [np.nan] * 4 + [0.7, 0.5, 0.6, np.nan]
    said = meaning(scores, model="Butterfly")
    assert "gene by gene with a mean Pearson of 0.100 (best baseline: Ridge, 0.200)" in said
    assert "peak by peak with a mean AUROC of 0.700 (best baseline: DepthOnly, 0.600)" in said
