"""Zeros in predictions: what a bound does to the scores, and the report."""

from __future__ import annotations

import pandas as pd
import pytest

from benchmarks import rounding


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


def test_report_has_a_row_for_each_model_and_bound(table):
    text = rounding.markdown(table.assign(machine="m"))
    assert len([line for line in text.splitlines() if line.startswith("| bmmc")]) == 10
    assert "| bmmc_multiome | Mean | 0.200 |" in text
