"""Clusters of translated cells: variance explained, against an independent R2."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from scipy import sparse
from sklearn.linear_model import LinearRegression

from benchmarks.clustering import (
    best_places,
    describe_clusters,
    explained,
    markdown,
    measured_values,
)

SPLITS = ("cell", "cell_type", "batch")


def test_explained_is_the_adjusted_r2_of_a_regression_on_the_groups():
    rng = np.random.default_rng(0)
    groups = rng.integers(4, size=60)
    values = rng.normal(size=(60, 5)) + groups[:, None] * rng.normal(size=5)
    design = np.eye(4)[groups]
    shares = [
        LinearRegression(fit_intercept=False).fit(design, one).score(design, one)
        for one in values.T
    ]
    expected = 1 - (1 - np.mean(shares)) * (60 - 1) / (60 - 4)
    assert explained(values, groups) == pytest.approx(expected)
    constant = np.column_stack([values, np.ones(60)])
    assert explained(constant, groups) == pytest.approx(expected)


def test_groups_by_chance_explain_nothing_however_many():
    rng = np.random.default_rng(0)
    values = rng.normal(size=(300, 200))
    for n_groups in (2, 30):
        assert abs(explained(values, rng.integers(n_groups, size=300))) < 0.005
    assert np.isnan(explained(values[:5], np.arange(5)))


def test_measured_values_of_each_kind():
    counts = sparse.csr_matrix([[0, 1, 3], [2, 2, 0], [0, 0, 0]])
    np.testing.assert_array_equal(
        measured_values(counts, "atac"), [[0, 1, 1], [1, 1, 0], [0, 0, 0]]
    )
    rna = measured_values(counts, "rna")
    np.testing.assert_allclose(np.expm1(rna), [[0, 2500, 7500], [5000, 5000, 0], [0, 0, 0]])
    np.testing.assert_allclose(measured_values(counts, "protein").mean(axis=1), 0, atol=1e-12)


def test_report_names_places_and_both_measures():
    rng = np.random.default_rng(0)
    labels = np.repeat(["B", "T"], 30)
    rate = np.where(labels[:, None] == "B", [1.0, 20, 5], [20.0, 1, 5])
    obs = pd.DataFrame({"cell_type": labels}, index=[f"cell {i}" for i in range(60)])
    truth = AnnData(sparse.csr_matrix(rng.poisson(rate)), obs=obs)
    found = describe_clusters(np.log1p(rate) + rng.normal(0, 0.01, rate.shape), truth, "rna")
    assert found["labels"] == 2
    assert found["explained"] == pytest.approx(found["labels_explained"], abs=0.05)
    about = {"data": "cortex_2k", "split": "batch", "fold": 0, "source": "atac", "target": "rna"}
    about |= {"command": "c", "date": "d", "commit": "e", "machine": "m"}
    names = ("Butterfly", "KNN")
    table = pd.DataFrame(
        [{**about, "split": split, "model": name, **found} for split in SPLITS for name in names]
    )
    text = markdown(table)
    assert "## cortex_2k, by batch: ATAC -> RNA" in text
    assert "by cell, agree best with the labels in 1 of 1 directions and explain most in 1" in text
    worse = table.assign(explained=np.where(table["model"] == "KNN", 0.9, 0.1))
    assert "by batch, agree best with the labels in 1 of 1 directions and explain most in 0" in (
        best_places(worse)
    )
    assert f"explain {found['labels_explained']:.3f}." in text
    assert "| where | AMI, Butterfly | AMI, KNN | explained, Butterfly | explained, KNN |" in text
