"""Training plans and phases on scvi-tools' runner."""

from __future__ import annotations

from scvi_xmodal.train._adversarial import AdversarialPathsPlan
from scvi_xmodal.train._callbacks import PhaseProgressBar, RestoreBest, StopOnNaN
from scvi_xmodal.train._head import HEAD_LOSSES, HeadLoss, HeadPlan, fit_head
from scvi_xmodal.train._history import extend_history
from scvi_xmodal.train._paths import PathsPlan
from scvi_xmodal.train._phases import MONITOR, Phase, run_phase
from scvi_xmodal.train._sums import LossSums

__all__ = [
    "HEAD_LOSSES",
    "MONITOR",
    "AdversarialPathsPlan",
    "HeadLoss",
    "HeadPlan",
    "LossSums",
    "PathsPlan",
    "Phase",
    "PhaseProgressBar",
    "RestoreBest",
    "StopOnNaN",
    "extend_history",
    "fit_head",
    "run_phase",
]
