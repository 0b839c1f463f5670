"""Advice for when memory runs out."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def memory_advice(verb: str, batch_size: int) -> Iterator[None]:
    """Name the batch size that may fit when a GPU's memory is full.

    Parameters
    ----------
    verb
        Method that was called.
    batch_size
        Cells that it held at a time.

    Raises
    ------
    torch.cuda.OutOfMemoryError
        In the place of torch's own.
    """
    import torch

    try:
        yield
    except torch.cuda.OutOfMemoryError as error:
        torch.cuda.empty_cache()
        smaller = max(2, batch_size // 2)
        raise torch.cuda.OutOfMemoryError(
            f"The GPU has too little memory for {batch_size} cells at a time: "
            f"{verb}(batch_size={smaller}) needs about half of it, accelerator='cpu' none. "
            f"torch says: {str(error).splitlines()[0] if str(error) else 'out of memory'}"
        ) from error
