"""Training plans and phases on scvi-tools' runner."""

from __future__ import annotations

from scvi_xmodal.train._adversarial import AdversarialPathsPlan, check_plan_kwargs
from scvi_xmodal.train._callbacks import PhaseProgressBar, RestoreBest, StopOnNaN
from scvi_xmodal.train._checkpoint import (
    CHECKPOINT,
    CheckpointFile,
    EpochCheckpoints,
    random_state,
    read_checkpoint,
    set_random_state,
)
from scvi_xmodal.train._elbo import ElboPlan, check_elbo_kwargs
from scvi_xmodal.train._head import HEAD_LOSSES, HeadLoss, HeadPlan, fit_head
from scvi_xmodal.train._history import (
    extend_history,
    history_from_plain,
    n_kept_epochs,
    plain_history,
)
from scvi_xmodal.train._paths import PathsPlan
from scvi_xmodal.train._phases import Interrupted, Phase, phase_history, run_phase
from scvi_xmodal.train._stopping import MONITOR, Stopping, taken_stopping
from scvi_xmodal.train._sums import LossSums

__all__ = [
    "CHECKPOINT",
    "HEAD_LOSSES",
    "MONITOR",
    "AdversarialPathsPlan",
    "CheckpointFile",
    "ElboPlan",
    "EpochCheckpoints",
    "HeadLoss",
    "HeadPlan",
    "Interrupted",
    "LossSums",
    "PathsPlan",
    "Phase",
    "PhaseProgressBar",
    "RestoreBest",
    "StopOnNaN",
    "Stopping",
    "check_elbo_kwargs",
    "check_plan_kwargs",
    "extend_history",
    "fit_head",
    "history_from_plain",
    "n_kept_epochs",
    "phase_history",
    "plain_history",
    "random_state",
    "read_checkpoint",
    "run_phase",
    "set_random_state",
    "taken_stopping",
]
