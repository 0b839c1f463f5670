"""Silence that ends where it should."""

from __future__ import annotations

import logging
import warnings

import pytest

from scvi_xmodal.train._quiet import _LOGGERS, quiet_lightning

TIP = "The 'train_dataloader' does not have many workers which may be a bottleneck."


def test_levels_come_back_even_after_an_error():
    loggers = [logging.getLogger(name) for name in _LOGGERS]
    before = [logger.level for logger in loggers]

    def fail():
        with quiet_lightning():
            assert all(logger.level == logging.WARNING for logger in loggers)
            raise RuntimeError("inside")

    with pytest.raises(RuntimeError, match="inside"):
        fail()
    assert [logger.level for logger in loggers] == before


def test_only_what_users_cannot_act_on_is_silenced():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with quiet_lightning():
            warnings.warn(TIP, stacklevel=1)
            warnings.warn("this one matters", stacklevel=1)
        warnings.warn(TIP, stacklevel=1)
    assert [str(warning.message) for warning in caught] == ["this one matters", TIP]
