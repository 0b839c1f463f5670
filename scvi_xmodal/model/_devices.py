"""Where a model computes, checked before anything is computed."""

from __future__ import annotations

from difflib import get_close_matches
from inspect import signature
from typing import TYPE_CHECKING, Any, NoReturn

from lightning.pytorch import Callback
from lightning.pytorch import Trainer as LightningTrainer
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from scvi.train import Trainer

from scvi_xmodal._arguments import FLAG, LIST, check_keywords, shown
from scvi_xmodal._compat import parse_device_args
from scvi_xmodal.train._paths import PLAN_RULES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_OWN = ("max_epochs", "early_stopping", "simple_progress_bar", "use_distributed_sampler")
_OTHER_NAMES = {"learning_rate": "lr"}
_CLIPPING = "plan_kwargs={'max_grad_norm': ...} clips gradients in every phase"
_TOO_NARROW = ("16-true", "bf16-true")
_NOT_HERE: dict[str, tuple[Callable[[Any], bool], str]] = {
    "accumulate_grad_batches": (
        lambda value: value is None or value == 1,
        "every minibatch is a step, batch_size= says of how many cells",
    ),
    "gradient_clip_val": (lambda value: value is None, _CLIPPING),
    "gradient_clip_algorithm": (lambda value: value is None, _CLIPPING),
    "limit_val_batches": (
        lambda value: value is None or value != 0,
        "the epoch to keep is chosen by the validation cells; to train without any, give a "
        "split= or train_size=1.0",
    ),
    "overfit_batches": (lambda value: not value, "name the cells to train on by split="),
    "precision": (
        lambda value: value not in _TOO_NARROW,
        "16 bits hold neither counts nor their losses; precision='bf16-mixed' or '16-mixed' keeps "
        "what needs them in 32",
    ),
    "max_steps": (
        lambda value: value is None or value == -1,
        "phases are counted in epochs, as by max_epochs=",
    ),
}
"""What Lightning knows and these models do not: the values that pass, and the mend."""


def checked_device(accelerator: Any, device: Any) -> Any:
    """Return the one device of ``accelerator`` and ``device`` as torch calls it.

    Raises
    ------
    ValueError
        If there is no such accelerator or device.
    """
    return _parsed(accelerator, device, "device", validate_single_device=True)


def check_trainer_kwargs(kwargs: Mapping[str, Any], *, method: Callable[..., Any]) -> None:
    """Raise before anything is trained at a keyword or a device that the trainer refuses.

    Parameters
    ----------
    kwargs
        Keywords that ``train`` does not know itself.
    method
        The model's ``train``, whose arguments messages name.

    Raises
    ------
    ValueError
        If a keyword is unknown, set by ``train`` itself or has no effect on it, a callback is
        none, or there is no such device.

    Examples
    --------
    >>> from scvi_xmodal.model._devices import check_trainer_kwargs
    >>> from scvi_xmodal.model import Butterfly
    >>> check_trainer_kwargs({"max_epoch": 3}, method=Butterfly.train)
    Traceback (most recent call last):
        ...
    ValueError: train() has no argument 'max_epoch': did you mean max_epochs? It takes...
    """
    known = {*signature(Trainer).parameters, *signature(LightningTrainer).parameters}
    known -= {"kwargs", *_OWN}
    for name in kwargs:
        if name not in known and not name.startswith("early_stopping_"):
            _refuse_keyword(name, kwargs[name], _named(method), known)
        passes, mend = _NOT_HERE.get(name, (None, ""))
        if passes is not None and not passes(kwargs[name]):
            raise ValueError(f"train() does not know {name}={shown(kwargs[name])}: {mend}.")
    logger = kwargs.get("logger")
    if not (logger is None or isinstance(logger, bool | list) or hasattr(logger, "log_metrics")):
        raise ValueError(f"logger must be True, False or a logger of Lightning, got {logger!r}.")
    check_keywords(
        "trainer_kwargs", kwargs, {"callbacks": LIST.or_none(), "enable_progress_bar": FLAG}
    )
    for callback in kwargs.get("callbacks") or []:
        if not isinstance(callback, Callback):
            raise ValueError(
                f"callbacks must hold callbacks of lightning.pytorch, got {shown(callback)}: make "
                "a subclass of lightning.pytorch.Callback."
            )
    _parsed(kwargs.get("accelerator", "auto"), kwargs.get("devices", "auto"), "devices")


def _named(method: Callable[..., Any]) -> list[str]:
    parameters = signature(method).parameters.values()
    return [x.name for x in parameters if x.kind is not x.VAR_KEYWORD and x.name != "self"]


def _refuse_keyword(name: str, value: Any, own: list[str], known: set[str]) -> NoReturn:
    """Raise at an unknown keyword, and say what was probably meant."""
    message = f"train() has no argument {name!r}"
    of_plan = _OTHER_NAMES.get(name, name)
    if of_plan in PLAN_RULES:
        raise ValueError(
            f"{message}: the training plan takes it, plan_kwargs={{{of_plan!r}: {shown(value)}}}."
        )
    options = [*own, *sorted(known), *PLAN_RULES]
    # its own come first, however much more the name looks like one of the trainer's
    near = [*get_close_matches(name, own, n=1), *get_close_matches(name, options, n=1), ""][0]
    meant = f"plan_kwargs={{{near!r}: ...}}" if near in PLAN_RULES else near
    guess = f": did you mean {meant}?" if near else "."
    raise ValueError(
        f"{message}{guess} It takes {', '.join(own)}; and what lightning.pytorch.Trainer takes, "
        "such as accelerator and devices."
    )


def _parsed(accelerator: Any, devices: Any, argument: str, **options: Any) -> Any:
    try:
        *_, place = parse_device_args(
            accelerator=accelerator, devices=devices, return_device="torch", **options
        )
    except (
        ImportError,  # of what drives a TPU
        TypeError,
        ValueError,
        MisconfigurationException,
        RuntimeError,
    ) as error:
        raise ValueError(
            f"accelerator={accelerator!r} and {argument}={devices!r} name no device here: {error} "
            f"accelerator='cpu', {argument}='auto' always work."
        ) from error
    return place
