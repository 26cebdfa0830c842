"""How everything looks: two palettes, one style sheet made from them, and icons tinted to match.

Widgets say what they are (`set_kind`), never how they look. Switching the palette restyles the running
window: listen to ``signals.changed`` only for what a style sheet cannot do (painted widgets, icons, HTML).
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from string import Template
from typing import Literal

from PySide6.QtCore import QByteArray, QObject, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QFont, QFontDatabase, QGuiApplication, QIcon, QPainter, QPalette, QPixmap
from PySide6.QtSvg import QSvgRenderer
from PySide6.QtWidgets import QAbstractButton, QApplication, QWidget

from desktop_slm.paths import resource
from desktop_slm.settings import Theme

TEXT_PX = 14
ICON_PX = 20
READING_WIDTH_PX = 720
TOP_BAR_PX = 52

Role = Literal["ink", "muted", "accent", "warning", "danger", "on_accent"]


@dataclass(frozen=True)
class Palette:
    """The color tokens, as ``#RRGGBB``.

    Attributes:
        window: Ground of pages.
        rail: Ground of the rail, lists and the status bar.
        panel: Ground of cards and inputs.
        line: One-pixel borders.
        ink, muted: Text, secondary text.
        accent, accent_ground: The one color: primary buttons, selection, citations; and its pale ground.
        on_accent: Text on ``accent``.
        warning, warning_ground: Needs a look.
        danger: Failed, won't fit.
        user_bubble, code_ground, passage_mark: Grounds of the user's words, of code, of a cited passage.
        on_mark: Text on ``passage_mark``.
        dark: Light text on dark ground.
    """

    window: str
    rail: str
    panel: str
    line: str
    ink: str
    muted: str
    accent: str
    accent_ground: str
    on_accent: str
    warning: str
    warning_ground: str
    danger: str
    user_bubble: str
    code_ground: str
    passage_mark: str
    on_mark: str
    hover: str
    dark: bool


LIGHT = Palette(
    window="#FAFAF8",
    rail="#F1F1EE",
    panel="#FFFFFF",
    line="#E3E2DD",
    ink="#1D1F21",
    muted="#63676C",
    accent="#1F6F5C",
    accent_ground="#E4F0EC",
    on_accent="#FFFFFF",
    warning="#8A5A00",
    warning_ground="#FFF4DC",
    danger="#B3402E",
    user_bubble="#EEF1F0",
    code_ground="#F4F4F1",
    passage_mark="#FFE58A",
    on_mark="#1D1F21",
    hover="#F4F4F1",
    dark=False,
)

DARK = Palette(
    window="#17191B",
    rail="#1D2022",
    panel="#202326",
    line="#32363A",
    ink="#E9EAEA",
    muted="#A7ACB1",
    accent="#63C2A8",
    accent_ground="#1E3731",
    on_accent="#10211C",
    warning="#E4B65C",
    warning_ground="#3A3120",
    danger="#E58A78",
    user_bubble="#2A2E31",
    code_ground="#1A1D1F",
    passage_mark="#7A6420",
    on_mark="#FFFFFF",
    hover="#282C2F",
    dark=True,
)

TEXT_PAIRS: tuple[tuple[str, str], ...] = (
    *(
        (text, ground)
        for text in ("ink", "muted", "accent")
        for ground in ("window", "rail", "panel", "accent_ground", "user_bubble", "code_ground", "hover")
    ),
    ("ink", "warning_ground"),
    ("warning", "warning_ground"),
    ("warning", "window"),
    ("warning", "rail"),
    ("warning", "panel"),
    ("danger", "window"),
    ("danger", "rail"),
    ("danger", "panel"),
    ("danger", "hover"),
    ("on_accent", "accent"),
    ("on_mark", "passage_mark"),
)
"""Every pair of text and ground that the style sheet and the pages use (token names)."""


class ThemeSignals(QObject):
    """Tells that `current` has changed."""

    changed = Signal()


@dataclass
class _State:
    """What is applied: the choice, the size and the palette that follows from them."""

    palette: Palette = LIGHT
    theme: Theme = "system"
    font_size_pt: int = 0
    following: bool = False


signals = ThemeSignals()
_state = _State()
_pixmaps: dict[tuple[str, str, int, float], QPixmap] = {}


def current() -> Palette:
    """Return the palette in use."""
    return _state.palette


def text_px() -> int:
    """Return the size of normal text in pixels; titles are one more, meta lines two less."""
    return round(_state.font_size_pt * 96 / 72) if _state.font_size_pt else TEXT_PX


def contrast(text: str, ground: str) -> float:
    """Return the WCAG 2 contrast ratio of two ``#RRGGBB`` colors, 1 to 21."""
    lighter, darker = sorted((_luminance(text), _luminance(ground)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(color: str) -> float:
    """Relative luminance, https://www.w3.org/TR/WCAG21/#dfn-relative-luminance."""
    linear = []
    for start in (1, 3, 5):
        part = int(color[start : start + 2], 16) / 255
        linear.append(part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4)
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def apply(app: QApplication, theme: Theme = "system", font_size_pt: int = 0) -> None:
    """Dress the whole application.

    Args:
        app: The application.
        theme: ``system`` follows the desktop, also while running.
        font_size_pt: Size of normal text in points, 0 for ours (14 px).
    """
    _state.theme, _state.font_size_pt = theme, font_size_pt
    if not _state.following:
        _state.following = True
        app.setStyle("Fusion")
        app.styleHints().colorSchemeChanged.connect(_on_color_scheme_changed)
    _dress(app)


def _on_color_scheme_changed() -> None:
    app = QApplication.instance()
    if isinstance(app, QApplication) and _state.theme == "system" and _wanted() is not _state.palette:
        _dress(app)


def _wanted() -> Palette:
    if _state.theme == "system":
        return DARK if QGuiApplication.styleHints().colorScheme() == Qt.ColorScheme.Dark else LIGHT
    return DARK if _state.theme == "dark" else LIGHT


def _dress(app: QApplication) -> None:
    _state.palette = _wanted()
    _pixmaps.clear()
    app.setPalette(_qt_palette(_state.palette))
    font = QFontDatabase.systemFont(QFontDatabase.SystemFont.GeneralFont)
    font.setPixelSize(text_px())
    font.setHintingPreference(QFont.HintingPreference.PreferVerticalHinting)
    app.setFont(font)
    app.setStyleSheet(style_sheet(_state.palette))
    signals.changed.emit()


def fixed_font(size_px: int = 0) -> QFont:
    """Return the system's monospace font for code: ``size_px``, else one pixel smaller than text."""
    font = QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont)
    font.setPixelSize(size_px or text_px() - 1)
    return font


def style_sheet(palette: Palette) -> str:
    """Return the one style sheet, with the tokens of ``palette`` filled in."""
    base = text_px()
    tokens: dict[str, object] = {field.name: getattr(palette, field.name) for field in fields(palette)}
    tokens |= {"title_px": base + 1, "display_px": base + 8, "text_px": base, "meta_px": base - 2}
    tokens |= {"section_px": base - 3, "label_px": base - 4}
    tokens["marks"] = resource("themes/dark" if palette.dark else "themes/light").as_posix()
    return Template(resource("themes/window.qss").read_text("utf-8")).substitute(tokens)


def _qt_palette(tokens: Palette) -> QPalette:
    """Translate the tokens for what Fusion paints itself."""
    qt = QPalette()
    role = QPalette.ColorRole
    for color_role, value in (
        (role.Window, tokens.window),
        (role.WindowText, tokens.ink),
        (role.Base, tokens.panel),
        (role.AlternateBase, tokens.rail),
        (role.Text, tokens.ink),
        (role.Button, tokens.panel),
        (role.ButtonText, tokens.ink),
        (role.BrightText, tokens.danger),
        (role.Highlight, tokens.accent),
        (role.HighlightedText, tokens.on_accent),
        (role.ToolTipBase, tokens.panel),
        (role.ToolTipText, tokens.ink),
        (role.PlaceholderText, tokens.muted),
        (role.Link, tokens.accent),
        (role.LinkVisited, tokens.accent),
        (role.Accent, tokens.accent),
        (role.Mid, tokens.line),
        (role.Midlight, tokens.line),
        (role.Dark, tokens.line),
        (role.Light, tokens.panel),
        (role.Shadow, tokens.line),
    ):
        qt.setColor(color_role, QColor(value))
    for color_role in (role.WindowText, role.Text, role.ButtonText):
        faded = QColor(tokens.muted)
        faded.setAlphaF(0.6)
        qt.setColor(QPalette.ColorGroup.Disabled, color_role, faded)
    return qt


def set_kind(widget: QWidget, kind: str) -> None:
    """Say what ``widget`` is, so that the style sheet dresses it; may be called again to change it."""
    if widget.property("kind") == kind:
        return
    widget.setProperty("kind", kind)
    if isinstance(widget, QAbstractButton):
        widget.setFocusPolicy(Qt.FocusPolicy.TabFocus)  # no ring after a click
    widget.style().unpolish(widget)
    widget.style().polish(widget)


def icon(name: str, role: Role = "muted") -> QIcon:
    """Return an icon of ``resources/icons`` in a color of the palette; faded where disabled."""
    result = QIcon()
    color = str(getattr(_state.palette, role))
    for ratio in (1.0, 2.0):
        result.addPixmap(pixmap(name, color, ICON_PX, ratio))
        faded = pixmap(name, color, ICON_PX, ratio, opacity=0.45)
        result.addPixmap(faded, QIcon.Mode.Disabled)
    return result


def pixmap(
    name: str, color: str, size_px: int = ICON_PX, ratio: float = 1.0, *, opacity: float = 1.0
) -> QPixmap:
    """Draw an icon in ``color`` at ``size_px`` logical pixels for a screen of ``ratio``."""
    key = (name, f"{color}{opacity}", size_px, ratio)
    if key not in _pixmaps:
        svg = resource(f"icons/{name}.svg").read_text("utf-8").replace("currentColor", color)
        drawn = QPixmap(QSize(size_px, size_px) * ratio)
        drawn.fill(Qt.GlobalColor.transparent)
        painter = QPainter(drawn)
        painter.setOpacity(opacity)
        QSvgRenderer(QByteArray(svg.encode())).render(painter, QRectF(drawn.rect()))
        painter.end()
        drawn.setDevicePixelRatio(ratio)
        _pixmaps[key] = drawn
    return _pixmaps[key]


def app_icon() -> QIcon:
    """Return the icon of the window and its launcher."""
    result = QIcon()
    for size_px in (16, 24, 32, 48, 64, 128, 256):
        drawn = QPixmap(size_px, size_px)
        drawn.fill(Qt.GlobalColor.transparent)
        painter = QPainter(drawn)
        QSvgRenderer(resource("themes/app.svg").as_posix()).render(painter, QRectF(drawn.rect()))
        painter.end()
        result.addPixmap(drawn)
    return result
