"""The pages around chat, alone: what they show, and what they ask for."""

from __future__ import annotations

from msgspec.structs import replace
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLabel, QListView, QPushButton, QSpinBox
from pytestqt.qtbot import QtBot

from desktop_slm.engine.api import Hardware
from desktop_slm.errors import ModelInvalid, WrongPassphrase
from desktop_slm.gui.items import bytes_in_words, computer_in_words, date_in_words, time_left_in_words
from desktop_slm.gui.pages.history import HistoryPage
from desktop_slm.gui.pages.models import ModelsPage
from desktop_slm.gui.pages.settings import SettingsPage
from desktop_slm.gui.pages.unlock import UnlockPage
from desktop_slm.gui.pages.vault_facts import VaultFacts
from desktop_slm.gui.pages.welcome import WelcomePage
from desktop_slm.gui.widgets.history_row import pieces
from desktop_slm.gui.widgets.model_card import ModelCard, ModelFacts
from desktop_slm.gui.widgets.status_bar import StatusBar
from desktop_slm.gui.widgets.toast import Toast
from desktop_slm.settings import Settings
from desktop_slm.store.records import HistoryItem

HOSTILE = "<b>bold</b><img src='file:///etc/passwd'>\u202e{}\n\x07"


def button(widget, text: str) -> QPushButton:  # type: ignore[no-untyped-def]
    """Return the visible button of that name."""
    (found,) = [b for b in widget.findChildren(QPushButton) if b.text() == text and b.isVisible()]
    return found


def item(item_id: str, title: str, snippet: str = "") -> HistoryItem:
    """Return a row of the history."""
    return HistoryItem(id=item_id, kind="conversation", title=title, updated=0.0, snippet=snippet)


# Words


def test_sizes_are_read_as_people_say_them() -> None:
    words = [
        bytes_in_words(n) for n in (0, 999, 1000, 98_000_000, 999_700_000, 1_107_409_472, 17_000_000_000)
    ]
    assert words == ["0 bytes", "999 bytes", "1.0 KB", "98 MB", "1.0 GB", "1.1 GB", "17.0 GB"]


def test_time_left_does_not_pretend_to_be_exact() -> None:
    words = [time_left_in_words(s) for s in (0.2, 7, 33, 58, 150, 7200)]
    assert words == ["almost done", "7 s left", "35 s left", "1 min left", "2 min left", "2.0 h left"]


def test_the_computer_is_described_as_a_person_would() -> None:
    hardware = Hardware(
        cpu_name="A processor", cpu_features=(), physical_cores=2, ram_total_bytes=25_300_000_000,
        ram_free_bytes=23_400_000_000, devices=(), device="CPU", reason="this build has no GPU support",
        threads=2, engine_version="1",
    )  # fmt: skip
    start = "This computer: 2 cores, 25.3 GB of memory (23.4 GB free); "
    assert computer_in_words(hardware) == start + "no GPU used: this build has no GPU support."
    assert computer_in_words(replace(hardware, reason="no GPU found")) == start + "no GPU found."
    assert computer_in_words(replace(hardware, device="NVIDIA H200", reason="a GPU was found")) == (
        start + "the GPU is used: NVIDIA H200."
    )


def test_dates_get_shorter_the_nearer_they_are() -> None:
    day, now = 86_400.0, 1_700_000_000.0
    assert date_in_words(now - day, now) == "yesterday"
    assert ":" in date_in_words(now - 60, now)
    assert date_in_words(now - 400 * day, now).startswith("Oct 1")
    assert date_in_words(now - 400 * day, now).endswith(", 2022")


def test_snippets_are_cut_at_their_marks() -> None:
    assert pieces("a \x02tide\x03 comes") == [("a ", False), ("tide", True), (" comes", False)]
    assert pieces("\x03odd\x02") == [("odd", False)]
    assert pieces("") == []


# Welcome and lock


def test_welcome_wants_a_long_passphrase_typed_twice(qtbot: QtBot) -> None:
    page = WelcomePage()
    qtbot.addWidget(page)
    page.show()
    page.show_keyring(usable=False, reason="no keychain was found")
    button(page, "Continue").click()
    assert page._phrase.radio.isChecked()
    assert not page._keyring.isEnabled()
    assert not button(page, "Continue").isEnabled()
    qtbot.keyClicks(page._first, "short")
    qtbot.keyClicks(page._second, "short")
    assert not button(page, "Continue").isEnabled()
    qtbot.keyClicks(page._first, " no more")
    assert not button(page, "Continue").isEnabled()
    qtbot.keyClicks(page._second, " no more")
    with qtbot.waitSignal(page.key_chosen) as chosen:
        button(page, "Continue").click()
    assert chosen.args == ["passphrase", "short no more"]
    page.show_key_ready()
    assert page._first.text() == page._second.text() == ""


def test_the_first_run_needs_nothing_but_enter_and_a_passphrase(qtbot: QtBot) -> None:
    page = WelcomePage()
    qtbot.addWidget(page)
    page.show()
    qtbot.waitExposed(page)
    page.show_keyring(usable=False, reason="no keychain was found")
    page.show_starter(available=True)

    def press_enter() -> None:
        assert page.focusWidget() is not None
        qtbot.keyClick(page.focusWidget(), Qt.Key.Key_Return)

    press_enter()
    assert page.focusWidget() is page._first
    qtbot.keyClicks(page.focusWidget(), "four words here")
    press_enter()
    assert page.focusWidget() is page._second
    qtbot.keyClicks(page.focusWidget(), "four words here")
    keys: list[tuple[str, str]] = []
    page.key_chosen.connect(lambda kind, phrase: keys.append((kind, phrase)))
    press_enter()
    assert keys == [("passphrase", "four words here")]
    page.show_key_ready()
    with qtbot.waitSignal(page.starter_requested):
        press_enter()


def test_enter_on_a_choice_goes_on(qtbot: QtBot) -> None:
    page = WelcomePage()
    qtbot.addWidget(page)
    page.show()
    page.show_keyring(usable=True, backend="a keychain")
    page.show_step(1)
    page._memory.radio.setChecked(True)
    page._memory.radio.setFocus()
    with qtbot.waitSignal(page.key_chosen) as chosen:
        qtbot.keyClick(page._memory.radio, Qt.Key.Key_Return)
    assert chosen.args == ["memory", ""]


def test_welcome_keeps_the_choice_after_a_failure(qtbot: QtBot) -> None:
    page = WelcomePage()
    qtbot.addWidget(page)
    page.show()
    page.show_step(2)
    page.show_starter(available=False)
    assert not button(page, "Start").isEnabled()
    page.choose_model_file("/models/notes.gguf")
    with qtbot.waitSignal(page.model_file_chosen) as chosen:
        button(page, "Start").click()
    assert chosen.args == ["/models/notes.gguf"]
    page.show_error(ModelInvalid("notes.gguf is not a model file", "Choose a GGUF file."))
    assert "not a model file" in page._problem.text()
    assert button(page, "Start").isEnabled()


def test_unlock_is_asked_for_by_return_and_forgets_what_was_typed(qtbot: QtBot) -> None:
    page = UnlockPage()
    qtbot.addWidget(page)
    page.show()
    qtbot.keyClicks(page._passphrase, "four words")
    with qtbot.waitSignal(page.unlock_requested) as asked:
        qtbot.keyClick(page._passphrase, Qt.Key.Key_Return)
    assert asked.args == ["four words"]
    page.show_error(WrongPassphrase("That passphrase does not open it", "Try again."))
    assert page._problem.isVisible()
    page.wipe()
    assert page._passphrase.text() == ""
    page.show_lock(("keyring",), "The keychain is locked.")
    assert not page._passphrase.isVisible()
    with qtbot.waitSignal(page.unlock_requested) as asked:
        button(page, "Ask the keychain again").click()
    assert asked.args == [""]


# Models


FACTS = (
    ModelFacts("a", "Alpha", "Good at things.", ("1 GB",), ("chat", "translate"), "Fast", in_use=True),
    ModelFacts("b", HOSTILE, HOSTILE, (HOSTILE,), ("translate",), "Slow", offer=HOSTILE),
    ModelFacts("c", "Gone", "The file is missing.", (), (), problem=True),
)


def test_models_are_filtered_by_task_and_broken_ones_stay_in_sight(qtbot: QtBot) -> None:
    page = ModelsPage()
    qtbot.addWidget(page)
    page.show()
    page.show_models(FACTS)
    assert set(page._cards) == {"a", "b", "c"}
    button(page, "Chat").click()
    assert set(page._cards) == {"a", "c"}
    button(page, "Translate").click()
    assert set(page._cards) == {"a", "b", "c"}
    page.show_models((), starter_available=True)
    with qtbot.waitSignal(page.starter_requested):
        button(page, "Start with the tiny starter").click()


def test_a_card_offers_what_is_possible_and_shows_work(qtbot: QtBot) -> None:
    card = ModelCard(FACTS[1])
    qtbot.addWidget(card)
    card.show()
    with qtbot.waitSignal(card.use_requested) as used:
        button(card, "Use").click()
    assert used.args == ["b"]
    card.show_progress("Preparing 40%", 0.4)
    assert not [b for b in card.findChildren(QPushButton) if b.text() == "Use" and b.isVisible()]
    with qtbot.waitSignal(card.stop_requested):
        button(card, "Stop").click()
    assert not card._notice.isVisible()
    card.show_progress("")
    with qtbot.waitSignal(card.prepare_requested) as wanted:
        button(card, "Prepare").click()
    assert wanted.args == ["b"]
    broken = ModelCard(FACTS[2])
    qtbot.addWidget(broken)
    assert not [b for b in broken.findChildren(QPushButton) if b.text() in ("Use", "Prepare")]


def test_a_card_says_what_preparing_brought_until_that_is_closed(qtbot: QtBot) -> None:
    page = ModelsPage()
    qtbot.addWidget(page)
    page.show()
    page.show_models(FACTS)
    page.show_notice("b", "poor", "No faster on this computer.")
    page.show_models(FACTS)  # the cards are made anew
    qtbot.waitUntil(page._cards["b"].isVisible)
    assert page._cards["b"]._notice.text() == "No faster on this computer."
    with qtbot.waitSignal(page.original_requested) as original:
        button(page, "Use the original").click()
    assert original.args == ["b"]
    button(page, "Keep the copy").click()
    assert button(page, "Prepare").isVisible()
    page.show_notice("b", "failed", "The disk is full.")
    with qtbot.waitSignal(page.prepare_requested):
        button(page, "Try again").click()
    page.show_notice("a", "gained", "2.2 times faster at reading.")
    page.clear_notice("b")
    button(page, "Close").click()
    assert not page._cards["a"]._notice.isVisible()


def test_foreign_text_is_never_markup(qtbot: QtBot) -> None:
    page = ModelsPage()
    qtbot.addWidget(page)
    page.show_models(FACTS)
    page.show_error(ModelInvalid(HOSTILE, HOSTILE))
    labels = [label for label in page.findChildren(QLabel) if "bold" in label.text()]
    assert len(labels) >= 3
    assert all(label.textFormat() == Qt.TextFormat.PlainText for label in labels)


# History


def test_history_drops_answers_to_older_questions(qtbot: QtBot) -> None:
    page = HistoryPage()
    qtbot.addWidget(page)
    page.show()
    with qtbot.waitSignal(page.search_requested) as asked:
        qtbot.keyClicks(page._search, "tide")
    assert asked.args == ["tide", ()]
    page.show_items([item("c1", "High tide", "the \x02tide\x03 rises")], "tide")
    page.show_items([item("c9", "Old answer")], "ti")
    assert page._model.rowCount() == 1
    page.show_preview("c1", [("You", f"When does the tide rise? {HOSTILE}")])
    assert page._preview.extraSelections()
    assert "<b>bold</b>" in page._preview.toPlainText()
    page.show_preview("c9", [("You", "something else")])
    assert "something else" not in page._preview.toPlainText()


def test_history_shows_a_hit_in_the_middle_of_its_preview(qtbot: QtBot) -> None:
    page = HistoryPage()
    qtbot.addWidget(page)
    page.resize(1000, 640)
    page.show()
    page._search.setText("tide")
    page.show_items([item("c1", "High tide", "the \x02tide\x03 rises")], "tide")
    long = "Nothing of interest happens here. " * 400
    page.show_preview("c1", [("You", long), ("Answer", "The tide rises."), ("You", long)])
    middle = page._preview.viewport().height() / 2
    assert abs(page._preview.cursorRect().center().y() - middle) < 30


def test_numbers_keep_their_distance_from_the_frame_of_their_box(qtbot: QtBot) -> None:
    page = SettingsPage()
    qtbot.addWidget(page)
    boxes = page.findChildren(QSpinBox)
    assert boxes
    assert all(box.lineEdit().textMargins().left() >= 6 for box in boxes)


def test_history_asks_by_kind_and_opens_and_deletes(qtbot: QtBot) -> None:
    page = HistoryPage()
    qtbot.addWidget(page)
    page.show()
    with qtbot.waitSignal(page.search_requested) as asked:
        button(page, "Summaries").click()
    assert asked.args == ["", ("summary",)]
    page.show_items([item("c1", "One"), item("c2", "Two")], "")
    assert not button(page, "Open").isEnabled()
    view = page.findChild(QListView)
    with qtbot.waitSignal(page.preview_requested) as wanted:
        view.setCurrentIndex(page._model.index(1))
    assert wanted.args[:2] == ["c2", "conversation"]
    with qtbot.waitSignal(page.open_requested):
        qtbot.keyClick(view, Qt.Key.Key_Return)
    with qtbot.waitSignal(page.delete_requested) as deleted:
        qtbot.keyClick(view, Qt.Key.Key_Delete)
    assert deleted.args == ["c2", "conversation"]
    page.take("c2")
    assert page._model.rowCount() == 1


def test_a_wiped_history_shows_nothing(qtbot: QtBot) -> None:
    page = HistoryPage()
    qtbot.addWidget(page)
    page.show_items([item("c1", "Secret")], "")
    page._list.setCurrentIndex(page._model.index(0))
    page.show_preview("c1", [("You", "secret text")])
    page.wipe()
    assert page._model.rowCount() == 0
    assert page._preview.toPlainText() == ""
    assert page._bar.title.text() == "History"


# Settings


def test_settings_show_values_without_asking_for_changes(qtbot: QtBot) -> None:
    page = SettingsPage()
    qtbot.addWidget(page)
    with qtbot.assertNotEmitted(page.setting_changed):
        page.show_settings(
            Settings(theme="dark", n_ctx=4096, n_threads=3, lock_after_min=7, model_folders=("/a", "/b"))
        )
        page.show_models([("m", "Model")])
    assert page._choices["n_ctx"].value() == 4096
    assert page._choices["lock_after_min"].value() == 7
    assert page._threads.value() == 3
    removes = [b for b in page.findChildren(QPushButton) if b.text() == "Remove"]
    with qtbot.waitSignal(page.setting_changed) as changed:
        next(b for b in removes if b.objectName() == "/a").click()
    assert changed.args == ["model_folders", ("/b",)]


def test_privacy_says_what_opens_the_vault(qtbot: QtBot) -> None:
    page = SettingsPage()
    qtbot.addWidget(page)
    page.show()
    page.show_section("Privacy")
    page.show_vault(VaultFacts("open", ("keyring",), "/v", "1 MB"))
    assert not button(page, "Lock now").isEnabled()
    button(page, "Set a passphrase…").click()
    assert not page._panel._old.isVisible()
    qtbot.keyClicks(page._panel._first, "four words are enough")
    qtbot.keyClicks(page._panel._second, "four words are enough")
    with qtbot.waitSignal(page.passphrase_requested) as wanted:
        button(page, "Set passphrase").click()
    assert wanted.args == ["", "four words are enough"]
    page.show_vault(VaultFacts("open", ("passphrase",), "/v", "1 MB"))
    assert page._panel._first.text() == ""
    assert button(page, "Lock now").isEnabled()
    button(page, "Change…").click()
    assert page._panel._old.isVisible()
    page.show_vault(VaultFacts("none", (), "/v", saving=False))
    assert "Nothing is saved" in page._vault_sentence.text()
    assert button(page, "Set a passphrase…").isVisible()
    assert not page._keychain.isVisible(), "a keychain that cannot keep the key is not offered"
    page.show_vault(VaultFacts("none", (), "/v", saving=False, keychain_usable=True))
    assert page._keychain.isVisible()
    page.show_vault(VaultFacts("locked", (), "/v", saving=False))
    assert "still locked" in page._vault_sentence.text()
    assert not page._passphrase.isVisible(), "no second vault beside a locked one"


def test_privacy_clears_what_is_saved_for_reopened_chats(qtbot: QtBot) -> None:
    page = SettingsPage()
    qtbot.addWidget(page)
    page.show()
    page.show_section("Privacy")
    page.show_vault(VaultFacts("open", ("passphrase",), "/v", "1 MB", states="46 MB"))
    assert page._states_sentence.text().startswith("46 MB.")
    button(page, "Change…").click()
    qtbot.keyClicks(page._panel._first, "half ty")
    with qtbot.waitSignal(page.states_clear_requested):
        button(page, "Clear").click()
    page.show_vault(VaultFacts("open", ("passphrase",), "/v", "1 MB"))
    assert page._states_sentence.text().startswith("Nothing.")
    assert not page._clear.isVisible()
    assert page._panel._first.text() == "half ty"  # of the vault itself, nothing has changed


# Status bar and toast


def test_the_status_bar_says_as_much_as_fits(qtbot: QtBot) -> None:
    bar = StatusBar()
    qtbot.addWidget(bar)
    bar.resize(1216, 28)
    bar.show()
    bar.show_model("Starter")
    bar.show_device("CPU", 2, "no GPU found")
    bar.show_memory(400_000_000, 8_000_000_000)
    bar.show_saving("encrypted")
    bar.show_job("Summarizing a-very-long-name-of-a-document.pdf", 0.5, 100)
    assert "2 min left" in bar._job.text()
    assert bar._stop.isVisible()
    bar.resize(836, 28)
    assert bar._device.text() == "Running on: CPU, 2 threads"
    assert bar._job.text() == "Summarizing 50% · 2 min left"
    assert bar._layout.sizeHint().width() <= 836
    bar.show_job("")
    assert not bar._job.isVisible()
    assert not bar._stop.isVisible()


def test_a_toast_goes_by_itself_and_can_do_one_thing(qtbot: QtBot) -> None:
    page = SettingsPage()
    qtbot.addWidget(page)
    page.show()
    toast = Toast(page)
    toast.reduced_motion = True
    toast.show_message("Gone.", "Undo", shown_ms=60_000)
    with qtbot.waitSignal(toast.action_pressed):
        button(toast, "Undo").click()
    assert toast.text == ""
    toast.reduced_motion = False
    toast.show_message("For a moment.", shown_ms=30)
    qtbot.waitUntil(lambda: toast.text == "", timeout=3000)
