import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from scvi_xmodal import pl
from scvi_xmodal.train import extend_history


def _history():
    curves = {
        "pretrain_rna_reconstruction_loss": ([5, 4, 3], [6, 5, 4]),
        "pretrain_rna_atac_reconstruction_loss": ([7, 6, 5], [9, 7, 8]),
        "integrative_reconstruction_loss": ([5, 4, 3, 2], [6, 3, np.nan, 7]),
        "integrative_rna_to_atac": ([2, 1, 1, 1], [3, 3, 2, 1]),
    }
    table = {}
    for name, values in curves.items():
        for part, own in zip(("train", "validation"), values, strict=True):
            index = pd.RangeIndex(len(own), name="epoch")
            table[f"{name}_{part}"] = pd.DataFrame({name: own}, index=index, dtype=float)
    table["integrative_train_loss"] = table["integrative_rna_to_atac_train"]
    table["integrative_validation_loss"] = table["integrative_rna_to_atac_validation"]
    table["integrative_discriminator_loss_train"] = table["integrative_rna_to_atac_train"]
    return table


def _curves(ax):
    return {line.get_label(): line for line in ax.lines}


def test_one_panel_a_phase_with_both_curves_and_the_best_epoch():
    table = _history()
    axes = pl.history(table)
    phases = ["pretrain_rna", "pretrain_rna_atac", "integrative"]
    assert [ax.get_title() for ax in axes] == phases
    for ax, phase, best in zip(axes, phases, (2, 1, 1), strict=True):
        lines = _curves(ax)
        for part in ("train", "validation"):
            expected = table[f"{phase}_reconstruction_loss_{part}"].iloc[:, 0]
            np.testing.assert_array_equal(lines[part].get_ydata(), expected)
            np.testing.assert_array_equal(lines[part].get_xdata(), expected.index)
        assert list(lines["best epoch"].get_xdata()) == [best, best]
        assert ax.get_xlabel() == f"epoch (best: {best})"
        assert ax.get_ylabel() == "reconstruction loss"
    colors = [[_curves(ax)[part].get_color() for ax in axes] for part in ("train", "validation")]
    assert len(set(colors[0])) == len(set(colors[1])) == 1
    assert colors[0][0] != colors[1][0]


def test_metrics_are_drawn_where_they_exist_and_mark_the_kept_epoch():
    axes = pl.history(_history(), metrics=["reconstruction_loss", "loss", "discriminator_loss"])
    assert [ax.get_title() for ax in axes[3:]] == ["integrative", "integrative"]
    loss, discriminator = axes[3:]
    assert set(_curves(loss)) == {"train", "validation", "best epoch"}
    # the watched loss decides, not the metric drawn
    assert _curves(loss)["best epoch"].get_xdata()[0] == 1
    assert set(_curves(discriminator)) == {"train", "best epoch"}
    assert loss.get_subplotspec().colspan.start == 2
    assert len(pl.history(_history(), metrics="rna_to_atac")) == 1


def test_given_axes_are_used():
    figure, given = plt.subplots(2, 2)
    axes = pl.history(_history(), metrics=["reconstruction_loss", "rna_to_atac"], axes=given)
    assert list(axes) == list(given.ravel())
    assert plt.get_fignums() == [figure.number]
    with pytest.raises(ValueError, match="4 axes were given for 3 panels"):
        pl.history(_history(), axes=given)


def test_history_of_any_scvi_model_is_one_panel():
    table = {
        "reconstruction_loss_train": pd.Series([3.0, 2.0]),
        "train_loss_epoch": pd.DataFrame({"train_loss": [5.0, 4.0]}),
    }
    (ax,) = pl.history(table)
    assert ax.get_title() == "training"
    assert ax.get_xlabel() == "epoch"
    (ax,) = pl.history(table, metrics="loss")
    np.testing.assert_array_equal(ax.lines[0].get_ydata(), [5.0, 4.0])


def test_single_epoch_is_visible():
    curve = pd.Series([3.0])
    (ax,) = pl.history({"a_reconstruction_loss_train": curve})
    assert ax.lines[0].get_marker() == "o"


def _trained(history, train, validation=None):
    """Append a training of one phase."""
    parts = {"train": train} | ({} if validation is None else {"validation": validation})
    index = {part: pd.RangeIndex(len(own), name="epoch") for part, own in parts.items()}
    own = {
        f"a_reconstruction_loss_{part}": pd.DataFrame({"loss": values}, index[part], dtype=float)
        for part, values in parts.items()
    }
    extend_history(history, own)
    return history


def test_the_mark_is_of_the_last_training():
    history = _trained({}, [5, 4, 3], [6, 1, 7])
    (ax,) = pl.history(history)
    assert ax.get_xlabel() == "epoch (best: 1)"
    (ax,) = pl.history(_trained(history, [5, 4, 3], [5, 4, 6]))
    assert ax.get_xlabel() == "epoch (best of the last training: 4)"
    assert _curves(ax)["best epoch"].get_xdata()[0] == 4
    assert _curves(ax)["validation"].get_ydata().tolist() == [6, 1, 7, 5, 4, 6]
    # nothing was validated since: no epoch of the last training is known to be the best
    (ax,) = pl.history(_trained(history, [5, 4]))
    assert ax.get_xlabel() == "epoch"
    assert "best epoch" not in _curves(ax)


def test_model_gives_its_own_history():
    class Model:
        history = _history()

    assert len(pl.history(Model())) == 3


def test_mistakes_are_named():
    class Untrained:
        history = None

    with pytest.raises(ValueError, match="train the model first"):
        pl.history(Untrained())

    class Silent(Untrained):
        is_trained_ = True

    with pytest.raises(ValueError, match="trained model has no history.*logger=False"):
        pl.history(Silent())
    with pytest.raises(ValueError, match="'accuracy'.*'rna_to_atac'"):
        pl.history(_history(), metrics=["accuracy"])
    with pytest.raises(ValueError, match="has no 'reconstruction_loss'; it has \\['a'\\]"):
        pl.history({"a": pd.Series([1.0])})


def test_ticks_of_a_single_epoch_are_whole():
    curve = pd.DataFrame({"loss": [3.0]})
    (ax,) = pl.history({"integrative_reconstruction_loss_train": curve})
    low, high = ax.get_xlim()
    shown = [tick for tick in ax.get_xticks() if low <= tick <= high]
    assert shown == [0]
