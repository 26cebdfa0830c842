"""The models page's desk: the shelf, what this computer is, and long work on model files."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, Signal, Slot

from desktop_slm.engine.api import Hardware
from desktop_slm.errors import DesktopSlmError, ModelError, ModelNotFound
from desktop_slm.gui.items import bytes_in_words, computer_in_words
from desktop_slm.gui.job import run_call
from desktop_slm.gui.pages.models import ModelsPage
from desktop_slm.gui.widgets.model_card import ModelFacts

if TYPE_CHECKING:
    from desktop_slm.app import App
    from desktop_slm.models.fit import Fit
    from desktop_slm.models.records import InstalledModel

STARTER = "starter"
_PARTS = {"weights": "weights", "kv": "context", "compute": "buffers", "app": "the application"}


@dataclass(frozen=True)
class Shown:
    """What was found out for the page.

    Attributes:
        models: The cards.
        names: (id, name) of those that can be used.
        current: Id of the one that answers now, empty when there is none.
        hardware: This computer; None as long as nobody has looked.
        starter_available: The starter came along and is not on the shelf yet.
    """

    models: tuple[ModelFacts, ...]
    names: tuple[tuple[str, str], ...]
    current: str
    hardware: Hardware | None
    starter_available: bool


class Work(QObject):
    """One long work on a model file, with progress and a way to stop it."""

    progressed = Signal(float)
    ended = Signal()

    def __init__(self, model: str, words: str, parent: QObject) -> None:
        super().__init__(parent)
        self.model = model
        self.words = words
        self._stopping = threading.Event()

    def stop(self) -> None:
        """Ask the work to end."""
        self._stopping.set()

    def report(self, done_bytes: int, total_bytes: int) -> bool:
        """Take a report of the working thread; False asks it to stop."""
        self.progressed.emit(done_bytes / total_bytes if total_bytes else -1.0)
        return not self._stopping.is_set()


class ModelsDesk(QObject):
    """Serves one `ModelsPage`, and tells the window which models there are.

    Signals:
        listed: `Shown`, whenever the shelf or the choice has changed.
        use_requested: Id of the model to use from now on.
        starter_ready, imported: The wish came true; the model's id.
        failed: Why a wish did not come true.
        remove_asked: Id, name and bytes of a model that the user wants removed: to be confirmed.
    """

    listed = Signal(object)
    use_requested = Signal(str)
    starter_ready = Signal(str)
    imported = Signal(str)
    failed = Signal(object)
    remove_asked = Signal(str, str)

    def __init__(self, app: App, page: ModelsPage, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._app = app
        self.page = page
        self._works: dict[str, Work] = {}
        self.shown: Shown | None = None
        page.models_requested.connect(self.refresh)
        page.use_requested.connect(self.use_requested)
        page.prepare_requested.connect(self._on_page_prepare_requested)
        page.verify_requested.connect(self._on_page_verify_requested)
        page.remove_requested.connect(self._on_page_remove_requested)
        page.import_requested.connect(self.take_in)
        page.starter_requested.connect(self.get_starter)
        page.stop_requested.connect(self._on_page_stop_requested)

    # What the window asks for

    @Slot()
    def refresh(self) -> None:
        """Look at the shelf and this computer anew; starts the engine's worker."""
        run_call(self._look, self._on_looked, self._on_failed)

    def list_shelf(self) -> None:
        """Look at the shelf only."""
        run_call(self._list, self._on_looked, self._on_failed)

    @Slot()
    def get_starter(self) -> None:
        """Put the starter on the shelf and prepare it."""
        run_call(self._app.shelf.ensure_starter, self._on_starter, self._on_failed)

    @Slot(str, str)
    def take_in(self, path: str, how: str = "copy") -> None:
        """Import a model file."""
        words = "Checking and copying" if how == "copy" else "Checking"
        self._start("", words, partial(self._import, path, how), self._on_imported)

    def remove(self, model: str) -> None:
        """Take a model off the shelf; asked and confirmed before."""
        run_call(partial(self._app.shelf.remove, model), self._on_changed, self._on_failed)

    def close(self) -> None:
        """Stop what runs."""
        for work in self._works.values():
            work.stop()

    # Work off the GUI thread

    def _look(self) -> Shown:
        return self._list(self._app.hardware())

    def _list(self, hardware: Hardware | None = None) -> Shown:
        models = self._app.model_list()
        current = self._current(models)
        facts = tuple(self._facts(model, hardware, model.id == current) for model in models)
        names = tuple(
            (model.id, model.name) for model in models if not model.problem and "chat" in model.tasks
        )
        starter = STARTER not in {model.id for model in models} and _starter_available()
        return Shown(facts, names, current, hardware, starter)

    def _current(self, models: list[InstalledModel]) -> str:
        chosen = self._app.settings.default_model
        if any(model.id == chosen and not model.problem for model in models):
            return chosen
        try:
            return self._app.shelf.default("chat").id
        except ModelNotFound:
            return ""

    def _facts(self, model: InstalledModel, hardware: Hardware | None, in_use: bool) -> ModelFacts:
        from desktop_slm.models.layouts import PREPARE_TO

        fit = self._fit(model, hardware) if hardware and not model.problem else None
        return ModelFacts(
            id=model.id,
            name=model.name,
            sentence=model.problem or _sentence(model, fit),
            chips=_chips(model),
            tasks=model.tasks,
            fit_word=fit.word if fit else "",
            fit_sum=_sum_in_words(fit) if fit else "",
            problem=bool(model.problem),
            in_use=in_use,
            can_prepare=model.quantization in PREPARE_TO and not model.prepared_from and not model.in_place,
            on_shelf=bool(model.sha256),
            details=_details(model),
        )

    def _fit(self, model: InstalledModel, hardware: Hardware) -> Fit | None:
        from desktop_slm.models.fit import fit

        try:
            return fit(model, self._app.settings.n_ctx, hardware.ram_free_bytes)
        except ModelError:
            return None

    def _import(self, path: str, how: str, work: Work) -> InstalledModel:
        return self._app.shelf.import_file(
            Path(path), how="use" if how == "use" else "copy", progress=work.report
        )

    def _verify(self, model: str, work: Work) -> InstalledModel:
        return self._app.shelf.verify(model, work.report)

    def _prepare(self, model: str, work: Work) -> InstalledModel:
        return self._app.shelf.prepare(model, work.report)

    # Long work

    def _start(
        self,
        model: str,
        words: str,
        function: Callable[[Work], object],
        on_result: Callable[[Any], object],
    ) -> None:
        if model in self._works:
            return
        work = Work(model, words, self)
        work.progressed.connect(self._on_work_progressed)
        work.ended.connect(self._on_work_ended)
        self._works[model] = work
        self.page.show_progress(model, f"{words}…")
        run_call(partial(_until_stopped, function, work), on_result, self._on_failed)

    @Slot(float)
    def _on_work_progressed(self, fraction: float) -> None:
        work = self.sender()
        if isinstance(work, Work) and work.model in self._works:
            percent = f" {fraction:.0%}" if fraction >= 0 else "…"
            self.page.show_progress(work.model, work.words + percent, fraction)

    @Slot()
    def _on_work_ended(self) -> None:
        work = self.sender()
        if isinstance(work, Work):
            self._works.pop(work.model, None)
            self.page.show_progress(work.model, "")
            work.deleteLater()

    # Answers

    @Slot(object)
    def _on_looked(self, shown: Shown) -> None:
        self.shown = shown
        if shown.hardware is not None:
            self.page.show_computer(computer_in_words(shown.hardware))
        self.page.show_models(shown.models, starter_available=shown.starter_available)
        for work in self._works.values():
            self.page.show_progress(work.model, f"{work.words}…")
        self.listed.emit(shown)

    @Slot(object)
    def _on_starter(self, model: InstalledModel) -> None:
        self.refresh()
        self.starter_ready.emit(model.id)

    @Slot(object)
    def _on_imported(self, model: InstalledModel | None) -> None:
        self.refresh()
        if model is not None:
            self.imported.emit(model.id)

    @Slot(object)
    def _on_changed(self, _model: object) -> None:
        self.refresh()

    @Slot(object)
    def _on_failed(self, error: DesktopSlmError) -> None:
        self.page.show_error(error)
        self.refresh()
        self.failed.emit(error)

    # Wishes

    @Slot(str)
    def _on_page_prepare_requested(self, model: str) -> None:
        self._start(model, "Preparing", partial(self._prepare, model), self._on_changed)

    @Slot(str)
    def _on_page_verify_requested(self, model: str) -> None:
        self._start(model, "Verifying", partial(self._verify, model), self._on_changed)

    @Slot(str)
    def _on_page_remove_requested(self, model: str) -> None:
        facts = (
            next((facts for facts in self.shown.models if facts.id == model), None) if self.shown else None
        )
        if facts is not None:
            self.remove_asked.emit(model, facts.name)

    @Slot(str)
    def _on_page_stop_requested(self, model: str) -> None:
        if model in self._works:
            self._works[model].stop()


def _until_stopped(function: Callable[[Work], object], work: Work) -> object:
    """Run ``function``; being stopped is an outcome like another."""
    from desktop_slm.models.files import Stopped

    try:
        return function(work)
    except Stopped:
        return None
    finally:
        work.ended.emit()


def _starter_available() -> bool:
    from desktop_slm.models import starter

    try:
        starter.locate()
    except ModelNotFound:
        return False
    return True


def _sentence(model: InstalledModel, fit: Fit | None) -> str:
    words = model.note.rstrip(".")
    if fit is not None and fit.word == "Won't fit":
        return f"Needs {bytes_in_words(fit.need_bytes)}, {bytes_in_words(fit.free_bytes)} are free."
    speed = ""
    if fit is not None:
        verb = "Writes" if fit.measured else "Should write"
        speed = f"{verb} about {_rounded(fit.tokens_per_s)} tokens per second here"
    return ". ".join(part for part in (words, speed) if part) + "." if words or speed else ""


def _rounded(tokens_per_s: float) -> str:
    if tokens_per_s >= 20:
        return f"{round(tokens_per_s, -1):.0f}"
    return f"{tokens_per_s:.0f}" if tokens_per_s >= 2 else f"{tokens_per_s:.1f}"


def _chips(model: InstalledModel) -> tuple[str, ...]:
    verified = f"verified {model.verified_at[:10]}" if model.verified_at else ""
    place = "used in place" if model.in_place else ""
    return tuple(
        chip
        for chip in (bytes_in_words(model.bytes), model.quantization, model.licence, verified, place)
        if chip
    )


def _sum_in_words(fit: Fit) -> str:
    parts = " + ".join(f"{bytes_in_words(size)} {_PARTS.get(part, part)}" for part, size in fit.parts.items())
    return (
        f"{parts} = {bytes_in_words(fit.need_bytes)}, with {fit.n_ctx:,} tokens of context; "
        f"{bytes_in_words(fit.free_bytes)} are free"
    )


def _details(model: InstalledModel) -> tuple[tuple[str, str], ...]:
    context = f"trained for {model.n_ctx_train:,} tokens" if model.n_ctx_train else ""
    made = " ".join(part for part in (model.architecture, model.size_label, model.quantization) if part)
    rows = (
        ("File", model.path),
        ("Prepared from", model.prepared_from),
        ("Kind", made),
        ("Context", context),
        ("Good for", ", ".join(model.tasks)),
        ("Languages", ", ".join(model.languages)),
        ("License", model.licence),
        ("Came from", model.source),
        ("SHA-256", model.sha256),
    )
    return tuple((name, value) for name, value in rows if value)
