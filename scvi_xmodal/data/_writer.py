"""Write a translation to disk, some rows at a time."""

from __future__ import annotations

import os
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
from anndata import AnnData
from anndata.io import write_elem

from scvi_xmodal._aside import check_room, written_aside
from scvi_xmodal.data._translation import translation_uns

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

    import pandas as pd
    from numpy.typing import NDArray

_CHUNK_VALUES = 1 << 18


class TranslationWriter:
    """Writes an AnnData file of dense matrices by blocks of rows; all of it or nothing.

    The file is written under another name beside the final one and renamed when complete.

    Parameters
    ----------
    path
        Final path, ending in ``.h5ad`` or ``.zarr``.
    shape
        Number of cells and features.
    obs, var
        Annotation as far as it is known. It is written first, so that what cannot be written is
        found before the work.
    rows_per_chunk
        Rows stored together; by default as many as make some hundred thousand values.

    Raises
    ------
    ValueError
        If the ending is another, the file exists, the folder cannot be written to, or the
        annotation cannot.
    OSError
        If the disk gets full; no part of the file is left.
    """

    def __init__(
        self,
        path: str | Path,
        shape: tuple[int, int],
        *,
        obs: pd.DataFrame | None = None,
        var: pd.DataFrame | None = None,
        rows_per_chunk: int | None = None,
    ):
        self.path = Path(path)
        if self.path.suffix not in (".h5ad", ".zarr"):
            raise ValueError(f"out={str(path)!r} must end in .h5ad or .zarr.")
        if self.path.exists():
            raise ValueError(f"out={str(path)!r} already exists. Choose another path.")
        if not os.access(self.path.parent, os.W_OK):
            raise ValueError(f"out={str(path)!r}: cannot write to {str(self.path.parent)!r}.")
        self.shape = shape
        self._known = {"obs": obs, "var": var}
        rows = rows_per_chunk or max(1, _CHUNK_VALUES // max(shape[1], 1))
        self._chunks = (max(1, min(rows, shape[0])), max(1, shape[1]))
        self._n_written = self._reserved = 0
        self._datasets: dict[str, Any] = {}
        self._written: dict[str, pd.DataFrame] = {}

    def __enter__(self) -> TranslationWriter:
        with ExitStack() as stack:
            self.aside = stack.enter_context(written_aside(self.path))
            if self.path.suffix == ".h5ad":
                # closed before it is renamed: what does not fit on a disk may show only then
                self._group = stack.enter_context(h5py.File(self.aside, "w"))
            else:
                import zarr

                self._group = zarr.open_group(str(self.aside), mode="w")
            attributes = {"encoding-type": "anndata", "encoding-version": "0.1.0"}
            self._group.attrs.update(attributes)
            self._annotate(**self._known)
            self._stack = stack.pop_all()
        return self

    def create(self, layers: Mapping[str, NDArray[Any]]) -> None:
        """Create empty matrices for these layers, for others to write into."""
        for name, values in layers.items():
            if name not in self._datasets:
                self._datasets[name] = self._create(name, values.dtype)

    def append(self, layers: Mapping[str, NDArray[Any]]) -> None:
        """Write the next rows of ``"X"`` and further layers, of shape (n_rows, n_features)."""
        n_rows = next(iter(layers.values())).shape[0]
        self.create(layers)
        for name, values in layers.items():
            self._datasets[name][self._n_written : self._n_written + n_rows] = values
        self._n_written += n_rows

    def finish(self, *, obs: pd.DataFrame, var: pd.DataFrame, record: Mapping[str, Any]) -> None:
        """Write the annotation; the file is complete after this."""
        self._annotate(obs=obs, var=var)
        further: dict[str, Any] = {"uns": translation_uns(record)}
        further |= {name: {} for name in ("obsm", "varm", "obsp", "varp")}
        for name, value in further.items():
            write_elem(self._group, name, value)
        if "layers" not in self._group:
            write_elem(self._group, "layers", {})

    def _annotate(self, **frames: pd.DataFrame | None) -> None:
        """Write ``obs`` and ``var`` as AnnData does, unless they stand there already."""
        for name, frame in frames.items():
            if frame is None or frame is self._written.get(name):
                continue
            try:
                own = AnnData(obs=frame.copy())
                own.strings_to_categoricals()
                write_elem(self._group, name, own.obs)
            except OSError:  # a full disk
                raise
            except Exception as error:  # whatever kinds of columns raise
                notes = " ".join([str(error), *getattr(error, "__notes__", ())])
                raise ValueError(
                    f"out={str(self.path)!r}: AnnData cannot write the {name} of this "
                    "translation. Give columns one kind (numbers, texts, truths or categories) "
                    f"and names that are different texts, or drop them. AnnData says: {notes}"
                ) from error
            self._written[name] = frame

    def _create(self, name: str, dtype: Any) -> Any:
        path = name if name == "X" else f"layers/{name}"
        if name != "X" and "layers" not in self._group:
            write_elem(self._group, "layers", {})
        if self.path.suffix == ".h5ad":
            # beforehand, because HDF5 may crash the process when a disk gets full under it
            self._reserved += self.shape[0] * self.shape[1] * np.dtype(dtype).itemsize
            check_room(self.path, self._reserved)
        create = getattr(self._group, "create_array", None) or self._group.create_dataset
        dataset = create(path, shape=self.shape, dtype=dtype, chunks=self._chunks)
        dataset.attrs.update({"encoding-type": "array", "encoding-version": "0.2.0"})
        return dataset

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stack.__exit__(error_type, error, traceback)
