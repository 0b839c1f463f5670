from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from scvi_xmodal.module import KIND_DEFAULTS, ModalitySpec

CHROMOSOMES = ["chr2", "chr10", "chr1", "chr2", "chr1", "chr2"]
NAMES = [f"p{j}" for j in range(6)]


def test_groups_by_block_and_keeps_the_order_within():
    spec = ModalitySpec.build("atac", "atac", NAMES, CHROMOSOMES)
    assert spec.block_names == ("chr1", "chr10", "chr2")
    assert spec.blocks == (2, 1, 3)
    assert spec.feature_names[spec.order].tolist() == ["p2", "p4", "p1", "p0", "p3", "p5"]
    assert spec.feature_names.tolist() == NAMES
    assert spec.n_features == 6


def test_blocks_in_a_given_order_may_be_empty():
    names = ("chr10", "chr7", "chr2", "chr1")
    spec = ModalitySpec.build("atac", "atac", NAMES, CHROMOSOMES, block_order=names)
    assert spec.block_names == names
    assert spec.blocks == (1, 0, 3, 2)
    assert spec.feature_names[spec.order].tolist() == ["p1", "p0", "p3", "p5", "p2", "p4"]


def test_position_is_the_inverse_of_order():
    rng = np.random.default_rng(0)
    chromosomes = rng.choice(["a", "b", "c", "d"], size=200)
    spec = ModalitySpec.build("atac", "atac", np.arange(200), chromosomes)
    counts = rng.poisson(1, size=(3, 200))
    np.testing.assert_array_equal(spec.order[spec.position], np.arange(200))
    np.testing.assert_array_equal(counts[:, spec.order][:, spec.position], counts)
    owner = np.repeat(spec.block_names, spec.blocks)
    np.testing.assert_array_equal(owner[spec.position], chromosomes)


@pytest.mark.parametrize("kind", ["rna", "protein"])
def test_only_peaks_are_grouped(kind):
    spec = ModalitySpec.build(kind, kind, NAMES, CHROMOSOMES)
    assert (spec.blocks, spec.block_names) == ((6,), ("all",))
    assert spec.order.tolist() == list(range(6))


def test_peaks_without_chromosomes_are_one_block():
    spec = ModalitySpec.build("peaks", "atac", NAMES)
    assert (spec.blocks, spec.block_names) == ((6,), ("all",))


def test_one_feature():
    spec = ModalitySpec.build("atac", "atac", ["p"], ["chrX"])
    assert (spec.blocks, spec.order.tolist(), spec.position.tolist()) == ((1,), [0], [0])


def test_settings_are_the_kinds_or_ones_own():
    assert ModalitySpec.build("x", "rna", NAMES).settings is KIND_DEFAULTS["rna"]
    own = dataclasses.replace(KIND_DEFAULTS["rna"], n_hidden=7)
    assert ModalitySpec.build("x", "rna", NAMES, settings=own).settings.n_hidden == 7


def test_published_sizes_masks_and_weights():
    """Reference section 3 and 4: 256/32/128 units, masks .5/.3/0, weights 1/2/2."""
    found = {k: (s.n_hidden, s.mask_rate, s.weight) for k, s in KIND_DEFAULTS.items()}
    assert found == {"rna": (256, 0.5, 1), "atac": (32, 0.3, 2), "protein": (128, 0, 2)}


def test_frozen_and_the_input_is_left_alone():
    names, chromosomes = np.array(NAMES), np.array(CHROMOSOMES)
    spec = ModalitySpec.build("atac", "atac", names, chromosomes)
    assert names.tolist() == NAMES
    assert chromosomes.tolist() == CHROMOSOMES
    with pytest.raises(dataclasses.FrozenInstanceError):
        spec.key = "other"
