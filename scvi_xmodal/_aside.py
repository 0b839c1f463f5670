"""Files that appear under their name only when they are complete."""

from __future__ import annotations

import errno
import os
import shutil
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def written_aside(path: str | Path) -> Iterator[Path]:
    """Yield another path beside the final one; rename it once it is written.

    Whatever stops the writing, no half-written file stands under the final name, a file that
    stood there before is kept, and what was written aside is removed.

    Parameters
    ----------
    path
        Final path of a file; its folder must exist.

    Raises
    ------
    OSError
        If the disk is full or the folder cannot be written to.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from scvi_xmodal._aside import written_aside
    >>> path = Path(tempfile.mkdtemp()) / "scores.csv"
    >>> with written_aside(path) as aside:
    ...     _ = aside.write_text("a,b")
    >>> path.read_text()
    'a,b'
    """
    path = Path(path)
    aside = aside_of(path)
    try:
        with disk_errors(path):
            yield aside
            os.replace(aside, path)
    finally:
        remove(aside)


def check_folder(path: str | Path, name: str) -> None:
    """Raise a ``ValueError`` if a folder cannot be made because a file stands in its way."""
    whole = Path(path).absolute()
    there = next(place for place in (whole, *whole.parents) if place.exists())
    if not there.is_dir():
        where = "" if there == whole else f": {str(there)!r}"
        raise ValueError(f"{name}={str(path)!r}{where} is a file; name a folder.")


@contextmanager
def disk_errors(path: str | Path) -> Iterator[None]:
    """Turn what libraries raise when they cannot write into an error that says so.

    torch and HDF5 report a full disk as a ``RuntimeError`` of their own.
    """
    try:
        yield
    except (OSError, RuntimeError) as error:
        if not _is_of_the_disk(error):
            raise
        message = (
            f"{str(path)!r} was not written, and nothing is left of it: {_reason(error)} "
            f"({_free(Path(path).absolute().parent)}). Free some space, or choose another place."
        )
        number = getattr(error, "errno", None)
        raise (OSError(message) if number is None else OSError(number, message)) from error


def check_room(path: Path, n_bytes: int) -> None:
    """Raise an ``OSError`` unless the disk of a path has room for so many bytes."""
    if n_bytes > shutil.disk_usage(path.absolute().parent).free:
        raise OSError(errno.ENOSPC, f"No space left on device, {n_bytes / 1e6:,.0f} MB are needed")


def aside_of(path: Path) -> Path:
    """Return a hidden path in the same folder, with the same ending."""
    return path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")


def remove(path: Path) -> None:
    """Remove a file or folder, if it is there."""
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink()


_NUMBERS = (
    errno.EACCES,
    errno.EDQUOT,
    errno.EFBIG,
    errno.EIO,
    errno.EISDIR,
    errno.ENAMETOOLONG,
    errno.ENOSPC,
    errno.ENOTDIR,
    errno.EPERM,
    errno.EROFS,
)
_SIGNS = (
    "no space left",
    "file write failed",
    "failed writing file",
    "unexpected pos",
    "can't write data",
    "unable to extend file",
    "file too large",
    "quota exceeded",
)


def _is_of_the_disk(error: BaseException) -> bool:
    if isinstance(error, OSError) and error.errno in _NUMBERS:
        return True
    return any(sign in str(error).lower() for sign in _SIGNS)


def _reason(error: BaseException) -> str:
    text = getattr(error, "strerror", None) or str(error)
    return text.splitlines()[0] if text else type(error).__name__


def _free(folder: Path) -> str:
    try:
        return f"{shutil.disk_usage(folder).free / 1e6:,.0f} MB are free in {str(folder)!r}"
    except OSError:
        return f"{str(folder)!r} cannot be reached"
