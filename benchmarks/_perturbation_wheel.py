"""The published wheel's model of perturbed cells; see ``_wheel_parts_driver``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

from benchmarks._accuracy_models import MODELS
from benchmarks._accuracy_wheel_protein import floored, log_normalised, run_parts
from benchmarks._wheel import SCHEDULE
from scvi_xmodal.data import translation, translation_record

if TYPE_CHECKING:
    from anndata import AnnData

    from scvi_xmodal.data import Pairs

WHEEL = MODELS["wheel"].label
SEED = 19193
"""The published seed, to which ours is added."""


def wheel_prediction(
    cells: AnnData, pairs: list[Pairs], query: AnnData, seed: int, epochs: int | None
) -> tuple[AnnData, float]:
    """Return predicted perturbed cells for control cells, and the fit's CPU seconds.

    Its published cells came normalised: here by the median of all, as scanpy does. It has the
    pairs that Butterfly trains and stops by, and ends its training by the published schedule.

    Parameters
    ----------
    cells
        Raw counts of all cells.
    pairs
        Rows of ``cells`` for ``"control"`` and ``"perturbed"``, for training and validation.
    query
        Control cells of the unseen type, which are among ``cells``.
    seed
        Seed of the model.
    epochs
        Longest duration of every phase; by default as published.
    """
    values = sparse.csr_matrix(log_normalised(cells))
    train, validation = ((own.rows["control"], own.rows["perturbed"]) for own in pairs)
    test = cells.obs_names.get_indexer(query.obs_names)
    schedule: dict[str, Any] = dict.fromkeys(SCHEDULE, epochs) if epochs else dict(SCHEDULE)
    predicted, cost = run_parts(
        "train_model_perturb",
        {"first": values, "second": values},
        {"train": train, "validation": validation, "test": (test, np.zeros(1, dtype=int))},
        {**schedule, "seed": SEED + seed},
    )
    record = translation_record(
        source="control", target="perturbed", target_kind="rna", model="wheel", options={}
    )
    profile = floored(predicted["second"]).astype(np.float32)
    return translation({"X": profile}, obs=query.obs, var=query.var, record=record), cost.cpu
