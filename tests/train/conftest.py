"""A small untrained network with the minibatches it would be trained on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pytest

import scvi_xmodal as xm
from scvi_xmodal.data import PairedDataSplitter, ReaderBlocks, Split
from scvi_xmodal.model import Butterfly
from scvi_xmodal.module import feature_statistics

if TYPE_CHECKING:
    from collections.abc import Callable

    from scvi_xmodal.module import ButterflyVAE


class Setting(NamedTuple):
    """What a phase needs."""

    model: Butterfly
    module: ButterflyVAE
    minibatch: dict[str, Any]
    splitter: PairedDataSplitter


@pytest.fixture
def make_setting() -> Callable[..., Setting]:
    """Return a function that makes a network with the given architecture."""

    def make(**architecture: Any) -> Setting:
        mdata = xm.datasets.synthetic(
            n_cells=40, n_genes=10, n_peaks=18, n_chromosomes=3, atac_density=0.4, seed=3
        )
        Butterfly.setup_mudata(mdata)
        model = Butterfly(mdata, n_latent=4, n_embedding=8, **architecture)
        split = Split(range(30), range(30, 40))
        readers = {key: model._training_reader(key) for key in model.specs}
        statistics = {
            key: feature_statistics(
                ReaderBlocks(reader, split.train), n_features=reader.n_features
            )
            for key, reader in readers.items()
        }
        model.module.fit_statistics(statistics)
        splitter = PairedDataSplitter(model.adata_manager, readers, split=split, batch_size=16)
        minibatch = {key: reader.sparse_rows(np.arange(20)) for key, reader in readers.items()}
        return Setting(model, model.module, minibatch, splitter)

    return make


@pytest.fixture
def setting(make_setting: Callable[..., Setting]) -> Setting:
    """A network with the default architecture."""
    return make_setting()
