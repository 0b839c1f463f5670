"""What the encoders read of a minibatch, transformed once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from scvi_xmodal.module._partial import PRESENCE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from scvi_xmodal.nn import Presence, SparseRows


class Inputs:
    """Inputs of one or several sources, each computed when it is first asked for.

    Encoders and components read the same inputs, and of peaks these cost as much as encoding.

    Parameters
    ----------
    transforms
        Input transforms by modality.
    source
        The source, or several.
    counts
        Counts of shape (n_cells, n_features of the source); of several sources a minibatch;
        ``None`` where none will be asked for.
    """

    def __init__(self, transforms: Any, source: str | tuple[str, ...], counts: Any):
        self.counts: Mapping[str, SparseRows]
        self.presence: Presence | None = None
        if isinstance(source, str):
            self.counts = {source: counts}
        else:
            counts = counts or {}
            self.counts = {key: counts[key] for key in source if key in counts}
            self.presence = counts.get(PRESENCE)
        self._transforms = transforms
        self._known: dict[str, Any] = {}

    def __getitem__(self, source: str) -> Any:
        """Return a source's inputs, of the counts' shape."""
        if source not in self._known:
            self._known[source] = self._transforms[source](self.counts[source])
        return self._known[source]
