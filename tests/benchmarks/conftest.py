"""Rows of the accuracy table to report on."""

from __future__ import annotations

import pandas as pd
import pytest

from benchmarks._accuracy_jobs import KEY, Job


@pytest.fixture
def rows():
    """Return a function that makes rows: of each model, one score a fold, ATAC to RNA."""

    def made(**scores):
        """Return rows of the table: of each model, one score a fold, ATAC to RNA."""
        return pd.DataFrame(
            [
                dict(zip(KEY, Job("cortex_2k", "cell", fold, model).keys()[1], strict=True))
                | {"pearson_gene": value, "rmse": 1 - value, "n_train": 10, "n_cells": 4}
                | {"n_source_features": 3, "n_features": 2, "fit_cpu_seconds": 1.0}
                | {"fit_seconds": 1.0, "fit_peak_rss_mb": 5.0, "ami": value}
                | {"options": "", "error": "", "versions": "", "machine": "m", "commit": "c"}
                for model, values in scores.items()
                for fold, value in enumerate(values)
            ]
        )

    return made
