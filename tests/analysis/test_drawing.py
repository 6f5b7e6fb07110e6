"""Figures: fonts, labels and files."""

from __future__ import annotations

import warnings

import matplotlib.image
import numpy as np
import pytest

from kerastx.analysis import drawing
from kerastx.analysis.drawing import bars, drawable, new_figure, one_line, save_figure
from kerastx.errors import DataError


def drawn(path) -> np.ndarray:
    """Return the picture as float32, (H, W, 4)."""
    return matplotlib.image.imread(path)


def test_a_label_that_no_font_can_draw_becomes_its_number(monkeypatch):
    monkeypatch.setattr(drawing, "installed_fonts", list)
    assert drawable(["sport", "体育", "größe"]) == (["sport", "#2", "größe"], ["DejaVu Sans"])


def test_a_font_that_has_the_characters_is_taken(monkeypatch):
    fonts = [font for font in drawing.installed_fonts() if font.name in ("STIXGeneral", "DejaVu Serif")]
    monkeypatch.setattr(drawing, "installed_fonts", lambda: fonts)
    base = drawing._characters_of(drawing.fontManager.findfont("DejaVu Sans"))
    only = drawing._characters_of(next(font.fname for font in fonts if font.name == "STIXGeneral")) - base
    shown, families = drawable([chr(max(only))])
    assert shown == [chr(max(only))]
    assert families == ["DejaVu Sans", "STIXGeneral"]


def test_labels_are_cut_in_the_middle():
    assert one_line("short", 26) == "short"
    assert one_line("intent_0_with_a_long_name_of_its_own", 20) == "intent_0_with…ts_own"
    assert len(one_line("体" * 40, 26)) == 13
    assert one_line("a\nb\x07", 26) == "a b"


def test_odd_labels_are_drawn_without_a_warning(tmp_path):
    figure = new_figure("a $title_{", width=4, height=3)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        names = ["$x^2$", "体育", "a\tb", "$\\frac{"]
        bars(figure.subplots(), names, {"one": [1, 2, 3, 4], "two": [4, 3, 2, 1]}, colors=["C0", "C1"])
        save_figure(figure, tmp_path / "made" / "odd.png")
    picture = drawn(tmp_path / "made" / "odd.png")
    assert picture.shape == (330, 440, 4)
    assert len(np.unique(picture.reshape(-1, 4), axis=0)) > 20
    assert [path.name for path in (tmp_path / "made").iterdir()] == ["odd.png"]


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="cannot be written"):
        save_figure(new_figure("x", width=2, height=2), tmp_path / "file" / "a.png")
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(DataError, match="cannot be written"):
        save_figure(new_figure("x", width=2, height=2), tmp_path / "folder.png")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder.png"]
