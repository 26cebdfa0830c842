"""The look as numbers: contrast, icons, live switching."""

from __future__ import annotations

import re

import pytest
from PySide6.QtWidgets import QApplication, QPushButton

from desktop_slm.gui import theme
from desktop_slm.paths import resource


@pytest.mark.parametrize("palette", [theme.LIGHT, theme.DARK], ids=["light", "dark"])
@pytest.mark.parametrize(("text", "ground"), theme.TEXT_PAIRS)
def test_every_text_pair_is_readable(palette: theme.Palette, text: str, ground: str) -> None:
    assert theme.contrast(getattr(palette, text), getattr(palette, ground)) >= 4.5


def test_contrast_is_that_of_the_standard() -> None:
    assert theme.contrast("#FFFFFF", "#000000") == pytest.approx(21.0)
    assert theme.contrast("#777777", "#FFFFFF") == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("palette", [theme.LIGHT, theme.DARK], ids=["light", "dark"])
def test_style_sheet_knows_no_color_but_the_tokens(palette: theme.Palette) -> None:
    tokens = {value for value in vars(palette).values() if isinstance(value, str)}
    assert set(re.findall(r"#[0-9A-Fa-f]{6}", theme.style_sheet(palette))) <= tokens


def test_every_icon_is_drawn_in_the_color_asked_for(qapp: QApplication) -> None:
    names = sorted(path.stem for path in resource("icons").glob("*.svg"))
    assert len(names) >= 30
    for name in names:
        image = theme.pixmap(name, "#FF0000", 20, 2.0).toImage()
        inked = [
            image.pixelColor(x, y)
            for x in range(40)
            for y in range(40)
            if image.pixelColor(x, y).alpha() > 200
        ]
        assert inked, name
        assert all(color.red() > 200 and color.green() < 60 for color in inked), name


def test_switching_restyles_and_tells(qapp: QApplication) -> None:
    seen: list[theme.Palette] = []

    def note() -> None:
        seen.append(theme.current())

    theme.signals.changed.connect(note)
    button = QPushButton("x")
    theme.set_kind(button, "primary")
    theme.apply(qapp, "dark", 12)
    assert seen == [theme.DARK]
    assert qapp.font().pixelSize() == 16
    assert theme.DARK.accent in qapp.styleSheet()
    theme.apply(qapp, "light")
    assert qapp.font().pixelSize() == theme.TEXT_PX
    theme.signals.changed.disconnect(note)
    button.deleteLater()
