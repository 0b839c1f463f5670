from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from benchmarks import _babel_report, babel
from scvi_xmodal.model import Babel


@pytest.fixture(scope="module")
def proteins():
    """A model trained for a moment, and the sets that it and its head are from."""
    multiome, cite = babel.shared_genes()
    with pytest.warns(UserWarning, match="no counts at all"):
        Babel.setup_mudata(multiome)
    model = Babel(multiome)
    model.train(1, enable_progress_bar=False)
    model.train_protein_head(cite, plan_kwargs={"max_epochs": 1})
    return model, multiome, cite


def test_the_sets_share_their_genes_in_one_order(proteins):
    _, multiome, cite = proteins
    assert multiome["rna"].var_names.equals(cite["rna"].var_names)


def test_means_of_types_are_centred(proteins):
    means = babel.pseudobulk_means(*proteins)
    assert list(means) == ["measured", *babel.WAYS]
    n_proteins = proteins[2]["protein"].n_vars
    assert len(means) % n_proteins == 0
    assert len(means) > 5 * n_proteins
    centred = means.groupby(level=1).mean()
    np.testing.assert_allclose(centred, 0, atol=1e-5)


def test_the_report_has_every_row_once():
    cortex = pd.DataFrame(
        [
            {
                "model": model,
                "batch_size": size,
                "seed": seed,
                "source": source,
                "target": target,
                "epochs": 1,
                "best_epoch": 0,
                "cpu_seconds": 1.0,
                **dict.fromkeys(_babel_report.METRICS[source, target], 0.25 + 0.5 * seed),
            }
            for model, size, seed in (("Mean", np.nan, 0), ("Babel", 512, 0), ("Babel", 512, 1))
            for source, target in babel.DIRECTIONS
        ]
    )
    way = {"way": "CITE-seq RNA -> protein", "model": "Babel", "activation": "tanh", "loss": "mse"}
    heads = pd.DataFrame(
        [
            {**way, "epochs": 3, **dict.fromkeys(_babel_report.PROTEIN_METRICS, 0.5)},
            {**way, "way": "ATAC -> protein", "pearson_pseudobulk": 0.5},
        ]
    )
    about = {"command": "c", "date": "d", "commit": "e", "machine": "m"}
    text = _babel_report.markdown(cortex, heads, about)
    assert text.count("| Babel | 512 | 0.500 +- 0.354 |") == 2
    assert text.count("| Mean |  | 0.250 |") == 2
    assert "| ATAC -> protein | tanh | mse | 0.500 |" in text
