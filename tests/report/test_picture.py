"""The picture is a PNG of the size that its panels ask for, and shows what it should."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from matplotlib.figure import Figure
from matplotlib.image import imread

from streams.errors import UsageError
from streams.report.looks import Look
from streams.report.picture import PANEL, picture, write_picture
from streams.report.series import Series
from tests.report.rows import DAY, NOON, series

Pixels = npt.NDArray[np.float32]
BLUE, RED, GREEN = (0.122, 0.467, 0.706), (0.839, 0.153, 0.157), (0.173, 0.627, 0.173)
GREY = (0.4, 0.4, 0.4)


def trusting(_look: Look) -> bool:
    return True


def drawn(directory: Path, *some: Series) -> Pixels:
    """Write a picture and read its pixels back."""
    write_picture(picture("Experiment ranker-v2", some, trusting), directory / "plot.png")
    pixels: Pixels = imread(directory / "plot.png")
    return pixels


def number_of(pixels: Pixels, colour: tuple[float, float, float]) -> int:
    """Count the pixels of a colour."""
    return int((np.abs(pixels[..., :3] - colour).max(axis=-1) < 0.02).sum())


def texts_of(figure: Figure) -> list[str]:
    """Return the titles of a picture."""
    return [axes.get_title() for axes in figure.axes if axes.axison]


@pytest.mark.parametrize(
    ("some", "rows", "columns"),
    [
        ([series()], 1, 1),
        ([series(), series(arm="other")], 1, 2),
        ([series(), series(metric="mae"), series(model="second")], 3, 1),
        ([series(), series(arm="other"), series(metric="mae", arm="third")], 2, 3),
    ],
)
def test_a_picture_has_a_panel_for_each_comparison(tmp_path: Path, some: list[Series], rows: int, columns: int) -> None:
    """A picture has a row for each metric of a model and a column for each arm, each of a fixed size."""
    pixels = drawn(tmp_path, *some)

    assert (tmp_path / "plot.png").read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
    assert pixels.shape[:2] == (PANEL[1] * rows + 60, PANEL[0] * columns)
    assert len(texts_of(picture("", some, trusting))) == len(some)


def test_a_picture_shows_the_effect_and_the_mark(tmp_path: Path) -> None:
    """The effect is a line of the width of the panel, and a verdict that was reached is marked."""
    with_mark = drawn(tmp_path, series(first_reached=NOON - 40 * DAY))
    without = drawn(tmp_path, series(verdict="not enough evidence"))

    assert number_of(with_mark, BLUE) > 400
    assert number_of(with_mark, GREEN) > 20
    assert number_of(without, GREEN) == 0


def test_a_picture_shows_the_margin(tmp_path: Path) -> None:
    """The margin of a guardrail is a red line across the panel, where it is; without one nothing is red."""
    pixels = drawn(tmp_path, series(kind="guardrail", margin=-0.005))
    lines = [int(np.abs(pixels[..., :3] - colour).max(axis=-1).sum(axis=1).argmin()) for colour in (GREY, RED)]

    assert number_of(pixels, RED) > 100
    assert lines[0] + 20 < lines[1]
    assert number_of(drawn(tmp_path, series(kind="guardrail")), RED) == 0


def test_distrust_is_said() -> None:
    """The panels of comparisons that are not to be trusted say so, and no others."""
    some = [series(), series(model="second")]
    spoilt, sound = texts_of(picture("", some, lambda seen: seen.model == "second"))

    assert spoilt == "MISMATCH, not to be trusted: ranker, accuracy (primary): new - old"
    assert sound == "second, accuracy (primary): new - old"


def test_names_are_no_formulas(tmp_path: Path) -> None:
    """A name that looks like a formula is drawn as it is."""
    odd = series(arm="$new_{$", model="$x^$", metric="a\\b")

    assert texts_of(picture("$", [odd], trusting)) == ["$x^$, a\\b (primary): $new_{$ - old"]
    assert drawn(tmp_path, odd).std() > 0.05


@pytest.mark.parametrize("looks", [0, 1, 2])
def test_few_looks_can_be_drawn(tmp_path: Path, looks: int) -> None:
    """A comparison with no look, or one, or one with an open interval, is drawn without a warning."""
    assert drawn(tmp_path, series(looks=looks)).std() > 0.05


def test_a_picture_that_cannot_be_written(tmp_path: Path) -> None:
    """A directory that does not exist is one clear error."""
    with pytest.raises(UsageError, match=r"cannot write the plot to .*nowhere.*: No such file or directory"):
        write_picture(picture("", [series()], trusting), tmp_path / "nowhere" / "plot.png")


def test_no_state_is_shared() -> None:
    """Drawing does not load pyplot, whose figures and settings belong to everybody."""
    code = "import sys, streams.report.picture; sys.exit('matplotlib.pyplot' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0  # noqa: S603
