"""Photograph every page: ``python -m desktop_slm.gui.screenshots OUT``.

Drives the real window, offscreen, on a demo vault in a temporary folder. The summary is made by the real
engine and the starter model from the shipped sample; chats and translations are examples written into the
demo vault, because a model of 135 million parameters is no judge of what they look like with a grown one.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PySide6.QtWidgets import QApplication, QWidget

    from desktop_slm.app import App
    from desktop_slm.gui.main_window import MainWindow
    from desktop_slm.paths import Paths
    from desktop_slm.settings import Theme

SIZE = (1280, 800)
SAMPLE = "samples/riverside-annual-report-2025.pdf"
_PASSPHRASE = "a demo has no secrets"  # noqa: S105
_LIMIT_S = 300.0

_QUESTION = "How much notice must the tenant give, and is there a form to use?"
_ANSWER = """\
The tenant gives **three months' notice, in writing**, to the end of a calendar month.

- A shorter period of six weeks applies during the first year.
- E-mail counts only if the landlord confirms it.

The lease does not prescribe a form. A short letter is enough:

```text
I hereby give notice of my tenancy of 14 Mill Lane
with effect from 31 March 2027.
```
"""
_MORE = "Make the letter more formal."
_LETTER = """\
Dear Ms Hartley,

In accordance with clause 12 of the lease dated 4 February 2024, I hereby give written notice terminating my \
tenancy of 14 Mill Lane with effect from 31 March 2027.

Please confirm receipt of this letter and let me know when the handover can take place.
"""
_OTHERS = (
    ("Support desk: heating manuals", "Which boiler needs the blue valve?", "The 24 kW model, page 18."),
    ("Reply to the insurer", "Draft a reply to the insurer.", "Dear Mr. Osei, thank you for your letter."),
    ("SQL for monthly totals", "Sum the invoices by month.", "Group by the first day of each month."),
    ("ملخص الاجتماع", "لخص الاجتماع", "اتفق الحاضرون على موعد جديد."),
    ("Arztbrief, Übersetzung", "Translate this letter.", "The patient was discharged in good health."),
)
_TRANSLATIONS = (
    ("de", "en", "Der Mieter kündigt mit drei Monaten Frist.", "The tenant gives three months' notice."),
    ("fr", "en", "La réunion est reportée à jeudi.", "The meeting has been moved to Thursday."),
    (
        "en", "de",
        "The clinic opens on March 3. Patients can book an appointment by phone or at the front desk.\n\n"
        "Please bring your insurance card and a list of the medicines you take.",
        "Die Praxis öffnet am 3. März. Termine können telefonisch oder am Empfang vereinbart werden.\n\n"
        "Bitte bringen Sie Ihre Versichertenkarte und eine Liste Ihrer Medikamente mit.",
    ),
)  # fmt: skip


class Tour:
    """Walks through the window and takes a picture of each stop."""

    def __init__(self, qt: QApplication, folder: Path) -> None:
        self._qt = qt
        self._folder = folder
        self.taken: list[Path] = []

    def until(self, true: Callable[[], object], limit_s: float = _LIMIT_S) -> None:
        """Let the window live until ``true()``.

        Raises:
            TimeoutError: It did not come true.
        """
        end = time.monotonic() + limit_s
        while not true():
            if time.monotonic() > end:
                raise TimeoutError("the window did not get there")
            self._qt.processEvents()
            time.sleep(0.005)

    def rest(self, seconds: float) -> None:
        """Let the window live for a while."""
        end = time.monotonic() + seconds
        self.until(lambda: time.monotonic() > end, seconds + 5)

    def take(self, widget: QWidget, name: str) -> None:
        """Take a picture in both palettes; the light one stays on."""
        from desktop_slm.gui import theme

        wanted: tuple[Theme, Theme] = ("dark", "light")
        for look in wanted:
            theme.apply(self._qt, look)
            self.rest(0.4)
            path = self._folder / (f"{name}-dark.png" if look == "dark" else f"{name}.png")
            widget.grab().save(str(path))
            self.taken.append(path)


def main(arguments: list[str]) -> int:
    """Take all pictures into the folder named in ``arguments``."""
    folder = Path(arguments[0] if arguments else "docs/screenshots")
    folder.mkdir(parents=True, exist_ok=True)
    os.environ["QT_QPA_PLATFORM"] = "offscreen"
    from desktop_slm.gui import run, theme
    from desktop_slm.paths import Paths

    qt = run.make_application(["desktop-slm"])
    theme.apply(qt, "light")
    tour = Tour(qt, folder)
    with tempfile.TemporaryDirectory(prefix="desktop-slm-demo-") as home:
        paths = Paths.under(Path(home))
        _welcome(tour, paths)
        _fill(tour, paths)
        _pages(tour, paths)
        _lock(tour, paths)
    for path in tour.taken:
        print(path)
    return 0


@contextmanager
def _window(tour: Tour, paths: Paths, passphrase: str | None) -> Iterator[MainWindow]:
    from desktop_slm.app import App
    from desktop_slm.gui.main_window import MainWindow

    window = MainWindow(partial(App, paths, passphrase=passphrase))
    window.resize(*SIZE)
    window.show()
    try:
        yield window
    finally:
        window.close()
        window.deleteLater()
        tour.rest(0.1)


def _welcome(tour: Tour, paths: Paths) -> None:
    from desktop_slm.gui.pages.welcome import WelcomePage

    with _window(tour, paths, None) as window:
        tour.until(lambda: window.findChildren(WelcomePage))
        (page,) = window.findChildren(WelcomePage)
        tour.rest(2.0)
        tour.take(window, "welcome")
        page.show_step(1)
        tour.take(window, "welcome-key")
        page.show_step(2)
        tour.take(window, "welcome-model")


def _fill(tour: Tour, paths: Paths) -> None:
    """Write the examples into the demo vault."""
    from desktop_slm.app import App

    app = App(paths)
    app.create_vault(_PASSPHRASE)
    app.model_list()
    app.change_settings(welcome_done=True, theme="light")
    for title, question, answer in reversed(_OTHERS):
        _conversation(app, title, question, answer)
    app.history.pin(app.history.conversations()[0].id)
    _conversation(app, "Notice periods in the lease", _QUESTION, _ANSWER, _MORE, _LETTER)
    for source_language, target_language, source, target in _TRANSLATIONS:
        app.library.add_translation(source_language, target_language, source, target, "starter")
    app.close()
    tour.rest(0.1)


def _conversation(app: App, title: str, *texts: str) -> None:
    record = app.history.create(title=title, model="starter")
    parent = ""
    for place, text in enumerate(texts):
        if place % 2 == 0:
            message = app.history.add_message(record.id, parent=parent, role="user", text=text)
        else:
            message = app.history.add_message(
                record.id, parent=parent, role="assistant", text=text.strip(), model="starter"
            )
            app.history.update_message(message.id, reason="stop")
        parent = message.id


def _pages(tour: Tour, paths: Paths) -> None:
    with _window(tour, paths, _PASSPHRASE) as window:
        tour.until(lambda: window.models.shown is not None if "models" in window.__dict__ else False)
        tour.rest(3.0)
        tour.take(window, "chat-new")
        lease = next(c for c in window.app.history.conversations() if c.title.startswith("Notice"))
        window.chat.open(lease.id)
        tour.rest(1.5)
        tour.take(window, "chat")
        _documents(tour, window)
        window.show_page("translate")
        window.translate.open(window.app.library.translations()[0].id)
        tour.rest(1.5)
        tour.take(window, "translate")
        window.show_page("models")
        tour.until(lambda: window.models.shown and window.models.shown.hardware)
        tour.rest(0.5)
        tour.take(window, "models")
        _history(tour, window)
        _settings(tour, window)


def _documents(tour: Tour, window: MainWindow) -> None:
    from desktop_slm.gui.widgets.summary_view import SummaryView
    from desktop_slm.paths import resource

    window.take_files([str(resource(SAMPLE).with_suffix(".docx"))], "add")
    tour.until(lambda: window.app.library.documents() and not window.documents.busy)
    window.take_files([str(resource(SAMPLE))], "summarize")
    tour.until(lambda: len(window.app.library.documents()) == 2 and not window.documents.busy)
    tour.rest(2.0)
    (summary,) = window.documents.page.findChildren(SummaryView)
    sentences = [view for view in summary.sentence_views if view.pills]
    if len(sentences) > 2:
        sentences[2].choose(0)
    tour.rest(2.0)
    tour.take(window, "documents")
    window.documents.page.show_library_again()
    window.documents.refresh()
    tour.rest(1.0)
    tour.take(window, "library")


def _history(tour: Tour, window: MainWindow) -> None:
    window.show_page("history")
    tour.rest(0.5)
    window.history.page.search_for("notice")
    tour.rest(1.5)
    tour.take(window, "history")


def _settings(tour: Tour, window: MainWindow) -> None:
    window.show_page("settings")
    for section in ("Appearance", "Privacy", "About"):
        window.settings.page.show_section(section)
        tour.rest(4.0 if section == "Privacy" else 1.0)
        tour.take(window, f"settings-{section.lower()}")


def _lock(tour: Tour, paths: Paths) -> None:
    from desktop_slm.gui.pages.unlock import UnlockPage

    with _window(tour, paths, None) as window:
        tour.until(lambda: window.findChild(UnlockPage) is not None)
        tour.rest(0.5)
        tour.take(window, "unlock")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
