"""The benchmarks of mosaics and of unpaired cells: what is trained on, and the reports."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from benchmarks import _mosaic_report, mosaic, protein_variants, unpaired
from benchmarks._mosaic_parts import joined_experiments
from benchmarks.babel import shared_genes

ABOUT = {"command": "c", "date": "d", "commit": "e", "machine": "m", "max_epochs": 1}


def test_joined_experiments_lack_what_they_lack():
    multiome, cite = shared_genes()
    joined = joined_experiments(multiome, cite)
    assert joined.n_obs == multiome.n_obs + cite.n_obs == joined["rna"].n_obs
    assert joined["rna"].var_names.equals(multiome["rna"].var_names)
    first = cite["rna"].obs_names[0]
    found, expected = (part["rna"][first].X.toarray() for part in (joined, cite))
    np.testing.assert_array_equal(found, expected)
    assert not joined["protein"].obs_names.isin(multiome.obs_names).any()


def test_the_mosaic_report_has_every_way_once(tmp_path):
    rows = [
        {"training": training, "way": way, "score": 0.5, "part": "bmmc", "seed": seed, **ABOUT}
        for training in ("mosaic", "two models")
        for way in ("atac -> protein", "atac -> rna -> protein")
        for seed in (0, 1)
        if (training, way) != ("two models", "atac -> protein")
    ]
    table = pd.DataFrame(rows)
    text = _mosaic_report.markdown(table, mosaic.__doc__)
    assert "| atac -> protein | 0.500 +- 0.000 |  |" in text
    assert "| atac -> rna -> protein | 0.500 +- 0.000 | 0.500 +- 0.000 |" in text
    _mosaic_report.draw(table, tmp_path / "mosaic.png")
    assert (tmp_path / "mosaic.png").stat().st_size > 1000


def test_types_left_out_train_nothing(synthetic_mdata):
    mdata = synthetic_mdata.copy()
    for adata in mdata.mod.values():
        adata.obs["batch"] = np.repeat(["a", "b", "c"], 100)
    cells = unpaired.chosen(mdata, True, 0.005)
    types = cells.mdata["rna"].obs["cell_type"].astype(str).to_numpy()
    first, second, test = (set(types[rows]) for rows in cells.rows)
    assert not (first | second) & test
    assert len(test) == 1
    batches = cells.mdata["rna"].obs["batch"].to_numpy()
    assert [set(batches[rows]) for rows in cells.rows] == [{"a"}, {"b"}, {"c"}]


def test_variants_are_compared_with_the_default_fold_by_fold():
    names = list(protein_variants.VARIANTS)[:2]
    rows = [
        {"fold": fold, "variant": name, "way": way, **ABOUT, **dict.fromkeys(scores, value)}
        for name, value in zip(names, (0.5, 0.25), strict=True)
        for fold in (0, 1)
        for way, scores in protein_variants.SCORES.items()
    ]
    text = protein_variants.markdown(pd.DataFrame(rows))
    assert "0.2500 (-0.250, -0.250)" in text


@pytest.mark.parametrize("part", mosaic.PARTS)
def test_every_part_has_a_title(part):
    assert part in _mosaic_report.TITLES
    assert part in _mosaic_report.SCORES
