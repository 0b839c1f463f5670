"""Models as plain values: what ``model.pt`` holds, and back.

scvi-tools pickles arrays and tables and unpickles whatever it finds, which can run any code. Here
a file holds tensors, numbers, strings, lists and dicts only; arrays and tables are put down as
such, with a tag that says what to make of them.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch
from scvi import REGISTRY_KEYS, settings

from scvi_xmodal._plain import load_plain
from scvi_xmodal.train import history_from_plain, plain_history

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_TAG = "__scvi_xmodal__"


def to_plain(value: Any) -> Any:
    """Return a value as tensors, numbers, strings, lists and dicts.

    Raises
    ------
    ValueError
        If there is no plain form of it.

    Examples
    --------
    >>> import numpy as np
    >>> from scvi_xmodal.model._saved import from_plain, to_plain
    >>> plain = to_plain({"names": np.array(["a", "b"], dtype=object)})
    >>> plain
    {'names': {'__scvi_xmodal__': 'array', 'dtype': 'object', 'values': ['a', 'b']}}
    >>> from_plain(plain)["names"]
    array(['a', 'b'], dtype=object)
    """
    if isinstance(value, dict):
        return {to_plain(key): to_plain(own) for key, own in value.items()}
    if isinstance(value, list):
        return [to_plain(own) for own in value]
    if isinstance(value, tuple):
        return {_TAG: "tuple", "values": [to_plain(own) for own in value]}
    if isinstance(value, np.ndarray):
        if value.dtype.kind in "biuf":
            # a copy, because pandas 3 hands out arrays that cannot be written to
            return {_TAG: "numbers", "values": torch.from_numpy(value.copy())}
        name = "object" if value.dtype == object else "str"
        return {_TAG: "array", "dtype": name, "values": to_plain(value.tolist())}
    if isinstance(value, pd.DataFrame):
        return {_TAG: "history", **plain_history({"": value})[""]}
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, str):
        return str(value)  # a plain one, whatever the subclass
    if value is None or isinstance(value, bool | int | float | torch.Tensor):
        return value
    raise ValueError(f"A {type(value).__name__} cannot be saved: {value!r}.")


def from_plain(value: Any) -> Any:
    """Return what :func:`to_plain` was given."""
    if isinstance(value, list):
        return [from_plain(own) for own in value]
    if not isinstance(value, dict):
        return value
    tag = value.get(_TAG)
    if tag is None:
        return {key: from_plain(own) for key, own in value.items()}
    if tag == "numbers":
        return value["values"].cpu().numpy()
    if tag == "history":
        return history_from_plain({"": value})[""]
    values = from_plain(value["values"])
    return tuple(values) if tag == "tuple" else np.array(values, dtype=value["dtype"])


def write_model(path: Path, model: Any) -> None:
    """Write weights, feature names and attributes under the keys that scvi-tools uses."""
    attributes = {
        name: to_plain(value) for name, value in vars(model).items() if name.endswith("_")
    }
    state = {
        "model_state_dict": dict(model.module.state_dict()),
        "var_names": to_plain(model.get_var_names()),
        "attr_dict": attributes,
    }
    torch.save(state, path)


def read_model(path: Path, *, device: Any = "cpu") -> tuple[dict[str, Any], dict[str, Any]]:
    """Return a saved model's weights and attributes; no code in the file is run.

    Raises
    ------
    ValueError
        If the file is missing, truncated, or another program's.
    """
    if not path.exists():
        raise ValueError(f"{str(path)!r} is missing: copy the whole folder of the model.")
    try:
        state = load_plain(path, device=device)
        weights, attributes = state["model_state_dict"], from_plain(state["attr_dict"])
        for name in ("registry_", "init_params_"):
            if name not in attributes:
                raise ValueError(f"it holds no {name}")
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"{str(path)!r} cannot be loaded: {error}. Copy it again from where it came, or save "
            "the model again with this version."
        ) from error
    return weights, attributes


def read_data(directory: Path, prefix: str | None, setup_method: str) -> Any:
    """Return the data saved with a model; ``None``, with a warning, if there are none."""
    name = "mdata.h5mu" if setup_method == "setup_mudata" else "adata.h5ad"
    path = directory / f"{prefix or ''}{name}"
    if not path.exists():
        warnings.warn(
            f"{str(directory)!r} holds no data: the model is loaded without. Pass adata=False to "
            "say that none are wanted, or the training data.",
            UserWarning,
            stacklevel=settings.warnings_stacklevel + 1,
        )
        return None
    if name.endswith(".h5mu"):
        import mudata

        return mudata.read_h5mu(path)
    import anndata

    return anndata.read_h5ad(path)


def made_again(cls: type, adata: Any, attributes: Mapping[str, Any]) -> Any:
    """Return a model of a class with the arguments and attributes that were saved."""
    rest = dict(attributes)
    registry, arguments = rest.pop("registry_"), rest.pop("init_params_")
    if adata is not None:
        _check_categories(adata, registry)
        setup = getattr(cls, registry.get("setup_method_name", "setup_mudata"))
        setup(adata, source_registry=registry, **registry["setup_args"])
    further = {k: v for group in arguments["kwargs"].values() for k, v in group.items()}
    model = cls(adata, registry=registry, **arguments["non_kwargs"], **further)
    for name, value in rest.items():
        setattr(model, name, value)
    return model


def _check_categories(adata: Any, registry: Mapping[str, Any]) -> None:
    """Raise if data to load with have batches or labels that the model does not know."""
    for name, argument in (
        (REGISTRY_KEYS.BATCH_KEY, "batch_key"),
        (REGISTRY_KEYS.LABELS_KEY, "labels_key"),
    ):
        key, field = registry["setup_args"].get(argument), registry["field_registries"].get(name)
        if key is None or not field or field["state_registry"].get("original_key") != key:
            continue  # none are registered
        place = getattr(adata, "mod", {}).get(field["data_registry"].get("mod_key"), adata)
        known = np.asarray(field["state_registry"]["categorical_mapping"]).tolist()
        # a missing column is what setup says
        found = place.obs[key].dropna().unique().tolist() if key in place.obs else []
        unknown = [value for value in found if value not in known]
        if not unknown:
            continue
        mend = "Leave those cells out, or load with adata=False and give the cells to translate()."
        if {str(value) for value in unknown} <= {str(value) for value in known}:
            # files and tables turn the batch 1 into the text "1"
            kind = type(known[0])
            # bool("False") is True
            made = " == 'True'" if kind is bool else f".astype({kind.__name__})"
            mend = f"They differ in type alone: obs[{key!r}]{made}."
        raise ValueError(
            f"The data hold {unknown[:3]} in obs[{key!r}], which the model was not trained "
            f"with: {argument} was one of {known[:10]}. {mend}"
        )
