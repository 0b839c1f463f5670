"""The expected logarithm of a negative binomial count."""

from __future__ import annotations

import math

import torch

_LOWEST, _HIGHEST, _STEP = -12.0, 14.0, 0.5
_N_KNOTS = int((_HIGHEST - _LOWEST) / _STEP) + 1
_NODES = torch.linspace(math.log(1e-9), math.log(40), 80, dtype=torch.float64)
_VALUES_AT_A_TIME = 1 << 16
"""Few enough that what is looked up stays in the cache."""


def expected_log1p_table(theta: torch.Tensor) -> torch.Tensor:
    r"""Tabulate E[ln(1 + y)] of negative binomial counts over their log mean, as cubics.

    With the probability generating function :math:`G` of :math:`y` and
    :math:`\ln(1 + y) = \int_0^\infty \frac{e^{-t}}{t} (1 - e^{-ty}) \, dt`,

    .. math::
        E[\ln(1 + y)] = \int_0^\infty \frac{e^{-t}}{t} \left(1 - G(e^{-t})\right) dt, \quad
        G(s) = \left(1 + \frac{\mu}{\theta} (1 - s)\right)^{-\theta}

    computed by the trapezoid rule over :math:`\ln t`.

    Parameters
    ----------
    theta
        Inverse dispersions of shape (n_genes,).

    Returns
    -------
    Coefficients of the cubics that have the value and the slope of both neighbouring knots,
    constant first, of shape (n_genes, n_knots - 1, 4).
    """
    theta = theta.double()[:, None]
    knots = torch.linspace(_LOWEST, _HIGHEST, _N_KNOTS, dtype=torch.float64, device=theta.device)
    mean = torch.exp(knots)[None]
    value = torch.zeros(theta.shape[0], _N_KNOTS, dtype=torch.float64, device=theta.device)
    slope = torch.zeros_like(value)
    for t in torch.exp(_NODES).tolist():
        closed = -math.expm1(-t)
        log_growth = torch.log1p(mean / theta * closed)
        weight = math.exp(-t)
        value -= weight * torch.expm1(-theta * log_growth)
        slope += weight * mean * closed * torch.exp(-(theta + 1) * log_growth)
    width = float(_NODES[1] - _NODES[0])
    value, slope = value * width, slope * width * _STEP
    left, left_slope, right_slope = value[:, :-1], slope[:, :-1], slope[:, 1:]
    rise = value[:, 1:] - left
    square, cube = 3 * rise - 2 * left_slope - right_slope, left_slope + right_slope - 2 * rise
    return torch.stack([left, left_slope, square, cube], dim=-1)


def expected_log1p(mean: torch.Tensor, table: torch.Tensor) -> torch.Tensor:
    """Look E[ln(1 + y)] up by cubic Hermite interpolation, exact to about 1e-5.

    Where the counts of a gene vary, this is well below ln(1 + mean): it is what the average of
    measured log-normalised values estimates.

    Parameters
    ----------
    mean
        Means of shape (n_cells, n_genes).
    table
        What :func:`expected_log1p_table` returns for the genes' dispersions.

    Returns
    -------
    Tensor of shape (n_cells, n_genes).

    Examples
    --------
    >>> import torch
    >>> from scvi_xmodal.nn import expected_log1p, expected_log1p_table
    >>> table = expected_log1p_table(torch.tensor([1.0]))
    >>> expected_log1p(torch.tensor([[3.0]]), table)  # ln(1 + 3) is 1.386
    tensor([[1.0657]])
    """
    rows = max(1, _VALUES_AT_A_TIME // max(mean.shape[1], 1))
    cubics = table.to(mean.dtype).view(-1, 4)
    return torch.cat([_interpolate(part, cubics) for part in mean.split(rows)])


def _interpolate(mean: torch.Tensor, cubics: torch.Tensor) -> torch.Tensor:
    place = mean.clamp(min=math.exp(_LOWEST)).log_().sub_(_LOWEST).div_(_STEP)
    beyond = (place - (_N_KNOTS - 1)).clamp_(min=0)
    place -= beyond
    knot = place.floor().clamp_(max=_N_KNOTS - 2)
    genes = torch.arange(mean.shape[1], device=mean.device) * (_N_KNOTS - 1)
    # one row of four neighbours, where four tables would be four places in memory
    own = cubics.index_select(0, (knot.long() + genes).view(-1)).view(*mean.shape, 4)
    constant, slope, square, cube = own.unbind(-1)
    x = place.sub_(knot)
    inside = torch.addcmul(square, cube, x).mul_(x).add_(slope).mul_(x).add_(constant)
    return inside.add_(beyond, alpha=_STEP)
