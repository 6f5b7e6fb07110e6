"""Figures without pyplot's global state: a title, fonts for every script that has one installed, one PNG in the end."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from matplotlib.font_manager import fontManager
from matplotlib.ft2font import FT2Font

from kerastx.errors import DataError

DOTS_PER_INCH = 110
COLORS = {"main": "#2f6db3", "second": "#e08214", "faint": "#9aa5b1", "warn": "#c0392b"}
BASE_FONT = "DejaVu Sans"  # comes with matplotlib
MOST_FONTS = 400  # looked into for characters that the base font lacks
LABEL_CHARACTERS = 26
FEWEST_ROWS = 5  # so that the bars of two labels are not half a page thick


def new_figure(title: str, *, width: float, height: float) -> Any:
    """Return an empty figure of so many inches."""
    figure = Figure(figsize=(width, height), dpi=DOTS_PER_INCH, layout="constrained")
    text = one_line(title, 110)
    shown, families = drawable([text])
    text = text if shown == [text] else text.encode("ascii", "replace").decode()
    figure.suptitle(text, fontfamily=families, fontsize=12, fontweight="bold", parse_math=False)
    return figure


def save_figure(figure: Any, path: Path) -> None:
    """Write a PNG through a temporary sibling; DataError where the disk does not let us."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as stream:
                figure.savefig(stream, format="png", metadata={"Software": "kerastx"})
            os.chmod(name, 0o644)
            os.replace(name, path)
        except BaseException:
            os.unlink(name)
            raise
    except OSError as error:
        raise DataError(f"{path}: cannot be written: {error.strerror or error}") from error


def bars(axes: Any, names: Sequence[str], series: Mapping[str, Sequence[float]], *, colors: Sequence[str]) -> None:
    """Draw a horizontal group of bars per name, the first on top, with a legend where there are several series."""
    height = 0.8 / len(series)
    for number, ((title, values), color) in enumerate(zip(series.items(), colors, strict=False)):
        places = [row + (number - (len(series) - 1) / 2) * height for row in range(len(names))]
        axes.barh(places, values, height, color=color, label=title)
    texts, families = drawable([one_line(name, LABEL_CHARACTERS) for name in names])
    size = 9 if len(names) <= 24 else 7
    axes.set_yticks(range(len(names)), labels=texts, fontfamily=families, fontsize=size, parse_math=False)
    spare = max(0.0, (FEWEST_ROWS - len(names)) / 2)
    axes.set_ylim(len(names) - 0.4 + spare, -0.6 - spare)
    axes.tick_params(axis="y", length=0)
    clean(axes)
    if len(series) > 1:
        axes.legend(frameon=False, fontsize=9)
    if any(
        text.startswith("#") and text != one_line(name, LABEL_CHARACTERS)
        for text, name in zip(texts, names, strict=True)
    ):
        axes.set_ylabel("# stands for what no installed font can draw: see the text report", fontsize=8)


def clean(axes: Any) -> None:
    """Take away what carries no number."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=9)


def one_line(text: str, characters: int) -> str:
    """Return a text without control characters, its middle left out where a label has no room for all of it."""
    line = "".join(character if character.isprintable() else " " for character in text).strip()
    wide = sum(ord(character) > 0x2E80 for character in line[:characters])  # these take the room of two
    room = characters - wide // 2
    if len(line) <= room:
        return line
    tail = room // 3
    return f"{line[: room - tail - 1]}…{line[-tail:]}"


def drawable(texts: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return what can be drawn of some labels, and the font families to draw it with.

    A label with a character that no installed font has becomes its number, counted from 1, as "#3".
    """
    families, covered = [BASE_FONT], _characters_of(fontManager.findfont(BASE_FONT))
    missing = {ord(character) for text in texts for character in text} - covered
    for font in installed_fonts() if missing else ():
        if font.name in families or "Last Resort" in font.name:  # which draws a box for every character
            continue
        if found := missing & _characters_of(font.fname):
            families.append(font.name)
            missing -= found
            if not missing:
                break
    shown = [
        f"#{number}" if missing & {ord(character) for character in text} else text
        for number, text in enumerate(texts, 1)
    ]
    return shown, families


def installed_fonts() -> list[Any]:
    """Return the fonts that are looked into, each with its name and file."""
    return fontManager.ttflist[:MOST_FONTS]


def _characters_of(file: str) -> set[int]:
    try:
        return set(FT2Font(file).get_charmap())
    except (OSError, RuntimeError):  # a font that FreeType cannot read
        return set()
