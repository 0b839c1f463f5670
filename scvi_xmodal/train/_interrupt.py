"""Ctrl-C ends a phase, not the process."""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from scvi.train import Trainer

from scvi_xmodal._compat import TrainRunner

if TYPE_CHECKING:
    from collections.abc import Iterator


class InterruptibleTrainer(Trainer):
    """scvi-tools' trainer, which returns at Ctrl-C with ``interrupted`` set.

    Lightning below 2.5 does so itself; later ones leave the process by ``SystemExit`` and
    ignore Ctrl-C from then on.
    """

    def fit(self, *args: Any, **kwargs: Any) -> None:
        """Fit; return quietly if Ctrl-C stops it."""
        with _handler_put_back():
            try:
                super().fit(*args, **kwargs)
            except (KeyboardInterrupt, SystemExit) as stop:
                if not _is_interrupt(stop) or not self.interrupted:
                    raise


class InterruptibleRunner(TrainRunner):
    """scvi-tools' runner with that trainer: it finishes after Ctrl-C as after any training."""

    _trainer_cls = InterruptibleTrainer


def _is_interrupt(stop: BaseException) -> bool:
    return isinstance(stop, KeyboardInterrupt) or isinstance(stop.__context__, KeyboardInterrupt)


@contextmanager
def _handler_put_back() -> Iterator[None]:
    handler = signal.getsignal(signal.SIGINT)
    try:
        yield
    finally:
        # only the main thread may set one, and only one that Python knows
        if handler is not None and threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, handler)
