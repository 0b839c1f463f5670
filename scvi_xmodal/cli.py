"""The command line: parses and calls, nothing else.

Whatever takes long to import is imported inside the commands, so that ``--help`` is quick.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

import scvi_xmodal
from scvi_xmodal._commands._show import as_text, show, with_options

__all__ = ["app"]

_DEBUG = "--debug"

Data = Annotated[Path, typer.Argument(help="Paired cells: 10x .h5, .h5mu, .h5ad, .zarr.")]
Model = Annotated[Path, typer.Argument(help="Folder of a saved model.")]
Layer = Annotated[
    str | None, typer.Option(help="Layer of the counts, or X; by default as in training.")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON to standard output.")]


class _OneLineErrors(TyperGroup):
    """Shows users their mistakes in a line; ``--debug``, anywhere, shows the traceback."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        rest = [argument for argument in args if argument != _DEBUG]
        return super().parse_args(ctx, rest if rest == args else [_DEBUG, *rest])

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except (ValueError, OSError) as error:
            if ctx.params["debug"]:
                raise
            typer.echo(f"Error: {with_options(' '.join(str(error).split()))}", err=True)
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


@app.command()
def train(
    data: Data,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of the model to make.")],
    model: Annotated[str, typer.Option(help="butterfly, babel or polarbear.")] = "butterfly",
    preset: Annotated[
        str | None, typer.Option(help="Butterfly's choices; scbutterfly: as published.")
    ] = None,
    hold_out: Annotated[
        str, typer.Option(help="Test cells: by cell, batch, cell_type, cluster, or none.")
    ] = "cell",
    n_top_genes: Annotated[int, typer.Option(min=0, help="Genes to keep; 0 keeps all.")] = 3000,
    min_peak_fraction: Annotated[
        float, typer.Option(min=0, max=1, help="Keep peaks open in this share of training cells.")
    ] = 0.005,
    layer: Annotated[str | None, typer.Option(help="Layer of the counts.")] = None,
    batch_key: Annotated[str | None, typer.Option(help="Column of obs with batches.")] = None,
    max_epochs: Annotated[
        int | None, typer.Option(min=1, help="Longest last phase; polarbear: longest autoencoder.")
    ] = None,
    pretrain_epochs: Annotated[
        int | None, typer.Option(min=0, help="Longest pretraining of a modality; 0 for none.")
    ] = None,
    refit: Annotated[
        bool, typer.Option("--refit", help="Train anew on the validation cells too (butterfly).")
    ] = False,
    accelerator: Annotated[str, typer.Option(help="auto, cpu, gpu, ...")] = "auto",
    seed: Annotated[int, typer.Option(min=0, help="Seed of the split and the model.")] = 0,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a model.")] = False,
    as_json: Json = False,
) -> None:
    """Train a model on paired cells and save it."""
    from scvi_xmodal._commands._train import train_model

    chosen = {
        "max_epochs": max_epochs,
        "pretrain_epochs": pretrain_epochs,
        "refit": refit or None,
    }
    made = train_model(
        data,
        out,
        model=model,
        hold_out=hold_out,
        features=(n_top_genes, min_peak_fraction),
        layer=layer,
        keys={"batch_key": batch_key},
        model_kwargs={} if preset is None else {"preset": preset},
        train_kwargs={
            "accelerator": accelerator,
            "enable_progress_bar": sys.stderr.isatty(),
            **{name: value for name, value in chosen.items() if value is not None},
        },
        seed=seed,
        overwrite=overwrite,
    )
    show(made, as_json)


@app.command()
def translate(
    model: Model,
    query: Annotated[Path, typer.Argument(help="Cells: .h5ad, .h5mu, .zarr or 10x .h5.")],
    target: Annotated[str, typer.Option("--to", help="Modality to translate to, such as rna.")],
    out: Annotated[
        Path, typer.Option("--out", "-o", help="To make: .h5ad, .zarr, or .h5mu with the query.")
    ],
    source: Annotated[str | None, typer.Option("--from", help="Modality to start from.")] = None,
    depth: Annotated[
        str, typer.Option(help="median, to cluster; predicted, to match measured cells.")
    ] = "median",
    layer: Layer = None,
    batch: Annotated[str | None, typer.Option(help="Batch to translate into.")] = None,
    repool: Annotated[
        bool, typer.Option("--repool", help="Map other peaks onto the model's by overlap.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Translate cells into another modality, some rows at a time."""
    from scvi_xmodal._commands._translate import translate_file

    made = translate_file(
        model,
        query,
        out,
        target=target,
        source=source,
        progress=sys.stderr.isatty(),
        depth=depth,
        transform_batch=batch,
        layer=layer,
        repool=repool,
    )
    show(made, as_json)


@app.command()
def evaluate(
    model: Model,
    data: Data,
    labels_key: Annotated[str | None, typer.Option(help="Column of obs with cell types.")] = None,
    layer: Layer = None,
    baselines: Annotated[bool, typer.Option(help="Fit ridge and nearest neighbours too.")] = True,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Write a .csv too.")] = None,
    as_json: Json = False,
) -> None:
    """Score a model on paired cells that it was not trained on, baselines beside it."""
    from scvi_xmodal._commands._common import check_table
    from scvi_xmodal._commands._evaluate import evaluate_file

    if out is not None:
        check_table(out)
    scores = evaluate_file(model, data, labels_key=labels_key, layer=layer, baselines=baselines)
    if out is not None:
        from scvi_xmodal._aside import written_aside

        with written_aside(out) as aside:
            scores.to_csv(aside)
    if as_json:
        typer.echo(scores.reset_index().to_json(orient="records", indent=2))
        return
    for direction, table in scores.groupby(level="direction", sort=False):
        typer.echo(f"\n{direction}\n{as_text(table.droplevel('direction'))}")


@app.command()
def info(model: Model, as_json: Json = False) -> None:
    """Say what a saved model is."""
    from scvi_xmodal._commands._describe import describe_model

    show(describe_model(model), as_json)


if __name__ == "__main__":
    app(prog_name="scvi-xmodal")
