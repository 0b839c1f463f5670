"""MuData's changing rules, kept away from the user."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import mudata

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextlib.contextmanager
def own_columns_only() -> Iterator[None]:
    """Build and read MuData by the rules of mudata 0.4, whichever version is installed.

    Since 0.4, ``obs`` and ``var`` columns of the modalities are no longer copied to the top
    level. mudata 0.3 asks every user to choose with a ``FutureWarning``; choosing inside a
    context leaves the user's own option as it was.
    """
    if hasattr(mudata, "set_options"):
        rules: contextlib.AbstractContextManager = mudata.set_options(pull_on_update=False)
    else:  # mudata 0.4 has settings in its place
        rules = mudata.settings.override(pull_on_update=False)
    with rules:
        yield
