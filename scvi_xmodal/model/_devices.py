"""Where a model computes, checked before anything is computed."""

from __future__ import annotations

from inspect import signature
from typing import TYPE_CHECKING, Any

from lightning.pytorch import Trainer as LightningTrainer
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from scvi.train import Trainer

from scvi_xmodal._arguments import FLAG, LIST, check_keywords
from scvi_xmodal._compat import parse_device_args

if TYPE_CHECKING:
    from collections.abc import Mapping

_OWN = ("max_epochs", "early_stopping", "simple_progress_bar", "use_distributed_sampler")


def checked_device(accelerator: Any, device: Any) -> Any:
    """Return the one device of ``accelerator`` and ``device`` as torch calls it.

    Raises
    ------
    ValueError
        If there is no such accelerator or device.
    """
    return _parsed(accelerator, device, "device", validate_single_device=True)


def check_trainer_kwargs(kwargs: Mapping[str, Any]) -> None:
    """Raise before anything is trained at a keyword or a device that the trainer refuses.

    Raises
    ------
    ValueError
        If a keyword is unknown or set by ``train`` itself, or there is no such device.

    Examples
    --------
    >>> from scvi_xmodal.model._devices import check_trainer_kwargs
    >>> check_trainer_kwargs({"accelerator": "cpu"})
    """
    known = {*signature(Trainer).parameters, *signature(LightningTrainer).parameters}
    known -= {"kwargs", *_OWN}
    for name in kwargs:
        if name not in known and not name.startswith("early_stopping_"):
            raise ValueError(
                f"train() has no argument {name!r}; those of the trainer are {sorted(known)}."
            )
    logger = kwargs.get("logger")
    if not (logger is None or isinstance(logger, bool | list) or hasattr(logger, "log_metrics")):
        raise ValueError(f"logger must be True, False or a logger of Lightning, got {logger!r}.")
    check_keywords(
        "trainer_kwargs", kwargs, {"callbacks": LIST.or_none(), "enable_progress_bar": FLAG}
    )
    _parsed(kwargs.get("accelerator", "auto"), kwargs.get("devices", "auto"), "devices")


def _parsed(accelerator: Any, devices: Any, argument: str, **options: Any) -> Any:
    try:
        *_, place = parse_device_args(
            accelerator=accelerator, devices=devices, return_device="torch", **options
        )
    except (TypeError, ValueError, MisconfigurationException, RuntimeError) as error:
        raise ValueError(
            f"accelerator={accelerator!r} and {argument}={devices!r} name no device here: {error} "
            f"accelerator='cpu', {argument}='auto' always work."
        ) from error
    return place
