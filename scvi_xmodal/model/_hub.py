"""Saved models with the two files that scvi-tools' hub asks for."""

from __future__ import annotations

import importlib
import importlib.util
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scvi_xmodal._arguments import check_arguments
from scvi_xmodal.model._files import read_manifest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scvi.hub import HubModel

_PARENT = "scvi_xmodal.model"
_LIBRARY = "scvi-tools"

_CARD = """---
{header}
---

# {title}

{description}

`{model}` of [scvi_xmodal](https://pypi.org/project/scvi-xmodal/), which translates single-cell
profiles between modalities, on [scvi-tools](https://scvi-tools.org).

## Modalities

| modality | kind | features |
|---|---|---|
{modalities}

## Use

```python
from huggingface_hub import snapshot_download
from scvi.hub import HubModel

folder = snapshot_download("OWNER/NAME")  # all files: HubModel's own download leaves some out
hub_model = HubModel(folder)
hub_model.load_model(adata=False)  # translating needs no training data
hub_model.model.translate(cells, source="{source}", target="{target}")
```

## Training data

{training_data}

## Made with

{versions}

Constructor: `{init}`

Setup: `{setup}`

## References

{references}
"""


def to_hub(
    dir_path: str | Path,
    *,
    license_info: str,
    description: str,
    title: str | None = None,
    tissues: str | Sequence[str] = (),
    references: str = "",
    training_data_url: str | None = None,
    overwrite: bool = False,
) -> HubModel:
    """Give a saved model the card and metadata that make it a model of scvi-tools' hub.

    Writes ``README.md``, the card, and ``_scvi_required_metadata.json`` into the folder; nothing
    is sent anywhere. The card is our own: :class:`scvi.hub.HubModelCardHelper` knows scvi-tools'
    models only, and unpickles ``model.pt``.

    Parameters
    ----------
    dir_path
        Folder that ``save`` wrote.
    license_info
        Licence of the model, as the hub spells it, such as ``"cc-by-4.0"``.
    description
        What cells it was trained on, what it is for, and where it fails.
    title
        Heading of the card; by default the model's class and modalities.
    tissues
        Tissue of the training cells, or several.
    references
        Papers to cite, in Markdown.
    training_data_url
        Where the training data can be had.
    overwrite
        Whether to replace a card and metadata that are there.

    Returns
    -------
    The :class:`scvi.hub.HubModel`, which ``HubModel(dir_path)`` opens again without a network.
    ``load_model(adata=False)`` loads the model without training data.

    Raises
    ------
    ValueError
        If the folder holds no model, has a card already, or ``huggingface_hub`` is missing.

    Examples
    --------
    >>> import scvi_xmodal as xm
    >>> hub_model = xm.model.to_hub(
    ...     "model", license_info="cc-by-4.0", description="Human bone marrow."
    ... )  # doctest: +SKIP
    >>> hub_model.load_model(adata=False)  # doctest: +SKIP
    """
    check_arguments(locals())
    if training_data_url is not None and not training_data_url.startswith(("http://", "https://")):
        raise ValueError(
            f"training_data_url={training_data_url!r} must begin with https:// or http://."
        )
    _require_hub()
    from huggingface_hub import ModelCard
    from scvi.hub import HubMetadata, HubModel

    manifest = read_manifest(dir_path)
    folder = Path(dir_path)
    for name in ("README.md", "_scvi_required_metadata.json"):
        if (folder / name).exists() and not overwrite:
            raise ValueError(f"{str(folder / name)!r} already exists. Set overwrite=True.")
    versions = manifest["versions"]
    # made from the manifest: HubMetadata.from_dir unpickles model.pt, which can run any code
    metadata = HubMetadata(
        scvi_version=versions["scvi-tools"],
        anndata_version=versions["anndata"],
        model_cls_name=manifest["model"],
        training_data_url=training_data_url,
        model_parent_module=_PARENT,
    )
    model_class = getattr(importlib.import_module(_PARENT), manifest["model"])
    model = model_class.load(folder, adata=False)
    card = _card(
        model,
        manifest,
        description=description,
        title=title,
        header=_header(license_info, _tags(model, metadata, tissues)),
        references=references or "Not given.",
        training_data=training_data_url or "Not given.",
    )
    hub_model = HubModel(str(folder), metadata=metadata, model_card=ModelCard(card))
    hub_model.save(overwrite=overwrite)
    return hub_model


def _require_hub() -> None:
    if importlib.util.find_spec("huggingface_hub") is None:
        raise ValueError("scvi-tools' hub needs huggingface_hub: pip install 'scvi-xmodal[hub]'.")


def _tags(model: Any, metadata: Any, tissues: str | Sequence[str]) -> list[str]:
    """Return the tags by which scvi-tools' models are found on the hub."""
    names = [tissues] if isinstance(tissues, str) else tissues
    return [
        "biology",
        "genomics",
        "single-cell",
        f"model_cls_name:{metadata.model_cls_name}",
        f"scvi_version:{metadata.scvi_version}",
        f"anndata_version:{metadata.anndata_version}",
        *(f"modality:{spec.kind}" for spec in model.specs.values()),
        *(f"tissue:{tissue}" for tissue in names),
    ]


def _header(license_info: str, tags: list[str]) -> str:
    from huggingface_hub import ModelCardData

    data = ModelCardData(license=license_info, library_name=_LIBRARY, tags=tags)
    return str(data.to_yaml())


def _card(
    model: Any, manifest: dict[str, Any], *, title: str | None, description: str, **parts: str
) -> str:
    keys = list(model.specs)
    rows = (f"| {key} | {s.kind} | {s.n_features} |" for key, s in model.specs.items())
    versions = "\n".join(f"- {name} {number}" for name, number in manifest["versions"].items())
    return _CARD.format(
        title=title or f"{manifest['model']} between {' and '.join(keys)}",
        description=description,
        model=manifest["model"],
        modalities="\n".join(rows),
        source=keys[-1],
        target=keys[0],
        versions=versions,
        init=json.dumps(model.init_params_, default=str),
        setup=json.dumps(model.registry_["setup_args"], default=str),
        **parts,
    )
