"""Which cells validate: rows beside those of the accuracy table."""

from __future__ import annotations

import pandas as pd
import pytest

from benchmarks.validating import ONE, SCORES, SEVERAL, WHOLE, differences, main, markdown, whole

PLACE = {"data": "cortex_2k", "split": "batch", "source": "atac", "target": "rna"}


def _rows(model, values):
    scores = [dict.fromkeys(SCORES["rna"], value) for value in values]
    return pd.DataFrame(
        [{**PLACE, "fold": n, "model": model, **own} for n, own in enumerate(scores)]
    )


def test_rows_of_the_same_folds_stand_beside():
    table = pd.concat([_rows(ONE, [0.4, 0.3]), _rows(SEVERAL, [0.5, 0.6])])
    table = table.assign(command="c", date="d", commit="e", machine="m")
    accuracy = pd.concat(
        [_rows(name, [0.1, 0.2, 0.9]) for name in (*WHOLE, "ridge")], ignore_index=True
    ).assign(variant="default", train_fraction=1.0, seed=0)
    other = accuracy.assign(variant="wide", pearson_gene=9.0)
    others = whole(table, pd.concat([accuracy, other]))
    assert set(others["model"]) == set(WHOLE.values())
    assert set(others["fold"]) == {0, 1}
    (row,) = differences(pd.concat([table, others])).to_dict("records")
    assert row["where"] == "cortex_2k, by batch: ATAC -> RNA"
    assert (row["per feature"], row["per feature: folds won"]) == ("+0.200 +- 0.141", "2 of 2")
    text = markdown(table, others)
    assert f"| {ONE} | 2 | 0.350 | 0.350 |" in text
    assert f"| {WHOLE['butterfly']} | 2 | 0.150 |" in text


def test_unknown_data_are_refused_before_work(capsys):
    with pytest.raises(SystemExit):
        main(["--data", "pbmc"])
    assert "invalid choice: 'pbmc' (choose from 'cortex_2k'" in capsys.readouterr().err
