"""What commands print."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    import pandas as pd


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
