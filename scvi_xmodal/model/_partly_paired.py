"""Training whose phases each take the cells that they can use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from scvi_xmodal.data import Pairs, Split
from scvi_xmodal.model._setup import hold_all_cells
from scvi_xmodal.model._training import TrainingMixin
from scvi_xmodal.train import ElboPlan, Phase, check_elbo_kwargs

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mudata import MuData
    from numpy.typing import NDArray

    from scvi_xmodal.data import PairedDataSplitter, RowReader
    from scvi_xmodal.model._cells import TrainingCells
    from scvi_xmodal.model._resuming import Run

_FEWEST_PAIRS = 2
_VAE_PLAN = {"lr": 1e-3, "n_epochs_kl_warmup": 20, "max_kl_weight": 0.1}
_TRANSLATOR_PLAN = {"lr": 5e-3, "n_epochs_kl_warmup": None, "max_kl_weight": 0.1}


class PartlyPairedMixin(TrainingMixin):
    """Trains autoencoders on all cells of a modality and translators on the paired ones."""

    _own_rows: Any

    @classmethod
    def setup_mudata(
        cls,
        mdata: MuData,
        rna_layer: str | None = None,
        atac_layer: str | None = None,
        protein_layer: str | None = None,
        batch_key: str | None = None,
        labels_key: str | None = None,
        modalities: Mapping[str, str] | None = None,
        pairing: Literal["measured", "unpaired", "mosaic"] | None = None,
        **kwargs: Any,
    ) -> None:
        """Register the raw counts of modalities that share some of their cells, or all.

        As :meth:`Butterfly.setup_mudata`, but that cells may lack a modality. Single-assay
        experiments are joined to a paired one by :func:`scvi_xmodal.pp.join_single_assay`.

        Parameters
        ----------
        mdata
            MuData with raw counts. A view is made actual.
        rna_layer, atac_layer, protein_layer
            Layer of each modality that holds the counts; ``None`` for ``X``.
        batch_key
            Column of ``obs`` with batches; of ``mdata.obs``, where cells lack a modality.
        labels_key
            Column of ``obs`` with labels, which are registered and not trained on.
        modalities
            Which modality each layer argument refers to, such as ``{"rna_layer": "rna"}``; by
            default they are found.
        pairing
            ``"measured"``: all cells were measured in all modalities. ``"mosaic"``: cells may
            lack one, and those of the same name are the paired ones. By default what the cells
            are.
        **kwargs
            Keywords of scvi-tools' field registration, used by ``load``.

        Raises
        ------
        ValueError
            As of :meth:`Butterfly.setup_mudata`, or if ``pairing`` is ``"unpaired"``.
        """
        if pairing is None:
            whole = not hasattr(mdata, "mod") or hold_all_cells(mdata, modalities)
            pairing = "measured" if whole else "mosaic"
        super().setup_mudata(  # type: ignore[misc]
            mdata,
            rna_layer=rna_layer,
            atac_layer=atac_layer,
            protein_layer=protein_layer,
            batch_key=batch_key,
            labels_key=labels_key,
            modalities=modalities,
            pairing=pairing,
            **kwargs,
        )

    def _phases(self, max_epochs: int, translator_epochs: int) -> list[Phase]:
        own = {f"vae_{key}": ((key, key), max_epochs) for key in self.specs}
        across = {
            f"{s}_to_{t}": ((s, t), translator_epochs) for s, t in self.module.paths if s != t
        }
        return [
            Phase(name, (path,), epochs, monitor="validation_loss", plan=ElboPlan)
            for name, (path, epochs) in {**own, **across}.items()
        ]

    def _plan_kwargs(self, phase: Phase, given: Mapping[str, Any] | None) -> dict[str, Any]:
        ((source, target),) = phase.paths
        return {**(_VAE_PLAN if source == target else _TRANSLATOR_PLAN), **(given or {})}

    def _check_plan_kwargs(self, given: Mapping[str, Any] | None) -> None:
        check_elbo_kwargs(given)

    def _is_mosaic(self) -> bool:
        """Deny it, so that cells are not loaded by their modalities: each phase has one set."""
        return False

    def _training_pairs(self, pairs: Pairs | None, cells: TrainingCells) -> None:
        """Raise unless each direction has paired training cells; phases make their pairs."""
        for source, target in self.module.paths:
            n_paired = _measured(cells, (source, target))[cells.split.train].sum()
            if n_paired < _FEWEST_PAIRS:
                raise ValueError(
                    f"{n_paired} training cells were measured in both {source!r} and {target!r}; "
                    f"at least {_FEWEST_PAIRS} must be, for translation is learned from them. "
                    "Cells are paired where modalities share obs_names. Experiments that share "
                    "no cell can be trained on within labels: "
                    "xm.model.Butterfly.from_unpaired(rna, atac, labels_key)."
                )

    def _validation_pairs(self, pairs: Pairs | None, cells: TrainingCells) -> None:
        """Leave it to the phases."""

    def _phase_cells(
        self,
        phase: Phase,
        cells: TrainingCells,
        pairs: Pairs | None,
        validation_pairs: Pairs | None,
    ) -> tuple[Split, Pairs | None, Pairs | None]:
        keys, measured = phase.modalities, _measured(cells, phase.modalities)
        of = cells.split
        parts = [rows[measured[rows]] for rows in (of.train, of.validation, of.test)]
        train, validation = (
            Pairs({key: cells.own[key][rows] for key in keys}) for rows in parts[:2]
        )
        return Split(*parts), train, validation if len(validation) else None

    def _fit_statistics(
        self,
        readers: Mapping[str, RowReader],
        rows: Mapping[str, NDArray[np.int64]],
        pairs: Mapping[str, NDArray[np.int64]] | None,
        batches: Mapping[str, NDArray[np.int64]] | None,
    ) -> None:
        # each registered cell's number among a modality's training cells, -1 where it is none
        number = {}
        for key, own in ((key, self._own_rows(key)) for key in self.specs):
            place = np.full(readers[key].n_rows + 1, -1)
            place[rows[key]] = np.arange(rows[key].size)
            number[key] = place[own]  # of row -1 the last place, which no row has
        both = {
            (s, t): np.flatnonzero((number[s] >= 0) & (number[t] >= 0))
            for s, t in self.module.paths
        }
        self.module.fit_statistics(
            self._statistics(readers, rows),
            pairs={(s, t): (number[s][cells], number[t][cells]) for (s, t), cells in both.items()},
            batches=batches,
        )

    def _run_phases(
        self,
        run: Run,
        phases: Sequence[tuple[Phase, PairedDataSplitter, dict[str, Any]]],
        options: Mapping[str, Any],
    ) -> bool:
        is_finished = super()._run_phases(run, phases, options)
        # the runner leaves the last phase's cells, which are not all that were trained on
        parts = [splitter.split() for _, splitter, _ in phases]
        train = np.unique(np.concatenate([part.train for part in parts]))
        validation = np.unique(np.concatenate([part.validation for part in parts]))
        rest = np.setdiff1d(np.arange(self.adata.n_obs), np.concatenate([train, validation]))
        self.train_indices, self.validation_indices, self.test_indices = train, validation, rest
        return is_finished


def _measured(cells: TrainingCells, keys: Sequence[str]) -> NDArray[np.bool_]:
    """Return which registered cells were measured in all of some modalities, (n_obs,)."""
    return np.all([cells.own[key] >= 0 for key in keys], axis=0)
