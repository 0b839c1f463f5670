"""Keep what users cannot act on off their screen."""

from __future__ import annotations

import logging
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_LOGGERS = (
    "lightning.pytorch.utilities.rank_zero",
    "lightning.pytorch.accelerators.cuda",
)
_MESSAGES = (
    r".*LeafSpec.*",  # Lightning's own use of a deprecated torch name
    r".*does not have many workers.*",  # rows are read a minibatch at a time: workers slow it
    r".*Last batch will have a small size.*",  # our sampler never yields a single cell
    r".*`IterableDataset` has `__len__` defined.*",  # no workers, so the length is right
    r".*is smaller than the logging interval.*",  # everything is logged once an epoch
    r".*You are trying to `self.log\(\)`.*",
)


@contextmanager
def quiet_lightning() -> Iterator[None]:
    """Silence Lightning's tips and its notices about devices and loaders."""
    loggers = [logging.getLogger(name) for name in _LOGGERS]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.WARNING)
        with warnings.catch_warnings():
            for message in _MESSAGES:
                warnings.filterwarnings("ignore", message=message)
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
