"""The real window on a real vault with a scripted engine: the ways in, work, locking, the end."""

from __future__ import annotations

import threading
from pathlib import Path

from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QApplication,
    QComboBox,
    QLineEdit,
    QPlainTextEdit,
    QPushButton,
    QTextEdit,
    QWidget,
)
from pytestqt.qtbot import QtBot

from desktop_slm import settings as settings_file
from desktop_slm.app import App
from desktop_slm.engine.api import Usage
from desktop_slm.engine.fake import FakeEngine, Reply
from desktop_slm.gui import theme
from desktop_slm.gui.main_window import MainWindow
from desktop_slm.gui.pages.trouble import TroublePage
from desktop_slm.gui.pages.unlock import UnlockPage
from desktop_slm.gui.pages.welcome import WelcomePage
from desktop_slm.gui.widgets.secret_field import SecretField
from desktop_slm.tasks.events import Cited, Coverage, Sentence, SummaryDone
from desktop_slm.tasks.requests import Chat

PAGES = ("chat", "documents", "translate", "models", "history", "settings")
WAIT_MS = 20_000


def shown(window: MainWindow, kind: type[QWidget]) -> list[QWidget]:
    """Return the visible widgets of a kind."""
    return [widget for widget in window.findChildren(kind) if widget.isVisible()]


def press(window: MainWindow, text: str) -> None:
    """Press the visible button of that name."""
    (button,) = [b for b in shown(window, QPushButton) if isinstance(b, QPushButton) and b.text() == text]
    assert isinstance(button, QPushButton)
    assert button.isEnabled(), text
    button.click()


def say(window: MainWindow, bot: QtBot, text: str) -> None:
    """Let the chat page ask for an answer and wait for its end."""
    window.chat.page.request_made.emit(Chat(text=text))
    bot.waitUntil(lambda: not window.chat.busy, timeout=WAIT_MS)


# The ways in


def test_first_run_with_a_passphrase_then_unlock(windows, qtbot: QtBot) -> None:  # type: ignore[no-untyped-def]
    window = windows.show(FakeEngine(["Hello there."]))
    qtbot.waitUntil(lambda: bool(shown(window, WelcomePage)), timeout=WAIT_MS)
    press(window, "Continue")
    fields = shown(window, SecretField)
    qtbot.waitUntil(lambda: len(shown(window, SecretField)) == 2, timeout=WAIT_MS)
    fields = shown(window, SecretField)
    for field in fields:
        qtbot.keyClicks(field, "four words are enough")
    press(window, "Continue")
    qtbot.waitUntil(lambda: window.app.saving, timeout=WAIT_MS)
    qtbot.waitUntil(lambda: any(b.text() == "Start" for b in shown(window, QPushButton)), timeout=WAIT_MS)
    qtbot.waitUntil(lambda: next(b for b in shown(window, QPushButton) if b.text() == "Start").isEnabled())
    with qtbot.waitSignal(window.ready, timeout=WAIT_MS):
        press(window, "Start")
    say(window, qtbot, "Is anybody home?")
    window.close()

    again = windows.show(FakeEngine())
    qtbot.waitUntil(lambda: bool(shown(again, UnlockPage)), timeout=WAIT_MS)
    (field,) = shown(again, SecretField)
    qtbot.keyClicks(field, "not this one")
    qtbot.keyClick(field, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: next(iter(shown(again, SecretField))).isEnabled(), timeout=WAIT_MS)
    assert not again._rail.isEnabled()
    field.clear()
    qtbot.keyClicks(field, "four words are enough")
    with qtbot.waitSignal(again.ready, timeout=WAIT_MS):
        qtbot.keyClick(field, Qt.Key.Key_Return)
    assert field.text() == ""
    (conversation,) = again.app.history.conversations()
    assert [m.text for m in again.app.history.messages(conversation.id)] == [
        "Is anybody home?",
        "Hello there.",
    ]


def test_without_a_key_nothing_is_kept(windows, qtbot: QtBot) -> None:  # type: ignore[no-untyped-def]
    window = windows.show(FakeEngine(["A marker: halibut."]))
    qtbot.waitUntil(lambda: bool(shown(window, WelcomePage)), timeout=WAIT_MS)
    press(window, "Continue")
    window.findChild(WelcomePage)._memory.radio.setChecked(True)
    press(window, "Continue")
    qtbot.waitUntil(lambda: any(b.text() == "Start" and b.isEnabled() for b in shown(window, QPushButton)))
    with qtbot.waitSignal(window.ready, timeout=WAIT_MS):
        press(window, "Start")
    say(window, qtbot, "halibut")
    assert not window.app.saving
    assert window._status._saving.text() == "Offline · not saved"
    window.close()
    assert not windows.paths.vault.exists()
    for path in windows.paths.data.parent.rglob("*"):
        if path.is_file() and path.suffix != ".gguf":
            assert b"halibut" not in path.read_bytes()


def test_a_key_set_later_keeps_what_was_in_memory(windows, qtbot: QtBot) -> None:  # type: ignore[no-untyped-def]
    windows.paths.data.mkdir(parents=True, exist_ok=True)
    settings_file.save(windows.paths.settings, settings_file.Settings(welcome_done=True))
    window = windows.show(FakeEngine(["The tide comes in twice a day."]))
    with qtbot.waitSignal(window.ready, timeout=WAIT_MS):
        pass
    say(window, qtbot, "How often does the tide come in?")
    shown_before = window.chat.page.open_conversation_id()
    window.show_page("settings")
    with qtbot.waitSignal(window.settings.vault_made, timeout=WAIT_MS):
        window.settings.page.passphrase_requested.emit("", "four words are enough")
    assert window._status._saving.text() == "Offline · encrypted"
    assert window.chat.page.open_conversation_id() == shown_before
    window.close()
    window = windows.show(passphrase="four words are enough")
    with qtbot.waitSignal(window.ready, timeout=WAIT_MS):
        pass
    (conversation,) = window.app.history.conversations()
    assert [message.text for message in window.app.history.messages(conversation.id)] == [
        "How often does the tide come in?",
        "The tide comes in twice a day.",
    ]


def test_a_wrong_passphrase_is_told_in_place(windows, qtbot: QtBot) -> None:  # type: ignore[no-untyped-def]
    windows.enter().close()
    window = windows.show(passphrase="something else")
    qtbot.waitUntil(lambda: bool(shown(window, UnlockPage)), timeout=WAIT_MS)
    page = window.findChild(UnlockPage)
    qtbot.waitUntil(page._problem.isVisible, timeout=WAIT_MS)
    assert "passphrase" in page._problem.text().lower()


def test_a_vanished_database_is_never_made_anew(windows, qtbot: QtBot) -> None:  # type: ignore[no-untyped-def]
    windows.enter().close()
    for path in windows.paths.vault.iterdir():
        if path.name.startswith("vault.db") or path.suffix in (".db", ".db-wal", ".db-shm"):
            path.unlink()
    left = sorted(path.name for path in windows.paths.vault.iterdir())
    window = windows.show(passphrase="four words are enough")
    qtbot.waitUntil(lambda: bool(shown(window, TroublePage)), timeout=WAIT_MS)
    page = window.findChild(TroublePage)
    assert str(windows.paths.vault) in page._folder_path.text()
    press(window, "Try again")
    qtbot.wait(200)
    assert shown(window, TroublePage)
    assert sorted(path.name for path in windows.paths.vault.iterdir()) == left
    with qtbot.waitSignal(window.ready, timeout=WAIT_MS):
        press(window, "Use without saving")
    assert sorted(path.name for path in windows.paths.vault.iterdir()) == left


def test_a_vault_in_use_waits_until_the_other_is_closed(windows, qtbot: QtBot) -> None:  # type: ignore[no-untyped-def]
    first = windows.enter()
    second = windows.show(passphrase="four words are enough")
    qtbot.waitUntil(lambda: bool(shown(second, TroublePage)), timeout=WAIT_MS)
    first.close()
    with qtbot.waitSignal(second.ready, timeout=WAIT_MS):
        press(second, "Try again")


# Inside


def test_a_chat_is_written_listed_found_deleted_and_taken_back(windows, qtbot: QtBot) -> None:  # type: ignore[no-untyped-def]
    window = windows.enter(FakeEngine(["The tide comes in twice a day."]))
    say(window, qtbot, "How often does the tide come in?")
    (conversation,) = window.app.history.conversations()
    window.show_page("history")
    page = window.history.page
    page._search.setText("tide")
    qtbot.waitUntil(lambda: page._model.rowCount() == 1, timeout=WAIT_MS)
    qtbot.waitUntil(lambda: "twice a day" in page._preview.toPlainText(), timeout=WAIT_MS)
    assert page._preview.extraSelections()
    press(window, "Delete")
    qtbot.waitUntil(lambda: window._toast.text == "Moved to the trash.", timeout=WAIT_MS)
    assert window.app.history.conversations() == []
    press(window, "Undo")
    qtbot.waitUntil(lambda: len(window.app.history.conversations()) == 1, timeout=WAIT_MS)
    qtbot.waitUntil(lambda: page._model.rowCount() == 1, timeout=WAIT_MS)
    press(window, "Open")
    assert window.page_name == "chat"
    qtbot.waitUntil(lambda: window.chat.page.open_conversation_id() == conversation.id, timeout=WAIT_MS)
    window.chat.delete(conversation.id)
    qtbot.waitUntil(lambda: window.chat.page.open_conversation_id() == "", timeout=WAIT_MS)
    press(window, "Undo")
    qtbot.waitUntil(lambda: window.chat.page.open_conversation_id() == conversation.id, timeout=WAIT_MS)


def test_stopping_keeps_what_was_written(windows, qtbot: QtBot) -> None:  # type: ignore[no-untyped-def]
    words = " ".join(f"word{number}" for number in range(2000))
    window = windows.enter(FakeEngine([Reply(words, delay_s=0.005)]))
    window.chat.page.request_made.emit(Chat(text="Go on and on."))
    qtbot.waitUntil(lambda: window._status._job.text() == "Answering", timeout=WAIT_MS)
    qtbot.wait(300)
    window._status._stop.click()
    qtbot.waitUntil(lambda: not window.chat.busy, timeout=WAIT_MS)
    (conversation,) = window.app.history.conversations()
    answer = window.app.history.messages(conversation.id)[-1]
    assert answer.role == "assistant"
    assert answer.text.startswith("word0 word1")
    assert len(answer.text) < len(words)
    assert window._status._job.text() == ""


def test_closing_while_an_answer_is_written_keeps_it(windows, qtbot: QtBot) -> None:  # type: ignore[no-untyped-def]
    words = " ".join(f"word{number}" for number in range(2000))
    window = windows.enter(FakeEngine([Reply(words, delay_s=0.005)]))
    window.chat.page.request_made.emit(Chat(text="Go on and on."))
    qtbot.waitUntil(lambda: bool(windows.engine.requests), timeout=WAIT_MS)
    qtbot.wait(300)
    window.close()
    assert not [thread for thread in threading.enumerate() if thread.name == "job"]
    app = App(windows.paths, passphrase="four words are enough")
    app.open()
    (conversation,) = app.history.conversations()
    assert app.history.messages(conversation.id)[-1].text.startswith("word0 ")
    app.close()


def test_files_dropped_go_where_they_belong(windows, qtbot: QtBot, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    window = windows.enter()
    fake = tmp_path / "notes.gguf"
    fake.write_text("this is a text file")
    window.take_files([str(fake)], "summarize")
    assert window.page_name == "models"
    page = window.models.page
    qtbot.waitUntil(page._problem.isVisible, timeout=WAIT_MS)
    assert len(window.app.shelf.list()) == 1

    note = tmp_path / "note.txt"
    note.write_text("The harbor opens at six. Boats leave at seven. The ferry is late on Sundays.")
    window.take_files([str(note)], "add")
    assert window.page_name == "documents"
    qtbot.waitUntil(lambda: len(window.app.library.documents()) == 1, timeout=WAIT_MS)
    qtbot.waitUntil(lambda: not window.documents.busy, timeout=WAIT_MS)

    window.take_files([str(note)], "translate")
    assert window.page_name == "translate"
    window.show_page("chat")
    window.take_files([str(note)], "ask")
    assert window.page_name == "chat"


def test_memory_in_the_status_bar_is_looked_at_while_something_runs(windows, qtbot: QtBot) -> None:  # type: ignore[no-untyped-def]
    window = windows.enter(FakeEngine(("one two three four",), delay_s=0.2))
    assert not window.computer._watch.isActive()
    window.computer._watch.setInterval(20)
    looked: list[int] = []
    measure = windows.engine.memory_bytes
    windows.engine.memory_bytes = lambda: (looked.append(1), measure())[1]
    window.chat.page.compose("Count.", [])
    qtbot.keyClick(window.chat.page.focusWidget(), Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: window.chat.busy, timeout=WAIT_MS)
    qtbot.waitUntil(lambda: len(looked) > 2, timeout=WAIT_MS)
    qtbot.waitUntil(lambda: not window.chat.busy, timeout=WAIT_MS)
    assert not window.computer._watch.isActive()


def test_the_rail_shows_whole_labels_in_every_text_size(windows, qtbot: QtBot) -> None:  # type: ignore[no-untyped-def]
    window = windows.enter()
    narrow = window._rail.width()
    window.settings.change("font_size_pt", 17)
    qtbot.waitUntil(lambda: window._rail.width() > narrow, timeout=WAIT_MS)
    for button in window._rail._buttons.values():
        assert button.fontMetrics().horizontalAdvance(button.text()) < button.width()
    window.settings.change("font_size_pt", 0)
    qtbot.waitUntil(lambda: window._rail.width() == narrow, timeout=WAIT_MS)


def test_words_typed_before_the_draft_arrives_stay(windows, qtbot: QtBot) -> None:  # type: ignore[no-untyped-def]
    window = windows.enter()
    window.app.history.set_draft("", "an old draft")
    arrived: list[str] = []
    show = window.chat.page.show_new_draft
    window.chat.page.show_new_draft = lambda draft: (arrived.append(draft), show(draft))
    window.chat.open_new()
    qtbot.keyClicks(window.chat.page.focusWidget(), "typed at once")
    qtbot.waitUntil(lambda: bool(arrived), timeout=WAIT_MS)
    assert arrived[-1] == "an old draft"
    assert window.chat.page.composer.written() == "typed at once"


def test_settings_work_at_once_and_are_kept(windows, qtbot: QtBot) -> None:  # type: ignore[no-untyped-def]
    window = windows.enter()
    window.show_page("settings")
    window.settings.page.show_section("Appearance")
    press(window, "Dark")
    qtbot.waitUntil(lambda: theme.current() is theme.DARK, timeout=WAIT_MS)
    window.settings.change("sampling", "precise")
    qtbot.waitUntil(lambda: window.app.settings.sampling == "precise", timeout=WAIT_MS)
    window.resize(1000, 700)
    window.close()
    kept = settings_file.load(windows.paths.settings)
    assert (kept.theme, kept.sampling, kept.welcome_done) == ("dark", "precise", True)
    assert kept.extra["window"][2:4] == [1000, 700]


def test_shortcuts_reach_every_page(windows, qtbot: QtBot) -> None:  # type: ignore[no-untyped-def]
    window = windows.enter()
    window.activateWindow()
    for number, name in enumerate(PAGES, start=1):
        qtbot.keyClick(window, getattr(Qt.Key, f"Key_{number}"), Qt.KeyboardModifier.ControlModifier)
        assert window.page_name == name
        if name == "translate":
            assert window.translate.page.source.editor.hasFocus()


def test_lock_closes_everything_and_asks_for_a_new_start(windows, qtbot: QtBot) -> None:  # type: ignore[no-untyped-def]
    window = windows.enter()
    qtbot.waitUntil(lambda: window._rail._buttons["lock"].isEnabled(), timeout=WAIT_MS)
    with qtbot.waitSignal(window.restart_requested, timeout=WAIT_MS):
        qtbot.keyClick(window, Qt.Key.Key_L, Qt.KeyboardModifier.ControlModifier)
    assert not window.isVisible()
    assert window.app.vault.state() == "locked"


def test_every_control_says_what_it_is(windows, qtbot: QtBot) -> None:  # type: ignore[no-untyped-def]
    window = windows.enter(FakeEngine(["An answer."]))
    say(window, qtbot, "A question?")
    nameless = []
    for name in PAGES:
        window.show_page(name)
        qtbot.wait(150)
        for kind in (QAbstractButton, QLineEdit, QComboBox):
            for widget in shown(window, kind):
                text = widget.text() if isinstance(widget, QAbstractButton) else ""
                if widget.objectName() == "qt_spinbox_lineedit" or isinstance(widget.parent(), QLineEdit):
                    continue
                if not (widget.accessibleName() or text):
                    nameless.append((name, type(widget).__name__, widget.objectName()))
    assert not nameless


def tab_stops(window: MainWindow) -> set[QWidget]:
    """Return what Tab should reach: every control that may be used, one of each exclusive group."""
    found: set[QWidget] = set()
    for kind in (QAbstractButton, QLineEdit, QComboBox, QAbstractItemView, QPlainTextEdit, QTextEdit):
        for widget in shown(window, kind):
            if not widget.isEnabled() or not widget.focusPolicy() & Qt.FocusPolicy.TabFocus:
                continue
            group = widget.group() if isinstance(widget, QAbstractButton) else None
            if group is None or not group.exclusive():
                found.add(widget)
    return found


def test_tab_reaches_every_control_of_every_page(windows, qtbot: QtBot) -> None:  # type: ignore[no-untyped-def]
    window = windows.enter(FakeEngine(["An answer."]))
    say(window, qtbot, "A question?")
    window.activateWindow()
    for name in PAGES:
        window.show_page(name)
        qtbot.wait(200)
        seen: list[QWidget] = []
        for _ in range(80):
            qtbot.keyClick(QApplication.focusWidget() or window, Qt.Key.Key_Tab)
            focused = QApplication.focusWidget()
            if focused in seen:
                break
            assert focused is not None
            seen.append(focused)
        missed = [(type(w).__name__, w.accessibleName()) for w in tab_stops(window) - set(seen)]
        assert not missed, name


def test_every_page_fits_a_small_window(windows, qtbot: QtBot) -> None:  # type: ignore[no-untyped-def]
    window = windows.enter()
    window.resize(900, 600)
    for name in PAGES:
        window.show_page(name)
        qtbot.wait(50)
        assert (window.width(), window.height()) == (900, 600), name
        page = window._stack.currentWidget()
        assert page.minimumSizeHint().width() <= page.width(), name
        assert page.minimumSizeHint().height() <= page.height(), name


def test_a_source_chosen_in_chat_opens_the_document_at_its_passage(
    windows, qtbot: QtBot, tmp_path: Path
) -> None:  # type: ignore[no-untyped-def]
    window = windows.enter()
    note = tmp_path / "harbor.txt"
    note.write_text("The harbor opens at six. Boats leave at seven.\n\nThe ferry is late on Sundays.")
    window.take_files([str(note)], "add")
    qtbot.waitUntil(lambda: len(window.app.library.documents()) == 1, timeout=WAIT_MS)
    qtbot.waitUntil(lambda: not window.documents.busy, timeout=WAIT_MS)
    (record,) = window.app.library.documents()
    window.show_page("chat")
    with qtbot.waitSignal(window.documents.page.view.place_shown, timeout=WAIT_MS):
        window.chat.page.citation_chosen.emit(
            Cited(page=1, quote="Boats leave at seven.", document=record.id)
        )
    assert window.page_name == "documents"
    assert window.documents.page.view.document is not None
    assert window.documents.page.view.document.name == "harbor.txt"


def test_a_summary_is_written_as_every_kind_of_file(windows, qtbot: QtBot, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    window = windows.enter()
    done = SummaryDone(
        sentences=(Sentence(text="Boats leave at seven.", citations=(Cited(page=1, quote="at seven"),)),),
        key_sentences=(),
        outline=(),
        coverage=Coverage(pages=1, read=(1,)),
        model="starter",
        seconds=1.0,
        usage=Usage(),
    )
    for form, start in (("md", b"#"), ("html", b"<"), ("docx", b"PK"), ("pdf", b"%PDF")):
        target = tmp_path / f"summary.{form}"
        with qtbot.waitSignal(window.documents.exported, timeout=WAIT_MS) as written:
            window.documents.page.export_requested.emit(done, form, str(target))
        assert written.args == [str(target)]
        assert target.read_bytes().startswith(start), form
    assert window._toast.text == "Written: summary.pdf"
