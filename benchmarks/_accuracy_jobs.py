"""One fit of one model on one fold, and the list of all that are wanted."""

from __future__ import annotations

import json
import tomllib
from dataclasses import dataclass, field, replace
from itertools import permutations, product
from typing import TYPE_CHECKING, Any

from benchmarks._accuracy_data import DATA
from benchmarks._accuracy_models import MODELS

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Mapping
    from pathlib import Path

KEY = ["data", "split", "fold", "model", "variant", "train_fraction", "seed", "source", "target"]
"""The columns that tell rows apart."""
DEFAULT = "default"


@dataclass(frozen=True)
class Variant:
    """A model with keywords of its own.

    Parameters
    ----------
    model
        Name of the model in ``MODELS``.
    name
        What the column ``variant`` says.
    init, train
        Keywords of the model's constructor and of its training.
    data
        ``n_top_genes``, ``min_peak_fraction``, ``keep_counts``, the probability with which each
        count of training cells and queries is kept, and ``shuffle_chromosomes``.
    """

    model: str
    name: str = DEFAULT
    init: Mapping[str, Any] = field(default_factory=dict)
    train: Mapping[str, Any] = field(default_factory=dict)
    data: Mapping[str, Any] = field(default_factory=dict)

    @property
    def options(self) -> str:
        """Return all keywords as JSON, in one order; empty without any."""
        parts = {"init": self.init, "train": self.train, "data": self.data}
        given = {name: dict(part) for name, part in parts.items() if part}
        return json.dumps(given, sort_keys=True) if given else ""


@dataclass(frozen=True)
class Job:
    """One fit, which is scored in each direction that its model knows.

    Parameters
    ----------
    data, split, fold
        Test cells.
    model, variant, options
        What is fitted; options are a :class:`Variant`'s keywords as JSON.
    train_fraction
        Share of the training cells that train.
    seed
        Seed of the model.
    """

    data: str
    split: str
    fold: int
    model: str
    variant: str = DEFAULT
    options: str = ""
    train_fraction: float = 1.0
    seed: int = 0

    @property
    def directions(self) -> list[tuple[str, str]]:
        """Return source and target of each row."""
        return [p for p in permutations(DATA[self.data].kinds, 2) if MODELS[self.model].knows(*p)]

    @property
    def data_options(self) -> dict[str, Any]:
        """Return the keywords that change the data."""
        return self._part("data")

    @property
    def init(self) -> dict[str, Any]:
        """Return the keywords of the constructor."""
        return self._part("init")

    @property
    def train(self) -> dict[str, Any]:
        """Return the keywords of the training."""
        return self._part("train")

    @property
    def label(self) -> str:
        """Return a short name for messages."""
        parts = [self.data, f"by {self.split}", f"fold {self.fold}", self.model]
        parts += [self.variant] if self.variant != DEFAULT else []
        parts += [f"{self.train_fraction:g} of the cells"] if self.train_fraction != 1 else []
        return ", ".join([*parts, f"seed {self.seed}"])

    def keys(self) -> list[tuple[Any, ...]]:
        """Return the values of ``KEY`` of each row, in the order of the directions."""
        common = (
            self.data,
            self.split,
            self.fold,
            self.model,
            self.variant,
            self.train_fraction,
            self.seed,
        )
        return [(*common, *direction) for direction in self.directions]

    def _part(self, name: str) -> dict[str, Any]:
        return json.loads(self.options).get(name, {}) if self.options else {}


def read_variants(path: Path) -> list[Variant]:
    """Read variants from a TOML or JSON file: a table for each name, ``model`` and keywords.

    Raises
    ------
    ValueError
        If there is no such file, or a table names no known model or has other entries.
    """
    if not path.is_file():
        raise ValueError(f"There is no file {path}; benchmarks/ablations.toml is one.")
    text = path.read_text()
    tables = tomllib.loads(text) if path.suffix == ".toml" else json.loads(text)
    variants = []
    for name, table in tables.items():
        table = {"model": "butterfly", **table}
        if unknown := sorted(set(table) - {"model", "init", "train", "data"}):
            raise ValueError(f"Variant {name!r} has {unknown}; known are init, train and data.")
        if table["model"] not in MODELS:
            raise ValueError(f"Variant {name!r} is of model {table['model']!r}: {list(MODELS)}.")
        variants.append(Variant(name=name, **table))
    return variants


def plan(options: argparse.Namespace) -> list[Job]:
    """Return the wanted fits, fold by fold, so that a stopped run has whole comparisons.

    Parameters
    ----------
    options
        ``data``, ``split``, ``folds``, ``models``, ``variants``, ``train_fractions``, ``seeds``.

    Raises
    ------
    ValueError
        If a fold is in none of the splits, variants cannot be read, or no model translates
        between what the data sets hold.
    """
    _check_folds(options)
    for fraction in options.train_fractions:
        if not 0 < fraction <= 1:
            raise ValueError(f"--train-fractions {fraction:g} is not above 0 and at most 1.")
    variants = [Variant(model) for model in options.models]
    if options.variants is not None:
        variants += read_variants(options.variants)
    jobs = []
    for data, split in product(options.data, options.split):
        for fold, fraction in product(_folds(data, split, options), options.train_fractions):
            for variant in variants:
                start = Job(data, split, fold, variant.model, variant.name, variant.options)
                jobs += _seeded(replace(start, train_fraction=fraction), options.seeds)
    known = [job for job in jobs if job.directions]
    if jobs and not known:
        models = ", ".join(dict.fromkeys(variant.model for variant in variants))
        raise ValueError(f"{models} translates in no direction of {', '.join(options.data)}.")
    return known


def _check_folds(options: argparse.Namespace) -> None:
    """Raise if a fold is in none of the data sets and splits that were asked for."""
    asked = set(options.folds or ())
    most = max(DATA[data].n_folds(split) for data, split in product(options.data, options.split))
    if asked and not most:
        raise ValueError(
            f"{options.data} {options.split} have no folds: of two batches one is left to train, "
            "and its cells are drawn in any case. Take --split batch."
        )
    if unknown := sorted(asked - set(range(most))):
        raise ValueError(
            f"--folds {unknown[0]}: {options.data} by {options.split} have folds 0 to {most - 1}."
        )


def _folds(data: str, split: str, options: argparse.Namespace) -> Iterator[int]:
    known = range(DATA[data].n_folds(split))
    return (fold for fold in known if options.folds is None or fold in options.folds)


def _seeded(job: Job, seeds: list[int]) -> list[Job]:
    """Repeat a fit for each seed, or once where the model draws nothing."""
    if not MODELS[job.model].random:
        return [replace(job, seed=0)]
    return [replace(job, seed=seed) for seed in seeds]
