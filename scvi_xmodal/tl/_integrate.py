"""A measured modality and a translated one, together as one experiment."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from anndata import AnnData
from scipy import sparse

from scvi_xmodal._arguments import check_arguments
from scvi_xmodal._constants import UNS_KEY
from scvi_xmodal._layers import layer_names
from scvi_xmodal.data import check_counts, kind_of
from scvi_xmodal.data._modalities import check_kind
from scvi_xmodal.data._peaks import parse_peaks
from scvi_xmodal.metrics._inputs import find_kind, holds_drawn_counts
from scvi_xmodal.tl._joint import _joined
from scvi_xmodal.tl._thresholds import binarize

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mudata import MuData

    from scvi_xmodal._constants import Kind

COUNTS = "counts"


def integrate(
    measured: AnnData,
    translated: AnnData,
    *,
    kind: Kind | None = None,
    layer: str | None = None,
    run: Literal["multivi", "totalvi"] | None = None,
    train_kwargs: Mapping[str, Any] | None = None,
) -> MuData:
    r"""Join measured cells with their translation, ready for a joint embedding.

    scButterfly's integrative analysis (Cao et al. 2024, Fig. 4a, b): where one modality was
    measured, the other is synthesised and both go into MULTIVI. The joint embedding knows no more
    than the measured modality and the model; it makes such cells comparable with paired ones.

    Both modalities get ``layers["counts"]``, which MULTIVI and TOTALVI are set up with. A
    measured one holds its counts; translated RNA the expected counts, which are not whole;
    translated ATAC 0 and 1 by :func:`binarize`; translated protein :math:`e^{x - \min x} - 1`
    of its centred log-ratios x, counts up to a factor, the cell's lowest protein being 0.
    Counts from ``posterior_predictive_sample`` are taken as they are.

    Parameters
    ----------
    measured
        Raw counts of the measured modality.
    translated
        What ``translate`` or ``posterior_predictive_sample`` returned for these cells.
    kind
        What was measured: ``"rna"``, ``"atac"`` or ``"protein"``; by default what the
        translation recorded as its source, where that is such a name.
    layer
        Layer of the measured counts; ``None`` for ``X``.
    run
        Train ``"multivi"`` (RNA and ATAC) or ``"totalvi"`` (RNA and protein) of scvi-tools with
        its defaults, and put its latent into ``obsm["X_multivi"]`` or ``obsm["X_totalvi"]``.
    train_kwargs
        Keywords of its ``train``, such as ``{"max_epochs": 100}``.

    Returns
    -------
    MuData with the modalities by kind, each with its own ``obs``, the measured one's on top too.

    Raises
    ------
    ValueError
        If cells differ, nothing says what was measured, or peaks were where the source was not,
        both are of one kind, values are no counts, or ``run`` does not fit the modalities.

    Examples
    --------
    >>> import scvi_xmodal as xm
    >>> mdata = xm.datasets.synthetic(n_cells=60, n_genes=20, n_peaks=30)
    >>> ridge = xm.baselines.Ridge(n_components=5).fit(mdata)
    >>> rna = ridge.translate(mdata["atac"], source="atac", target="rna")
    >>> joint = xm.tl.integrate(mdata["atac"], rna)
    >>> list(joint.mod), "counts" in joint["rna"].layers
    (['rna', 'atac'], True)
    """
    check_arguments(locals())
    target = find_kind({"translated": translated}, None)
    source = _source_kind(measured, translated, kind)
    check_kind(measured, source, "measured")
    _check(measured, translated, (source, target), run)
    if kind is None and source != "atac":
        _refuse_peaks(measured, source)
    # what was written to disk may be opened there, and the MuData is in memory
    measured, translated = measured.to_memory(), translated.to_memory()
    modalities = {
        source: _measured(measured, layer, source),
        target: _with_counts(translated, _expected_counts(translated, target)),
    }
    modalities[target] = modalities[target][modalities[source].obs_names].copy()
    mdata = _joined({kind: modalities[kind] for kind in sorted(modalities, reverse=True)})
    mdata.obs = measured.obs.copy()
    if run is not None:
        _embed(mdata, run, dict(train_kwargs or {}))
    return mdata


def _source_kind(measured: AnnData, translated: AnnData, kind: Kind | None) -> Kind:
    recorded = str(translated.uns.get(UNS_KEY, {}).get("source"))
    found = kind or kind_of(recorded, measured)
    if found not in ("rna", "atac", "protein"):
        raise ValueError(
            f"The translation's source is called {recorded!r}, which does not say what was "
            "measured: give kind='rna', 'atac' or 'protein'."
        )
    return found


def _refuse_peaks(measured: AnnData, source: Kind) -> None:
    """Raise if the features of what shall be RNA or protein are named as peaks."""
    if parse_peaks(measured.var_names).parsed.all():
        raise ValueError(
            f"The translation's source is {source}, but the features of measured are named as "
            f"peaks, such as {measured.var_names[0]!r}: give the {source} that was translated, or "
            "kind= to say what was measured."
        )


_RUNS = {"multivi": {"rna", "atac"}, "totalvi": {"rna", "protein"}}


def _check(
    measured: AnnData, translated: AnnData, kinds: tuple[Kind, Kind], run: str | None
) -> None:
    if kinds[0] == kinds[1]:
        raise ValueError(f"Measured and translated are both {kinds[0]}: nothing to integrate.")
    if run is not None and _RUNS.get(run) != set(kinds):
        raise ValueError(
            f"run={run!r} does not fit {sorted(kinds)}: 'multivi' joins RNA and ATAC, 'totalvi' "
            "RNA and protein."
        )
    _refuse_same_features(measured, translated, kinds)
    one, two = measured.obs_names, translated.obs_names
    if not (one.is_unique and two.is_unique and one.size == two.size and two.isin(one).all()):
        raise ValueError(
            f"Measured and translated must be the same cells: they are {one.size} and "
            f"{two.size}, of which {int(one.isin(two).sum())} are the same by name."
        )


def _refuse_same_features(
    measured: AnnData, translated: AnnData, kinds: tuple[Kind, Kind]
) -> None:
    """Raise if features are named as those of the other modality cannot be."""
    parts = dict(zip(kinds, (measured.var_names, translated.var_names), strict=True))
    if "atac" in parts:
        same = parts[kinds[0]].intersection(parts[kinds[1]])
    else:  # a protein may be called like its gene, but not every gene like a protein
        same = parts["rna"].intersection(parts["protein"])
        same = same if same.size == parts["rna"].size else same[:0]
    if same.size:
        raise ValueError(
            f"Measured and translated are both {kinds[1]}: they share {same.size} features, such "
            f"as {same[0]!r}. Give the {kinds[0]} that {kinds[1]} was translated from."
        )


def _measured(measured: AnnData, layer: str | None, kind: Kind) -> AnnData:
    if layer is not None and layer not in measured.layers:
        raise ValueError(f"measured has no layer {layer!r}; it has {layer_names(measured)}.")
    counts = measured.X if layer is None else measured.layers[layer]
    check_counts(counts, name="measured.X" if layer is None else f"measured.layers[{layer!r}]")
    # copies: what is normalised in place later, on either side, must not change the other's counts
    return AnnData(
        counts.copy(),
        obs=measured.obs.copy(),
        var=measured.var.copy(),
        layers={COUNTS: counts.copy()},
    )


def _with_counts(translated: AnnData, counts: Any) -> AnnData:
    result = translated.copy()
    result.layers[COUNTS] = counts
    return result


def _expected_counts(translated: AnnData, kind: Kind) -> Any:
    if holds_drawn_counts(translated):
        return translated.X.copy()
    if kind == "atac":
        return binarize(translated).X
    if kind == "protein":
        values = np.asarray(translated.X, dtype=np.float32)
        return np.expm1(values - values.min(axis=1, keepdims=True))
    if "mean" in translated.layers:
        return translated.layers["mean"].copy()
    values = translated.X
    return values.expm1() if sparse.issparse(values) else np.expm1(values)


def _embed(mdata: MuData, run: str, train_kwargs: dict[str, Any]) -> None:
    import scvi

    names = {"rna_layer": "rna"}
    names |= {"atac_layer": "atac"} if run == "multivi" else {"protein_layer": "protein"}
    model_class = scvi.model.MULTIVI if run == "multivi" else scvi.model.TOTALVI
    with warnings.catch_warnings():
        # expected counts are not whole, and are meant so
        warnings.filterwarnings("ignore", message=".*unnormalized count data.*")
        model_class.setup_mudata(mdata, **dict.fromkeys(names, COUNTS), modalities=names)
        model = model_class(mdata)
        model.train(**train_kwargs)
    mdata.obsm[f"X_{run}"] = model.get_latent_representation()
