"""What a modality is: data, not a class."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from scvi_xmodal._constants import Kind

Transform = Literal["log_normalize", "tfidf", "tfidf_max", "binary", "clr"]
LikelihoodName = Literal["nb", "bernoulli", "normal", "tfidf"]
Path = tuple[str, str]
"""Source and target of a translation; of an autoencoder both are the same."""


@dataclass(frozen=True)
class KindDefaults:
    """How one kind of modality is read, encoded and scored unless the user says otherwise.

    Parameters
    ----------
    transform
        Input transform: ``"log_normalize"``, ``"tfidf"``, ``"tfidf_max"``, ``"binary"`` or
        ``"clr"``.
    likelihood
        Likelihood of the counts.
    n_hidden
        Hidden units of each feature block in encoder and decoder.
    mask_rate
        Share of the encoder's inputs that is masked in training.
    weight
        Weight of the reconstruction loss.
    by_chromosome
        Whether features are grouped by chromosome; otherwise they are one block.
    sparse_input
        Whether the transform keeps zeros, so that the encoder may read stored values only.
    max_decoder_dropout
        Largest dropout of its decoder: the architecture's, where that is higher, is lowered.
    """

    transform: Transform
    likelihood: LikelihoodName
    n_hidden: int
    mask_rate: float
    weight: float
    by_chromosome: bool = False
    sparse_input: bool = True
    max_decoder_dropout: float = 1.0


KIND_DEFAULTS: dict[Kind, KindDefaults] = {
    "rna": KindDefaults("log_normalize", "nb", 256, 0.5, 1.0),
    "atac": KindDefaults("tfidf", "bernoulli", 32, 0.3, 2.0, by_chromosome=True),
    "protein": KindDefaults(
        "clr", "normal", 128, 0.0, 2.0, sparse_input=False, max_decoder_dropout=0.1
    ),
}
"""scButterfly's layer sizes, masks and weights, with count likelihoods for RNA and ATAC. Decoders
of proteins keep its dropout of .1: with the default architecture's .6, proteins of bone marrow are
predicted by .007 to .009 worse (``benchmarks/results/protein_variants.md``)."""


@dataclass(frozen=True, eq=False)
class ModalitySpec:
    """Everything a network needs to know of one modality.

    Parameters
    ----------
    key
        The modality's name in ``source=`` and ``target=``.
    kind
        What it measures: ``"rna"``, ``"atac"`` or ``"protein"``.
    feature_names
        Names of the features in the user's order.
    blocks
        Number of features in each block, in the network's order.
    block_names
        Name of each block: a chromosome, or ``"all"``.
    order
        The user's column of each of the network's features, of shape (n_features,).
    settings
        Transform, likelihood and sizes.

    Examples
    --------
    >>> from scvi_xmodal.module import ModalitySpec
    >>> spec = ModalitySpec.build("atac", "atac", ["p1", "p2", "p3"], ["chr2", "chr1", "chr2"])
    >>> spec.block_names, spec.blocks, spec.order.tolist()
    (('chr1', 'chr2'), (1, 2), [1, 0, 2])
    """

    key: str
    kind: Kind
    feature_names: NDArray[np.object_]
    blocks: tuple[int, ...]
    block_names: tuple[str, ...]
    order: NDArray[np.int64]
    settings: KindDefaults = field(repr=False)

    @classmethod
    def build(
        cls,
        key: str,
        kind: Kind,
        feature_names: object,
        block_of: object = None,
        *,
        block_order: tuple[str, ...] | None = None,
        settings: KindDefaults | None = None,
    ) -> ModalitySpec:
        """Group features into blocks, keeping their order within a block.

        Parameters
        ----------
        key
            The modality's name.
        kind
            What it measures.
        feature_names
            Names of shape (n_features,).
        block_of
            Name of each feature's block, of shape (n_features,); ``None`` for one block.
        block_order
            Order of the blocks; by default alphabetical.
        settings
            Settings other than the kind's defaults.
        """
        names = np.asarray(feature_names, dtype=object)
        settings = settings or KIND_DEFAULTS[kind]
        if block_of is None or not settings.by_chromosome:
            block_of = np.full(names.shape, "all", dtype=object)
        block_of = np.asarray(block_of, dtype=object)
        block_names = block_order or tuple(sorted(set(block_of)))
        rank = {name: number for number, name in enumerate(block_names)}
        codes = np.array([rank[name] for name in block_of], dtype=np.int64)
        sizes = np.bincount(codes, minlength=len(block_names))
        order = np.argsort(codes, kind="stable")
        return cls(key, kind, names, tuple(sizes.tolist()), tuple(block_names), order, settings)

    @property
    def n_features(self) -> int:
        """Number of features."""
        return len(self.feature_names)

    @property
    def position(self) -> NDArray[np.int64]:
        """The network's position of each of the user's columns, of shape (n_features,)."""
        position = np.empty_like(self.order)
        position[self.order] = np.arange(self.order.size)
        return position
