"""Where a warning belongs: at the user's own line."""

from __future__ import annotations

import sys

_PACKAGE = f"{__name__.partition('.')[0]}."


def level_of_user() -> int:
    """Return the stack level of the first caller outside the package, as ``warn`` counts it."""
    frame, level = sys._getframe(1), 0
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith(_PACKAGE):
        frame, level = frame.f_back, level + 1
    return level + 1
