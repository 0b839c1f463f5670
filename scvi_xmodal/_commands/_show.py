"""What commands print."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    import pandas as pd


_OPTIONS = {
    "source": "--from",
    "target": "--to",
    "depth": "--depth",
    "transform_batch": "--batch",
    "layer": "--layer",
    "rna_layer": "--layer",
    "atac_layer": "--layer",
    "protein_layer": "--layer",
    "repool": "--repool",
    "labels_key": "--labels-key",
    "batch_key": "--batch-key",
    "hold_out": "--hold-out",
    "by": "--hold-out",
    "out": "--out",
    "accelerator": "--accelerator",
    "preset": "--preset",
    "max_epochs": "--max-epochs",
    "pretrain_epochs": "--pretrain-epochs",
}
"""What the commands call the arguments of Python that messages name."""
# a value is set apart from its option; the only one of a switch is True
_ARGUMENT = re.compile(rf"\b({'|'.join(_OPTIONS)})=(?:True\b|(?=['\"\w\[(-])())?")


def with_options(message: str) -> str:
    """Return a message of Python's in the words of the command line.

    Examples
    --------
    >>> from scvi_xmodal._commands._show import with_options
    >>> with_options("repool=True maps peaks onto peaks, but source='rna' is rna.")
    "--repool maps peaks onto peaks, but --from 'rna' is rna."
    """
    return _ARGUMENT.sub(
        lambda found: _OPTIONS[found[1]] + (" " if found[2] is not None else ""), message
    )


def show(facts: dict[str, Any], as_json: bool) -> None:
    """Print facts to standard output, for people or for programs."""
    if as_json:
        typer.echo(json.dumps(facts, indent=2))
        return
    for name, value in facts.items():
        shown = value
        if isinstance(value, dict):
            shown = ", ".join(f"{key} {_line(part)}" for key, part in value.items())
        elif isinstance(value, list):
            shown = ", ".join(map(str, value))
        if shown not in ("", None):
            typer.echo(f"{name}: {shown}")


def _line(value: Any) -> str:
    if isinstance(value, dict):
        return f"({', '.join(f'{name} {part}' for name, part in value.items())})"
    return str(value)


def as_text(scores: pd.DataFrame) -> str:
    """Return a table of scores with a column for each model, without scores that none has."""
    table = scores.dropna(axis="columns", how="all").T.rename_axis(None, axis="columns")
    return table.to_string(
        float_format=lambda value: f"{value:.3f}".removesuffix(".000"), na_rep="-"
    )
