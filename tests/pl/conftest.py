import matplotlib.pyplot as plt
import pytest


@pytest.fixture(autouse=True)
def _draw_off_screen():
    plt.switch_backend("Agg")
    yield
    plt.close("all")
