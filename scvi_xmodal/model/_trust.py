"""When to believe a model: what it keeps of its validation cells."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch
from scvi import settings

from scvi_xmodal._arguments import check_arguments
from scvi_xmodal.model._calibration import Calibration
from scvi_xmodal.model._familiarity import FamiliarityReference
from scvi_xmodal.model._held_out import (
    BLOCK_VALUES,
    HeldOut,
    cell_fit,
    familiarity_reference,
)
from scvi_xmodal.model._interval_fit import fit_intervals
from scvi_xmodal.model._intervals import (
    N_SAMPLES,
    Interval,
    check_n_samples,
    checked_levels,
    interval_kind,
    latent_noise,
    saved_intervals,
)
from scvi_xmodal.model._linear_fit import fit_linear_paths
from scvi_xmodal.model._request import check_batch_size, to_device
from scvi_xmodal.model._several import one_or_several
from scvi_xmodal.model._shrinkage_fit import fit_shrinkage
from scvi_xmodal.model._validation import SCORES, validation_scores, way_to_scores

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from anndata import AnnData
    from mudata import MuData
    from numpy.typing import ArrayLike

    from scvi_xmodal.data import RowReader
    from scvi_xmodal.model._cells import TrainingCells
    from scvi_xmodal.module import ModalitySpec


class TrustMixin:
    """Judges a model by its validation cells when training ends, and remembers it.

    ``trust_`` holds plain values and arrays and is saved with the model; models saved before it
    was known have none.
    """

    trust_: dict[str, Any] | None = None
    device: Any
    module: Any
    specs: Mapping[str, ModalitySpec]
    is_trained_: Any
    registry_: dict[str, Any]
    _batch_codes: Any
    _check_decoded_batch: Any
    _check_key: Any
    _encoder_inputs: Any
    _query: Any

    def _assess(
        self, cells: TrainingCells, readers: Mapping[str, RowReader], codes: Any
    ) -> dict[str, Any]:
        """Return what is kept of the validation cells."""
        held = self._held_out(cells, readers, codes)
        fit_shrinkage(self.module, held)
        fit_linear_paths(self.module, held)
        return {
            "scores": validation_scores(self.module, self.specs, held),
            "familiarity": {
                key: familiarity_reference(self.module, key, held) for key in self.specs
            },
            "intervals": self._calibrated(held),
        }

    def _held_out(
        self, cells: TrainingCells, readers: Mapping[str, RowReader], codes: Any
    ) -> HeldOut:
        by_row = None if codes is None else cells.by_own_row(codes)
        return HeldOut(cells, readers, by_row, self.device)

    def _calibrated(self, held: HeldOut) -> dict[str, dict[str, Any]]:
        """Return what intervals need, by source and target; probabilities need nothing."""
        found: dict[str, dict[str, Any]] = {key: {} for key in self.specs}
        for source, target in self.module.paths:
            spec = self.specs[target]
            if interval_kind(spec) != "probability":
                found[source][target] = fit_intervals(self.module, spec, source, held)
        return found

    def _interval(
        self, path: tuple[Any, str], quantiles: Any, n_samples: int | None, depth: str
    ) -> Interval | None:
        """Return what quantiles are computed from; ``None`` where none are asked for."""
        if n_samples is not None:
            check_n_samples(n_samples)
        if quantiles is None and n_samples is not None:
            raise ValueError(
                f"n_samples={n_samples} says how quantiles are computed, but none are asked for: "
                "add quantiles=(0.05, 0.95), or leave it out."
            )
        if quantiles is None:
            return None
        levels, (source, target) = checked_levels(quantiles), path
        if isinstance(source, tuple):
            raise ValueError(
                f"quantiles= are calibrated for one source at a time, but source={source!r}: "
                "leave them out, or translate from one."
            )
        if target not in self.specs:
            raise ValueError(f"There are no quantiles of {target!r}: the head has no likelihood.")
        kind = interval_kind(self.specs[target])
        saved = saved_intervals(self.trust_, source, target)
        if kind == "values" and not saved:
            raise ValueError(
                f"There are no quantiles of {source!r} to {target!r}: their spread is taken from "
                "validation cells, of which the model had fewer than 10 that were measured in "
                "both, or it was saved by an older version. Train it with a split that has some."
            )
        noise = latent_noise(n_samples or N_SAMPLES, self.module.n_latent, seed=settings.seed or 0)
        # only of counts is the predicted depth calibrated by itself
        calibration = saved.get("predicted" if depth == "predicted" else "own", saved.get("own"))
        return Interval(
            levels,
            noise.to(self.device),
            kind,
            Calibration.from_plain(calibration),
            saved.get("variance"),
        )

    def familiarity(
        self,
        adata: AnnData | MuData | str | Path | None = None,
        *,
        source: str,
        indices: ArrayLike | None = None,
        transform_batch: Any = None,
        layer: str | None = None,
        batch_size: int | None = None,
        repool: bool = False,
    ) -> pd.DataFrame:
        """Return how familiar cells are to the model, seen through one modality.

        A translation of a cell unlike all training cells, such as one of a type that they lack,
        may look right and be wrong. Every cell is compared with the validation cells: how far
        its latent lies from the training cells', and how well its own modality is reconstructed
        for its depth (:class:`~scvi_xmodal.model._familiarity.FamiliarityReference` has the
        formula). ``docs/trust.md`` says how well that finds cell types held out of training.

        Parameters
        ----------
        adata
            Cells, as in ``translate``; by default the training data.
        source
            Modality that they would be translated from.
        indices
            Rows; by default all.
        transform_batch
            Batch to reconstruct in, for cells of batches that the model does not know.
        layer
            Layer of the query that holds the counts, or ``"X"``; by default as in setup.
        batch_size
            Cells at a time.
        repool
            Whether to map the query's peaks onto the model's, as in ``translate``.

        Returns
        -------
        One row for each cell: ``familiarity``, the share of validation cells that are at least as
        strange, above 0 and at most 1, so that cells below .05 are stranger than 95 % of them;
        ``familiarity_latent`` and ``familiarity_reconstruction``, the same by either part; and
        ``strangeness``, which has no upper end and so tells strange from stranger. Cells without
        a count rank below every validation cell.

        Raises
        ------
        ValueError
            If the modality or batch is unknown, cells, features or counts are missing, or the
            model has nothing to compare with: it was trained with fewer than 5 validation cells,
            or saved by an older version.

        Examples
        --------
        >>> import scvi_xmodal as xm
        >>> mdata = xm.datasets.synthetic(n_cells=80, n_genes=20, n_peaks=30, atac_density=0.3)
        >>> xm.model.Butterfly.setup_mudata(mdata)
        >>> model = xm.model.Butterfly(mdata, n_latent=8)
        >>> model.train(max_epochs=1, pretrain_epochs=1, enable_progress_bar=False)
        >>> bool(model.familiarity(mdata["rna"], source="rna")["familiarity"].between(0, 1).all())
        True
        """
        check_arguments(locals(), adata=None)
        check_batch_size(batch_size)
        named: Any = one_or_several(source)
        if isinstance(named, tuple):
            raise ValueError(
                f"source={named!r}: cells are compared through one modality at a time; name one "
                f"of {list(self.specs)}."
            )
        source = named
        self._check_decoded_batch(source, transform_batch)
        query = self._query(adata, source, layer, indices, repool=repool)
        plain = ((self.trust_ or {}).get("familiarity") or {}).get(source)
        if plain is None:
            raise ValueError(
                f"There are no validation cells to compare {source!r} with: the model was trained "
                "with fewer than 5 of them, or was saved by an older version. Train it with a "
                "split that has some."
            )
        reference = FamiliarityReference.from_plain(plain)
        codes = self._batch_codes(query.obs, transform_batch)
        size = batch_size or max(1, BLOCK_VALUES // self.specs[source].n_features)
        parts = []
        self.module.eval()
        for start in range(0, query.n_obs, size):
            rows = slice(start, min(start + size, query.n_obs))
            counts = to_device(query.reader.sparse_rows(rows), self.device)
            batch = None if codes is None else torch.from_numpy(codes[rows]).to(self.device)
            # as translate does: a batch to reconstruct in says nothing of where cells are from
            encoded = self._encoder_inputs(query.obs, rows)
            parts.append(reference.score(cell_fit(self.module, source, counts, batch, **encoded)))
        columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        return pd.DataFrame(columns, index=query.obs.index)

    def trust_scores(self, source: str, target: str) -> pd.DataFrame:
        """Return how well each feature was translated in the validation cells.

        The score of a feature stands in ``var`` of translations too, but the protein head's and
        those from several modalities, by chains or by ensembles. It says what to expect of cells
        like the training cells; :meth:`familiarity` says which cells are.

        Parameters
        ----------
        source, target
            Modalities.

        Returns
        -------
        One row for each feature of the target: ``validation_pearson`` (RNA, protein) or
        ``validation_auroc`` (ATAC) of ``X``, NaN for features that do not vary among the
        validation cells; ``n_detected``, the number of those cells in which it is above 0, and
        ``n_cells``, the number of those cells: at most 2,000, and fewer where features are many.

        Raises
        ------
        ValueError
            If a modality is unknown, or there are no scores: the target is a protein head's, or
            the model was trained without validation cells that were measured in both, or saved
            by an older version.

        Examples
        --------
        >>> import scvi_xmodal as xm
        >>> mdata = xm.datasets.synthetic(n_cells=60, n_genes=20, n_peaks=30, atac_density=0.3)
        >>> xm.model.Butterfly.setup_mudata(mdata)
        >>> model = xm.model.Butterfly(mdata, n_latent=8)
        >>> model.train(max_epochs=1, pretrain_epochs=1, enable_progress_bar=False)
        >>> list(model.trust_scores("rna", "atac"))
        ['validation_auroc', 'n_detected', 'n_cells']
        """
        spec = self._check_key(target, "target")
        self._check_key(source, "source")
        if not self.is_trained_:
            raise ValueError("The model is not trained yet: call train() first.")
        if target not in self.specs:
            raise ValueError(
                f"There are no scores of {source!r} to {target!r}: the head that predicts "
                f"{target!r} was trained on other cells than the model, whose validation cells "
                "say nothing about it. The history that train_protein_head returned holds the "
                "losses of the head's own validation cells."
            )
        found = self._scores_of(source, target)
        if found is None:
            raise ValueError(
                f"There are no scores of {source!r} to {target!r}: the model was trained without "
                "validation cells that were measured in both, or was saved by an older version. "
                f"{way_to_scores(self.registry_['setup_args'], source, target)}"
            )
        columns = {SCORES[spec.kind]: found["score"], "n_detected": found["n_detected"]}
        index = pd.Index(spec.feature_names, dtype=object)
        return pd.DataFrame(columns, index=index).assign(n_cells=found["n_cells"])

    def _scores_of(self, source: str, target: str) -> dict[str, Any] | None:
        return ((self.trust_ or {}).get("scores") or {}).get(source, {}).get(target)

    def _scored_var(self, source: str, target: str, var: pd.DataFrame) -> pd.DataFrame:
        """Return all features' annotation with their scores, if there are any."""
        found = self._scores_of(source, target)
        if found is None:
            return var
        return var.assign(**{SCORES[self.specs[target].kind]: found["score"]})
