from __future__ import annotations

import numpy as np
import pytest

from scvi_xmodal.tl import marker_genes, subcluster_markers


@pytest.fixture
def basal(rna):
    """All three types under one name, and ten cells of another."""
    cells = rna.copy()
    cells.obs["type"] = np.where(np.arange(cells.n_obs) < 50, "Basal", "other")
    return cells


def test_the_hidden_types_are_found_with_their_genes(basal):
    found = subcluster_markers(basal, "type", "Basal", resolution=0.5)
    assert found.clusters.index.equals(basal.obs_names[:50])
    types = basal.obs["cell_type"].iloc[:50]
    assert len(set(zip(found.clusters, types, strict=True))) == 3
    assert set(found.markers["group"]) == {"Basal 1", "Basal 2", "Basal 3"}
    assert found.enrichment is None
    # the genes of a cluster are those of its type among the group's cells
    of_type = dict(zip(found.clusters, types, strict=True))
    expected = marker_genes(basal[:50].copy(), "cell_type", n_genes=1).set_index("group")["gene"]
    first = found.markers[found.markers["rank"] == 1].set_index("group")["gene"]
    assert {of_type[group]: gene for group, gene in first.items()} == expected.to_dict()


def test_gene_sets_of_a_type_are_enriched_in_its_cluster(basal):
    genes = marker_genes(basal[:50].copy(), "cell_type", n_genes=5)
    sets = {str(group): list(part) for group, part in genes.groupby("group")["gene"]}
    found = subcluster_markers(basal, "type", "Basal", resolution=0.5, n_genes=5, gene_sets=sets)
    best = found.enrichment.groupby("group").first()["term"]
    of_cluster = dict(zip(found.clusters, basal.obs["cell_type"].iloc[:50], strict=True))
    assert best.to_dict() == of_cluster


def test_users_mistakes_are_named(basal):
    with pytest.raises(ValueError, match="No cell has the label 'basal'"):
        subcluster_markers(basal, "type", "basal")
    with pytest.raises(ValueError, match="20 cells of 'B' are one cluster at resolution=0.01"):
        subcluster_markers(basal, "cell_type", "B", resolution=0.01)


def test_raw_counts_are_refused(measured):
    measured.obs["tissue"] = "cortex"
    with pytest.raises(ValueError, match=r"raw counts do.*scanpy.pp.log1p"):
        subcluster_markers(measured, "tissue", "cortex")
