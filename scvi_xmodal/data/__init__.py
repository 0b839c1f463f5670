"""From AnnData and MuData to minibatches: reading, checking, matching, pairing."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from scvi_xmodal.data._backed import open_backed
    from scvi_xmodal.data._chunks import ChunkedPairs
    from scvi_xmodal.data._counts import check_counts, layer_name
    from scvi_xmodal.data._dataset import MinibatchSampler, PairedDataset, paired_loader
    from scvi_xmodal.data._fields import (
        CountsField,
        MuDataCountsField,
    )
    from scvi_xmodal.data._genes import read_genes
    from scvi_xmodal.data._matching import check_unique, match_features, match_most_features
    from scvi_xmodal.data._measured import rows_of_modality
    from scvi_xmodal.data._modalities import find_modalities, kind_of
    from scvi_xmodal.data._mosaic import MosaicPairs
    from scvi_xmodal.data._pairs import Pairs
    from scvi_xmodal.data._query import Query, pick_modality, read_query
    from scvi_xmodal.data._reader import ReaderBlocks, RowReader
    from scvi_xmodal.data._redrawn import RedrawnPairs
    from scvi_xmodal.data._split import Split
    from scvi_xmodal.data._splitter import PairedDataSplitter
    from scvi_xmodal.data._stored_rows import StoredRows
    from scvi_xmodal.data._translation import translation, translation_record
    from scvi_xmodal.data._writer import TranslationWriter

# Preprocessing and metrics use a few of these and must not wait for torch and scvi-tools.
_HOME = {
    "open_backed": "_backed",
    "ChunkedPairs": "_chunks",
    "check_counts": "_counts",
    "MinibatchSampler": "_dataset",
    "PairedDataset": "_dataset",
    "paired_loader": "_dataset",
    "CountsField": "_fields",
    "MuDataCountsField": "_fields",
    "layer_name": "_counts",
    "read_genes": "_genes",
    "check_unique": "_matching",
    "match_features": "_matching",
    "match_most_features": "_matching",
    "rows_of_modality": "_measured",
    "find_modalities": "_modalities",
    "kind_of": "_modalities",
    "MosaicPairs": "_mosaic",
    "Pairs": "_pairs",
    "Query": "_query",
    "pick_modality": "_query",
    "read_query": "_query",
    "ReaderBlocks": "_reader",
    "RowReader": "_reader",
    "RedrawnPairs": "_redrawn",
    "Split": "_split",
    "PairedDataSplitter": "_splitter",
    "StoredRows": "_stored_rows",
    "translation": "_translation",
    "translation_record": "_translation",
    "TranslationWriter": "_writer",
}

__all__ = [
    "ChunkedPairs",
    "CountsField",
    "MinibatchSampler",
    "MosaicPairs",
    "MuDataCountsField",
    "PairedDataSplitter",
    "PairedDataset",
    "Pairs",
    "Query",
    "ReaderBlocks",
    "RedrawnPairs",
    "RowReader",
    "Split",
    "StoredRows",
    "TranslationWriter",
    "check_counts",
    "check_unique",
    "find_modalities",
    "kind_of",
    "layer_name",
    "match_features",
    "match_most_features",
    "open_backed",
    "paired_loader",
    "pick_modality",
    "read_genes",
    "read_query",
    "rows_of_modality",
    "translation",
    "translation_record",
]


def __getattr__(name: str) -> object:
    if name in _HOME:
        return getattr(importlib.import_module(f"scvi_xmodal.data.{_HOME[name]}"), name)
    raise AttributeError(f"module 'scvi_xmodal.data' has no attribute {name!r}")
