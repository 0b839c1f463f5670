"""What the processes of a distributed run agree on."""

from __future__ import annotations

import torch
import torch.distributed as dist


def rank_and_number() -> tuple[int, int]:
    """Return this process's rank and how many there are; 0 and 1 outside of distributed runs."""
    if dist.is_available() and dist.is_initialized():
        return dist.get_rank(), dist.get_world_size()
    return 0, 1


def of_first_process(number: int) -> int:
    """Return the first process's number in all of them; all must ask for it.

    Examples
    --------
    >>> from scvi_xmodal.data._processes import of_first_process
    >>> of_first_process(3)
    3
    """
    if rank_and_number()[1] == 1:
        return number
    own = torch.tensor(number, dtype=torch.int64)
    on_device = own.cuda() if dist.get_backend() == "nccl" else own
    dist.broadcast(on_device, src=0)
    return int(on_device.cpu())
