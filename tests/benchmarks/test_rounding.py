"""Zeros in predictions: what a bound does to the scores, and the report."""

from __future__ import annotations

import pandas as pd
import pytest

from benchmarks import rounding
from benchmarks._accuracy_table import Table
from benchmarks._folds import RESULTS


@pytest.fixture(scope="module")
def table():
    models = {name: rounding.MODELS[name] for name in ("Ridge", "Mean")}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rounding, "MODELS", models)
        return pd.DataFrame(rounding.measure("bmmc_multiome", 0, None))


def test_zeros_raise_spearmans_correlation_and_lower_pearsons(table):
    mean = table[table["model"] == "Mean"].set_index("zero_below")
    assert mean["zeros"].is_monotonic_increasing
    assert mean["zeros"].iloc[0] < mean["measured_zeros"].iloc[0]
    assert mean.loc[0.2, "spearman_cell"] > mean.loc[0.0, "spearman_cell"]
    assert mean.loc[0.2, "pearson_cell"] < mean.loc[0.0, "pearson_cell"]


def test_report_has_a_row_for_each_model_and_bound_and_those_of_the_table(table):
    others = rounding.published(table, Table(RESULTS / "accuracy.csv").read())
    assert set(others["fold"]) == {0}
    lines = rounding.markdown(table.assign(machine="m"), others).splitlines()
    rows = [line for line in lines if line.startswith("| ") and "spearman" not in line]
    assert len([line for line in rows if line.startswith(("| Mean", "| Ridge"))]) == 10
    assert len([line for line in rows if "as it comes" in line]) == len(rounding.PUBLISHED)
    assert "## bmmc_multiome: atac -> rna" in "\n".join(lines)
