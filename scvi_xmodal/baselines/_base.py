"""What all baselines share: reading, checking and the output contract."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field, fields
from itertools import permutations
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from scvi_xmodal._arguments import check_arguments
from scvi_xmodal.baselines._prediction import gathered, predicted_blocks
from scvi_xmodal.baselines._training import read_training
from scvi_xmodal.data import open_backed, read_query, translation_record
from scvi_xmodal.data._translation import chosen_columns

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anndata import AnnData
    from mudata import MuData
    from numpy.typing import ArrayLike, NDArray

    from scvi_xmodal._constants import Kind
    from scvi_xmodal.baselines._prediction import Encoder, Predictor
    from scvi_xmodal.baselines._profiles import Values
    from scvi_xmodal.baselines._training import Modality, Training


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
            Training rows of shape (n_cells,), such as ``split.train``, or a mask; by default
            all. No other row is looked at, but that all values are counts.
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
        adata: AnnData | MuData | str | Path,
        *,
        source: Kind,
        target: Kind,
        indices: ArrayLike | None = None,
        features: Sequence[str] | None = None,
        layer: str | None = None,
        repool: bool = False,
        out: str | Path | None = None,
    ) -> AnnData | Path:
        """Predict the target profile of cells from their source counts.

        Parameters
        ----------
        adata
            Cells to translate: an AnnData of the source modality, or a MuData that holds it,
            with raw counts, or the path of such a file. Features are matched by name, in any
            order.
        source
            What to translate from: ``"rna"``, ``"atac"`` or ``"protein"``.
        target
            What to translate to.
        indices
            Rows to translate; by default all.
        features
            Names of the target's features to return; by default all.
        layer
            Layer of the query that holds the counts, or ``"X"``; by default as in :meth:`fit`.
        repool
            Whether to map the query's peaks onto those of the training data by their overlap,
            as :func:`~scvi_xmodal.pp.repool_peaks` does, and say how many were covered.
        out
            Path ending in ``.h5ad`` or ``.zarr`` to write to, some rows at a time.

        Returns
        -------
        AnnData of shape (n_cells, n_features) with the query's ``obs`` and the training
        features' ``var``; with ``out`` its path. ``X`` is log1p expression at the training median
        library size (RNA, with the shares of expression that follow from it, times that size, in
        ``layers["mean"]``), the probability that a peak is open (ATAC), or centred log-ratios
        (protein); ``uns["scvi_xmodal"]`` says where it comes from.

        Raises
        ------
        ValueError
            If the baseline is not fitted, knows no such direction or feature, or cannot read the
            query or write to ``out``.
        """
        check_arguments(locals(), adata=None)
        fitted = self._check_direction(source, target)
        modality, predicted = fitted.modalities[source], fitted.modalities[target]
        columns = chosen_columns(predicted.spec, features)
        cells = read_query(
            open_backed(adata) if isinstance(adata, str | Path) else adata,
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
        record = translation_record(
            source=source,
            target=target,
            target_kind=target,
            n_features=int(predicted.spec.n_features),
            model=type(self).__name__,
            options=self._options(),
        )
        if cells.pool is not None:
            record["repool"] = cells.pool.report.record()
        encode, predict = fitted.encoders[source], fitted.predictors[source, target]
        blocks = predicted_blocks(cells, encode, predict, predicted, columns)
        return gathered(blocks, cells.obs, predicted.var.iloc[columns], record, out)

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
            known = ", ".join(f"{one} to {other}" for one, other in fitted.predictors)
            raise ValueError(
                f"This {type(self).__name__} cannot translate from source={source!r} to "
                f"target={target!r}; fitted on {list(fitted.modalities)}, it knows {known}."
            )
        return fitted

    def _options(self) -> dict[str, Any]:
        return {own.name: getattr(self, own.name) for own in fields(self) if own.init}
