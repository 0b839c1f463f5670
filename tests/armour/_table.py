"""The whole table of bad inputs."""

from __future__ import annotations

import _cases_drawing
import _cases_ensemble
import _cases_files
import _cases_joining
import _cases_metrics
import _cases_polarbear
import _cases_pp
import _cases_setup
import _cases_tl
import _cases_train
import _cases_trust

MODULES = (
    _cases_setup,
    _cases_train,
    _cases_polarbear,
    _cases_trust,
    _cases_drawing,
    _cases_files,
    _cases_pp,
    _cases_joining,
    _cases_tl,
    _cases_ensemble,
    _cases_metrics,
)
CASES = [case for module in MODULES for case in module.CASES]
