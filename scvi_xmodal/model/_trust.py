"""When to believe a model: what it keeps of its validation cells."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from scvi_xmodal.model._held_out import HeldOut
from scvi_xmodal.model._validation import SCORES, validation_scores

if TYPE_CHECKING:
    from collections.abc import Mapping

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
    _check_key: Any

    def _assess(
        self, cells: TrainingCells, readers: Mapping[str, RowReader], codes: Any
    ) -> dict[str, Any]:
        """Return what is kept of the validation cells."""
        by_row = None if codes is None else cells.by_own_row(codes)
        held = HeldOut(cells, readers, by_row, self.device)
        return {"scores": validation_scores(self.module, self.specs, held)}

    def trust_scores(self, source: str, target: str) -> pd.DataFrame:
        """Return how well each feature was translated in the validation cells.

        The score of a feature stands in ``var`` of every translation too. It says what to expect
        of cells like the training cells; :meth:`familiarity` says which cells are.

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
            If a modality is unknown, or the model has no scores: it was trained without
            validation cells or on cells that are not paired, or saved by version 0.1.0.

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
        found = self._scores_of(source, target)
        if found is None:
            raise ValueError(
                f"There are no scores of {source!r} to {target!r}: the model was trained without "
                "validation cells or on cells that were not measured in both, or was saved by an "
                "older version. Train it with a split that has validation cells."
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
