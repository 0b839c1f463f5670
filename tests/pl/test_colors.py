import numpy as np
import pytest

from scvi_xmodal.pl import label_colors


def _linear(colors):
    rgb = np.array([[int(c[i : i + 2], 16) / 255 for i in (1, 3, 5)] for c in colors])
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)


def _lab(linear):
    """CIE Lab, another colour space than the one that the colours are chosen in."""
    to_xyz = np.array(
        [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    )
    xyz = np.clip(linear, 0, 1) @ to_xyz.T / (to_xyz.sum(axis=1))
    f = np.where(xyz > 216 / 24389, np.cbrt(xyz), (24389 / 27 * xyz + 16) / 116)
    return np.stack(
        [116 * f[:, 1] - 16, 500 * (f[:, 0] - f[:, 1]), 200 * (f[:, 1] - f[:, 2])], axis=1
    )


def _vienot(linear):
    """Deuteranopia after Vienot et al. (1999), another simulation than the one used to choose."""
    matrix = np.array([[0.29275, 0.70725, 0], [0.29275, 0.70725, 0], [-0.02234, 0.02234, 1.0]])
    return linear @ matrix.T


def _smallest_difference(lab):
    distances = np.linalg.norm(lab[:, None] - lab[None], axis=-1)
    return distances[np.triu_indices(len(lab), 1)].min()


@pytest.mark.parametrize(("n_labels", "seen", "simulated"), [(8, 15, 8), (15, 12, 5), (20, 10, 3)])
def test_colors_stay_apart_also_for_colour_blind_readers(n_labels, seen, simulated):
    linear = _linear(list(label_colors(range(n_labels)).values()))
    assert _smallest_difference(_lab(linear)) > seen
    assert _smallest_difference(_lab(_vienot(linear))) > simulated


def test_colors_are_readable_on_white_and_never_the_grey_of_missing_labels():
    lab = _lab(_linear(list(label_colors(range(40)).values())))
    assert (lab[:, 0] < 92).all()
    assert (np.hypot(lab[:, 1], lab[:, 2]) > 5).all()


@pytest.mark.parametrize("n_labels", [0, 1, 7, 8, 41])
def test_each_label_has_its_own_color(n_labels):
    labels = [f"type {i}" for i in range(n_labels)]
    colors = label_colors(labels)
    assert list(colors) == labels
    assert len(set(colors.values())) == n_labels


def test_more_labels_leave_the_first_colors_alone():
    few, many = label_colors(range(9)), label_colors(range(30))
    assert all(many[label] == color for label, color in few.items())


def test_absurdly_many_labels_are_refused():
    with pytest.raises(ValueError, match="5000 labels.*coarser"):
        label_colors(range(5000))
