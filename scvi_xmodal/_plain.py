"""Files of tensors, numbers, strings, lists and dicts, read without running code in them."""

from __future__ import annotations

import pickle
import zipfile
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

_ERRORS = (
    AttributeError,
    EOFError,
    IndexError,
    KeyError,
    RuntimeError,
    TypeError,
    ValueError,
    pickle.PickleError,
    zipfile.BadZipFile,
)


def load_plain(path: Path, *, device: Any = "cpu") -> dict[str, Any]:
    """Read a file of ``torch.save`` by torch's restricted unpickler, and nothing but plain values.

    Parameters
    ----------
    path
        Path of the file.
    device
        Where tensors go.

    Raises
    ------
    ValueError
        If the file is truncated, no such file, or holds anything that would have to be run.
    """
    import torch

    try:
        if not zipfile.is_zipfile(path):
            raise ValueError("it is truncated, or no file of torch.save")
        state = torch.load(path, map_location=device, weights_only=True)
        if not isinstance(state, dict):
            raise ValueError(f"it holds a {type(state).__name__}")
    except pickle.UnpicklingError as error:
        raise ValueError(
            "it holds more than plain values, and reading them would run code from the file"
        ) from error
    except _ERRORS as error:
        raise ValueError(str(error).split("\n")[0] or type(error).__name__) from error
    return state
