"""What all baselines share: reading, checking and the output contract."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field, fields
from itertools import permutations
from typing import TYPE_CHECKING, Any, Self, TypeAlias

import numpy as np

from scvi_xmodal._arguments import check_arguments
from scvi_xmodal.baselines._training import read_training
from scvi_xmodal.data import read_query, translation, translation_record

if TYPE_CHECKING:
    from collections.abc import Callable

    from anndata import AnnData
    from mudata import MuData
    from numpy.typing import ArrayLike, NDArray
    from scipy import sparse

    from scvi_xmodal._constants import Kind
    from scvi_xmodal.baselines._profiles import Values
    from scvi_xmodal.baselines._training import Modality, Training
    from scvi_xmodal.data import Query

    Encoder: TypeAlias = Callable[[sparse.csr_matrix], Values]
    Predictor: TypeAlias = Callable[[Values], NDArray[np.float64]]

_BLOCK_VALUES = 1 << 24
_BLOCK_CELLS = 4096


@dataclass(frozen=True, eq=False)
class Fitted:
    """A fitted baseline.

    Parameters
    ----------
    modalities
        The training modalities by kind.
    encoders
        What turns counts of each source into inputs.
    predictors
        What turns inputs into profiles, for each source and target.
    """

    modalities: dict[Kind, Modality]
    encoders: dict[Kind, Encoder]
    predictors: dict[tuple[Kind, Kind], Predictor]


@dataclass(eq=False)
class Baseline(ABC):
    """A simple translator with the same contract as the models.

    A subclass says how a source's counts become inputs (:meth:`_fit_source`) and how inputs
    become the target's profile (:meth:`_fit_pair`).
    """

    _fitted: Fitted | None = field(default=None, init=False, repr=False)

    def fit(
        self,
        mdata: MuData,
        *,
        indices: ArrayLike | None = None,
        rna_layer: str | None = None,
        atac_layer: str | None = None,
        protein_layer: str | None = None,
    ) -> Self:
        """Learn all directions between the modalities of paired cells.

        Parameters
        ----------
        mdata
            Raw counts of two or three of the modalities RNA, ATAC and protein, found by
            ``var["feature_types"]`` or by key; not changed.
        indices
            Training rows of shape (n_cells,), such as ``split.train``; by default all. No other
            row is looked at, but that all values are counts.
        rna_layer, atac_layer, protein_layer
            Layers of the counts; ``X`` by default.

        Returns
        -------
        The baseline itself.

        Raises
        ------
        ValueError
            If fewer than two modalities are found, a training cell lacks one, or values are no
            counts.
        """
        check_arguments(locals(), mdata=None)
        layers: dict[Kind, str | None] = {
            "rna": rna_layer,
            "atac": atac_layer,
            "protein": protein_layer,
        }
        training = read_training(mdata, indices, layers)
        pairs = [pair for pair in permutations(training, 2) if self._knows(*pair)]
        if not pairs:
            raise ValueError(
                f"{type(self).__name__} knows no direction between the modalities {[*training]}."
            )
        sources = {kind: self._fit_source(training[kind]) for kind in dict(pairs)}
        predictors = {}
        for source, target in pairs:  # no comprehension: warnings count frames
            predictors[source, target] = self._fit_pair(sources[source][1], training[target])
        self._fitted = Fitted(
            modalities={kind: part.modality for kind, part in training.items()},
            encoders={kind: encoder for kind, (encoder, _) in sources.items()},
            predictors=predictors,
        )
        return self

    def translate(
        self,
        query: AnnData | MuData,
        *,
        source: Kind,
        target: Kind,
        indices: ArrayLike | None = None,
        layer: str | None = None,
        repool: bool = False,
    ) -> AnnData:
        """Predict the target profile of cells from their source counts.

        Parameters
        ----------
        query
            An AnnData of the source modality, or a MuData that holds it, with raw counts.
            Features are matched by name, in any order.
        source
            What to translate from: ``"rna"``, ``"atac"`` or ``"protein"``.
        target
            What to translate to.
        indices
            Rows to translate; by default all.
        layer
            Layer of the query that holds the counts, or ``"X"``; by default as in :meth:`fit`.
        repool
            Whether to map the query's peaks onto those of the training data by their overlap,
            as :func:`~scvi_xmodal.pp.repool_peaks` does, and say how many were covered.

        Returns
        -------
        AnnData of shape (n_cells, n_features) with the query's ``obs`` and the training
        features' ``var``. ``X`` is log1p expression at the training median library size (RNA,
        with the shares of expression that follow from it, times that size, in
        ``layers["mean"]``), the probability that a peak is open (ATAC), or centred log-ratios
        (protein); ``uns["scvi_xmodal"]`` says where it comes from.

        Raises
        ------
        ValueError
            If the baseline is not fitted, knows no such direction, or cannot read the query.
        """
        check_arguments(locals(), mdata=None)
        fitted = self._check_direction(source, target)
        modality = fitted.modalities[source]
        cells = read_query(
            query,
            modality.spec,
            modality=modality.name,
            layer=layer,
            setup_layer=modality.layer,
            indices=indices,
            other_specs=tuple(m.spec for k, m in fitted.modalities.items() if k != source),
            repool=modality.var if repool else None,
        )
        if cells.pool is not None:
            cells.pool.warn()
        values = _predict(fitted, cells, source, target)
        layers = {"X": values}
        if target == "rna":
            library = fitted.modalities[target].statistics.median_library
            layers["mean"] = expected_counts(values, library)
        record = translation_record(
            source=source,
            target=target,
            target_kind=target,
            model=type(self).__name__,
            options=self._options(),
        )
        if cells.pool is not None:
            record["repool"] = cells.pool.report.record()
        return translation(layers, obs=cells.obs, var=fitted.modalities[target].var, record=record)

    def get_var_names(self) -> dict[str, NDArray[Any]]:
        """Return the feature names of each modality, by its key in the training data.

        Raises
        ------
        ValueError
            If the baseline is not fitted.
        """
        modalities = self._check_fitted().modalities.values()
        return {part.name: np.asarray(part.spec.feature_names) for part in modalities}

    @abstractmethod
    def _fit_source(self, training: Training) -> tuple[Encoder, Values]:
        """Return what turns counts into inputs, and the inputs of the training cells."""

    @abstractmethod
    def _fit_pair(self, x: Values, target: Training) -> Predictor:
        """Learn the target's profiles from inputs of the same cells."""

    def _knows(self, source: Kind, target: Kind) -> bool:
        """Tell whether there is anything to learn in a direction."""
        return True

    def _check_fitted(self) -> Fitted:
        if self._fitted is None:
            name = type(self).__name__
            raise ValueError(f"This {name} is not fitted. Call fit(mdata, indices=...) first.")
        return self._fitted

    def _check_direction(self, source: Kind, target: Kind) -> Fitted:
        fitted = self._check_fitted()
        if (source, target) not in list(fitted.predictors):
            raise ValueError(
                f"This {type(self).__name__} cannot translate from source={source!r} to "
                f"target={target!r}; it was fitted on {list(fitted.modalities)}, and the two must "
                "differ."
            )
        return fitted

    def _options(self) -> dict[str, Any]:
        return {own.name: getattr(self, own.name) for own in fields(self) if own.init}


def expected_counts(values: Values, library: float) -> NDArray[np.float32]:
    """Return counts of shape (n_cells, n_genes) that add up to a library size in every cell.

    The exponential of a mean of logarithms is below the mean, so each cell is scaled up.
    """
    counts = np.expm1(np.maximum(values, 0))
    sums = counts.sum(axis=1, keepdims=True, dtype=np.float64)
    return (counts * (library / np.maximum(sums, 1e-12))).astype(np.float32)


def _predict(fitted: Fitted, cells: Query, source: Kind, target: Kind) -> NDArray[np.float32]:
    """Predict block by block, so that little but the output is dense."""
    modality = fitted.modalities[target]
    n_features = modality.spec.n_features
    # a block's distances to the training cells must fit as well as its output
    widest = max(n_features, modality.statistics.n_cells)
    size = min(max(_BLOCK_VALUES // widest, 1), _BLOCK_CELLS)
    encode, predict = fitted.encoders[source], fitted.predictors[source, target]
    values = np.empty((cells.n_obs, n_features), dtype=np.float32)
    for number, block in enumerate(cells.reader.blocks(size=size)):
        rows = slice(number * size, number * size + block.shape[0])
        values[rows] = _to_valid_range(predict(encode(block)), target)
    return values


def _to_valid_range(values: NDArray[np.float64], kind: Kind) -> NDArray[np.float64]:
    """Clip probabilities to [0, 1] and log1p expression to 0 and above."""
    if kind == "protein":
        return values
    return np.clip(values, 0.0, 1.0 if kind == "atac" else None)
