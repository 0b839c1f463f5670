"""The expected logarithm of a negative binomial count."""

from __future__ import annotations

import math

import torch

_LOWEST, _HIGHEST, _STEP = -12.0, 14.0, 0.5
_N_KNOTS = int((_HIGHEST - _LOWEST) / _STEP) + 1
_NODES = torch.linspace(math.log(1e-9), math.log(40), 80, dtype=torch.float64)
_VALUES_AT_A_TIME = 1 << 20


def expected_log1p_table(theta: torch.Tensor) -> torch.Tensor:
    r"""Tabulate E[ln(1 + y)] of negative binomial counts over their log mean.

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
    Values and slopes at the knots, of shape (2, n_genes, n_knots).
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
    return torch.stack([value * width, slope * width])


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
    value, slope = table.to(mean.dtype)
    return torch.cat([_interpolate(part, value, slope) for part in mean.split(rows)])


def _interpolate(mean: torch.Tensor, value: torch.Tensor, slope: torch.Tensor) -> torch.Tensor:
    log_mean = mean.clamp(min=math.exp(_LOWEST)).log()
    place = (log_mean.clamp(max=_HIGHEST) - _LOWEST) / _STEP
    knot = place.floor().clamp(max=_N_KNOTS - 2)
    x = place - knot
    genes = torch.arange(mean.shape[1], device=mean.device) * _N_KNOTS
    index = knot.long() + genes
    left, right = value.take(index), value.take(index + 1)
    left_slope, right_slope = slope.take(index) * _STEP, slope.take(index + 1) * _STEP
    rise = right - left
    cubic = (left_slope + right_slope - 2 * rise) * x + (3 * rise - 2 * left_slope - right_slope)
    inside = left + x * (left_slope + x * cubic)
    return inside + (log_mean - _HIGHEST).clamp(min=0)
