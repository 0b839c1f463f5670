"""The command line: parses and calls, nothing else.

Whatever takes long to import is imported inside the commands, so that ``--help`` is quick.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

import scvi_xmodal

__all__ = ["app"]

_DEBUG = "--debug"


class _OneLineErrors(TyperGroup):
    """Shows users their mistakes in a line; ``--debug``, anywhere, shows the traceback."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        rest = [argument for argument in args if argument != _DEBUG]
        return super().parse_args(ctx, rest if rest == args else [_DEBUG, *rest])

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except ValueError as error:
            if ctx.params["debug"]:
                raise
            typer.echo(f"Error: {' '.join(str(error).split())}", err=True)
            raise typer.Exit(2) from None


app = typer.Typer(
    cls=_OneLineErrors,
    help="Translate single-cell profiles between modalities.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"scvi-xmodal {scvi_xmodal.__version__}")
        raise typer.Exit


@app.callback()
def _options(
    debug: Annotated[bool, typer.Option(_DEBUG, help="Show the traceback of an error.")] = False,
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """Translate single-cell profiles between modalities."""


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="Folder to write to.")] = Path("demo"),
    quick: Annotated[
        bool, typer.Option("--quick", help="Train for a few epochs only, to see that it works.")
    ] = False,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the split, model and figures.")] = 0,
) -> None:
    """Train on bundled mouse cortex cells, translate held-out ones both ways, score and draw."""
    from scvi_xmodal._demo import run_demo

    run_demo(out, quick=quick, seed=seed)
