"""One message of the transcript: the user's words in a bubble, the assistant's on the ground.

Messages are stacked by hand and not by layouts: the transcript asks each for its height at a width, and only
those in sight exist.
"""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QPoint, Qt, Signal, Slot
from PySide6.QtGui import QAction, QGuiApplication
from PySide6.QtWidgets import QFrame, QWidget

from desktop_slm.gui import theme
from desktop_slm.gui.widgets.answer_view import AnswerView
from desktop_slm.gui.widgets.edit_box import EditBox
from desktop_slm.gui.widgets.message_actions import ROW_HEIGHT_PX, MessageActions
from desktop_slm.gui.widgets.plain_label import PlainLabel, one_line
from desktop_slm.store.records import MessageRecord

BUBBLE_SIDE_PX = 14
BUBBLE_TOP_PX = 10
GAP_PX = 8


class MessageView(QWidget):
    """What both kinds of messages have.

    Signals:
        regenerate_requested, continue_requested, edit_requested: Id of this message.
        branch_requested: Its id and -1 or +1.
        resend_requested: Its id and the edited text.
        link_chosen: Address.
        citation_chosen: A `Cited`.
        height_changed: `arrange` would give another height now.
    """

    regenerate_requested = Signal(str)
    continue_requested = Signal(str)
    edit_requested = Signal(str)
    branch_requested = Signal(str, int)
    resend_requested = Signal(str, str)
    link_chosen = Signal(str)
    citation_chosen = Signal(object)
    height_changed = Signal()

    def __init__(self, record: MessageRecord, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.record = record
        self.body = AnswerView(self, plain=record.role == "user")
        self.body.link_chosen.connect(self.link_chosen)
        self.actions_row = MessageActions(self)
        self.actions_row.copy_pressed.connect(self._on_copy_pressed)
        self.actions_row.regenerate_pressed.connect(self._on_regenerate_pressed)
        self.actions_row.edit_pressed.connect(self._on_edit_pressed)
        self.actions_row.continue_pressed.connect(self._on_continue_pressed)
        self.actions_row.branch_pressed.connect(self._on_branch_pressed)

    @property
    def pending(self) -> bool:
        """Whether text waits to be brought in by `advance`."""
        return self.body.pending

    @property
    def busy_with_user(self) -> bool:
        """Whether the user has selected, focused or opened something here, so that it must stay."""
        focused = QGuiApplication.focusObject()
        inside = isinstance(focused, QWidget) and self.isAncestorOf(focused)
        return inside or self.body.textCursor().hasSelection()

    def tab_stops(self) -> list[QWidget]:
        """Return what Tab visits, in order."""
        row = self.actions_row
        buttons = (row.copy, row.regenerate, row.edit, row.go_on, row.before, row.after)
        return [self.body, *self.body.copy_buttons(), *buttons]

    def advance(self) -> bool:
        """Bring in some text; tell whether the height may have changed."""
        return self.body.advance()

    def prepare(self, width_px: int) -> None:
        """Set the width before the first text comes in, so that it is laid out once."""
        self.body.fit(width_px)

    def arrange(self, width_px: int) -> int:
        """Lay out everything for a width and return the height."""
        raise NotImplementedError

    def show_record(self, record: MessageRecord) -> None:
        """Take what changed about a message whose text is the same: its state and its branches."""
        self.record = record
        self.actions_row.show_branches(record.position, record.siblings)

    def show_enabled(self, enabled: bool) -> None:
        """Allow or forbid what would start another request."""
        for button in (self.actions_row.regenerate, self.actions_row.edit, self.actions_row.go_on):
            button.setEnabled(enabled)
        if enabled:
            self.actions_row.show_branches(self.record.position, self.record.siblings)
        else:
            self.actions_row.before.setEnabled(False)
            self.actions_row.after.setEnabled(False)

    @Slot()
    def _on_copy_pressed(self) -> None:
        QGuiApplication.clipboard().setText(self.body.given_text)

    @Slot()
    def _on_regenerate_pressed(self) -> None:
        self.regenerate_requested.emit(self.record.id)

    @Slot()
    def _on_edit_pressed(self) -> None:
        self.edit_requested.emit(self.record.id)

    @Slot()
    def _on_continue_pressed(self) -> None:
        self.continue_requested.emit(self.record.id)

    @Slot(int)
    def _on_branch_pressed(self, step: int) -> None:
        self.branch_requested.emit(self.record.id, step)


class UserMessage(MessageView):
    """The user's words at the right, with the names of attached documents; can become an editor.

    Args:
        record: The message.
        names: Names of its documents.
        parent: Owner.
    """

    def __init__(
        self, record: MessageRecord, names: Sequence[str] = (), parent: QWidget | None = None
    ) -> None:
        super().__init__(record, parent)
        self._bubble = QFrame(self)
        theme.set_kind(self._bubble, "bubble")
        self._bubble.lower()
        self.body.setAccessibleName("Your message")
        self.body.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.body.customContextMenuRequested.connect(self._on_menu_requested)
        self.body.set_text(record.text)
        self._names = PlainLabel(" · ".join(one_line(name, 60) for name in names), parent=self)
        theme.set_kind(self._names, "meta")
        self._names.setVisible(bool(names))
        row = self.actions_row
        for button in (row.copy, row.regenerate, row.edit, row.go_on, row.cost):
            button.hide()
        row.show_branches(record.position, record.siblings)
        self._editor: EditBox | None = None
        self._fitted = (0, -1, 0)

    @property
    def busy_with_user(self) -> bool:
        """An open editor must stay."""
        return self._editor is not None or super().busy_with_user

    def arrange(self, width_px: int) -> int:
        """Lay out: names, bubble, branch arrows, all at the right."""
        y = 0
        if not self._names.isHidden():
            hint = self._names.sizeHint()
            width = min(hint.width(), width_px)
            self._names.setGeometry(width_px - width, 0, width, hint.height())
            y = hint.height() + 4
        if self._editor is not None:
            self._editor.setGeometry(0, y, width_px, self._editor.height_px)
            return y + self._editor.height_px
        room = max(80, int(width_px * 0.8)) - 2 * BUBBLE_SIDE_PX
        if self.body.pending:
            self._fitted = (width_px, -1, room)  # all of the room until everything is there
        elif self._fitted[:2] != (width_px, self.body.version):
            self.body.fit(room)
            ideal = min(room, int(self.body.document().idealWidth()) + 2)
            self._fitted = (width_px, self.body.version, ideal)
        width = self._fitted[2]
        height = self.body.fit(width)
        left = width_px - width - BUBBLE_SIDE_PX
        self.body.setGeometry(left, y + BUBBLE_TOP_PX, width, height)
        self._bubble.setGeometry(
            left - BUBBLE_SIDE_PX, y, width + 2 * BUBBLE_SIDE_PX, height + 2 * BUBBLE_TOP_PX
        )
        y += height + 2 * BUBBLE_TOP_PX
        shown = self.record.siblings > 1
        self.actions_row.setVisible(shown)
        if shown:
            hint_px = self.actions_row.sizeHint().width()
            self.actions_row.setGeometry(width_px - hint_px, y + 2, hint_px, ROW_HEIGHT_PX)
            y += ROW_HEIGHT_PX + 2
        return y

    def prepare(self, width_px: int) -> None:
        """Leave the margin at the left."""
        self.body.fit(max(80, int(width_px * 0.8)) - 2 * BUBBLE_SIDE_PX)

    def start_editing(self) -> None:
        """Put an editor in the place of the bubble."""
        if self._editor is None:
            self._editor = EditBox(self.record.text, self)
            self._editor.sent.connect(self._on_editor_sent)
            self._editor.cancelled.connect(self._on_editor_cancelled)
            self._show_bubble(False)
            self._editor.show()
            self.height_changed.emit()
        self._editor.text.setFocus()

    def _show_bubble(self, shown: bool) -> None:
        for widget in (self.body, self._bubble, self.actions_row):
            widget.setVisible(shown)

    def _close_editor(self) -> None:
        if self._editor is not None:
            self._editor.hide()
            self._editor.deleteLater()
            self._editor = None
            self._show_bubble(True)
            self.height_changed.emit()

    @Slot(str)
    def _on_editor_sent(self, text: str) -> None:
        self._close_editor()
        self.resend_requested.emit(self.record.id, text)

    @Slot()
    def _on_editor_cancelled(self) -> None:
        self._close_editor()
        self.body.setFocus()

    @Slot(QPoint)
    def _on_menu_requested(self, place: QPoint) -> None:
        menu = self.body.createStandardContextMenu(place)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        edit = QAction("Edit and send again", menu)
        edit.setEnabled(self.actions_row.edit.isEnabled())
        edit.triggered.connect(self._on_edit_pressed)
        menu.addSeparator()
        menu.addAction(edit)
        menu.popup(self.body.mapToGlobal(place))
