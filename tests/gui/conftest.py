"""What the window's tests share: the theme, and the one Qt message that says nothing about us."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtWidgets import QApplication

from desktop_slm.gui import job, theme

_HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The offscreen platform warns about every shown window; that is no fault of ours."""
    for item in items:
        if _HERE in item.path.parents:
            item.add_marker(pytest.mark.qt_log_ignore("propagateSizeHints", extend=True))


@pytest.fixture(scope="session")
def qapp_args() -> list[str]:
    return ["desktop-slm"]


@pytest.fixture(autouse=True)
def dressed(qapp: QApplication) -> Iterator[None]:
    """Every test starts with the light theme and leaves no window and no call behind."""
    theme.apply(qapp, "light")
    yield
    assert job.wait_for_calls(10.0)
    qapp.processEvents()
