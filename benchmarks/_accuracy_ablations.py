"""Parts of Butterfly that an ablation takes away and no argument of the model does.

They are taken away in the process of one fit (each is a process of its own), by changing what a
class does there; the package has no such switches, because nobody should want them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from scvi_xmodal.data._peaks import parse_peaks
from scvi_xmodal.model import _trust
from scvi_xmodal.module import _likelihoods

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from anndata import AnnData


def leave_out(parts: Iterable[str]) -> None:
    """Take parts away, for the rest of this process.

    Parameters
    ----------
    parts
        ``"depth_offset"``: accessibility does not depend on the cell's depth.
        ``"initial_bias"``: output biases start at 0, not at the training cells' base rates.
        ``"shrinkage"``: the network's predictions keep all that sets them apart from the base
        rates. (The linear path is left out by ``n_components=0``.)

    Raises
    ------
    ValueError
        If a part is unknown.
    """
    for part in parts:
        if part not in _PARTS:
            raise ValueError(f"There is no part {part!r} to leave out; there are {list(_PARTS)}.")
        _PARTS[part]()


def shuffle_chromosomes(atac: AnnData, seed: int) -> None:
    """Deal the peaks to the chromosomes' layers at random, in place; the sizes stay."""
    chromosomes = parse_peaks(atac.var_names).chrom
    atac.var["chrom"] = np.random.default_rng(seed).permutation(chromosomes)


def _no_depth_offset() -> None:
    def offset(self: Any, depth: Any) -> Any:
        return depth.new_zeros(depth.shape)

    _likelihoods.Bernoulli._offset = offset  # type: ignore[method-assign]


def _no_initial_bias() -> None:
    fit = _likelihoods.Likelihood.fit

    def fit_all_but_the_bias(self: Any, statistics: Any) -> None:
        fit(self, statistics)
        self.output.bias.data.zero_()

    # base rates stay known: what predictions are drawn towards is another part
    _likelihoods.Likelihood.fit = fit_all_but_the_bias  # type: ignore[method-assign]


def _no_shrinkage() -> None:
    _trust.fit_shrinkage = lambda *_: None  # type: ignore[assignment]


_PARTS: dict[str, Callable[[], None]] = {
    "depth_offset": _no_depth_offset,
    "initial_bias": _no_initial_bias,
    "shrinkage": _no_shrinkage,
}
