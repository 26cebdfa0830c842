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
from desktop_slm.gui.desks.model_facts import facts_of, speed_in_words, told_apart
from desktop_slm.gui.items import computer_in_words
from desktop_slm.gui.job import run_call
from desktop_slm.gui.pages.models import ModelsPage
from desktop_slm.gui.widgets.model_card import ModelFacts

if TYPE_CHECKING:
    from desktop_slm.app import App
    from desktop_slm.engine.speeds import Speed
    from desktop_slm.models.fit import Fit
    from desktop_slm.models.records import InstalledModel
    from desktop_slm.tasks.preparation import Preparation

STARTER = "starter"


@dataclass(frozen=True)
class Shown:
    """What was found out for the page.

    Attributes:
        models: The cards.
        names: (id, name) of those that can be used.
        current: Id of the one that answers now, empty when there is none.
        hardware: This computer; None as long as nobody has looked.
        starter_available: The starter came along and is not on the shelf yet.
        unmeasured: The model that answers now, when it is in memory and was not measured here undisturbed.
    """

    models: tuple[ModelFacts, ...]
    names: tuple[tuple[str, str], ...]
    current: str
    hardware: Hardware | None
    starter_available: bool
    unmeasured: InstalledModel | None = None


class Work(QObject):
    """One long work on a model file, with progress and a way to stop it."""

    progressed = Signal(str, float)
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
        fraction = done_bytes / total_bytes if total_bytes else -1.0
        self.progressed.emit(self.words + (f" {fraction:.0%}" if fraction >= 0 else "…"), fraction)
        return self.keep_on()

    def report_stage(self, stage: str, done: int, total: int) -> bool:
        """Take a report of work in stages; False asks it to stop."""
        words = stage.capitalize()
        if stage == "measuring":
            self.progressed.emit(f"{words} {min(done + 1, total)} of {total}", done / max(1, total))
        else:
            self.progressed.emit(f"{words} {done / max(1, total):.0%}", done / max(1, total))
        return self.keep_on()

    def keep_on(self) -> bool:
        """Tell the working thread whether to go on."""
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
        self._quiet: Work | None = None  # measures the model in use, which nobody asked for
        self._measured: set[str] = set()
        self._closed = False
        self.shown: Shown | None = None
        page.models_requested.connect(self.refresh)
        page.use_requested.connect(self.use_requested)
        page.prepare_requested.connect(self._on_page_prepare_requested)
        page.original_requested.connect(self._on_page_original_requested)
        page.measure_requested.connect(self._on_page_measure_requested)
        page.verify_requested.connect(self._on_page_verify_requested)
        page.remove_requested.connect(self._on_page_remove_requested)
        page.import_requested.connect(self.take_in)
        page.starter_requested.connect(self.get_starter)
        page.stop_requested.connect(self._on_page_stop_requested)

    # What the window asks for

    @Slot()
    def refresh(self) -> None:
        """Look at the shelf and this computer anew; starts the engine's worker."""
        if not self._closed:
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
        """Stop what runs, and begin nothing any more."""
        self._closed = True
        for work in self._works.values():
            work.stop()
        if self._quiet is not None:
            self._quiet.stop()

    # Work off the GUI thread

    def _look(self) -> Shown:
        return self._list(self._app.hardware())

    def _list(self, hardware: Hardware | None = None) -> Shown:
        models = told_apart(self._app.model_list())
        current = self._current(models)
        facts = tuple(self._facts(model, hardware, model.id == current) for model in models)
        names = tuple(
            (model.id, model.name) for model in models if not model.problem and "chat" in model.tasks
        )
        starter = STARTER not in {model.id for model in models} and _starter_available()
        unmeasured = next((model for model in models if model.id == current), None)
        if unmeasured and not (hardware and self._may_measure(unmeasured, hardware)):
            unmeasured = None
        return Shown(facts, names, current, hardware, starter, unmeasured)

    def _may_measure(self, model: InstalledModel, hardware: Hardware) -> bool:
        loaded = self._app.engine.loaded()
        if loaded is None or Path(loaded.path) != Path(model.path).resolve():
            return False
        speed = self._app.calibration.speed(model, hardware)
        wanted = self._app.settings.n_threads or hardware.physical_cores
        return speed is None or speed.probe.threads < wanted  # measured beside other programs: try again

    def _current(self, models: list[InstalledModel]) -> str:
        chosen = self._app.settings.default_model
        if any(model.id == chosen and not model.problem for model in models):
            return chosen
        try:
            return self._app.shelf.default("chat").id
        except ModelNotFound:
            return ""

    def _facts(self, model: InstalledModel, hardware: Hardware | None, in_use: bool) -> ModelFacts:
        fit, speed, offer = None, None, None
        if hardware and not model.problem:
            fit = self._fit(model, hardware)
            speed = self._app.calibration.speed(model, hardware)
            offer = self._app.calibration.offer(model, hardware)
        return facts_of(model, fit=fit, speed=speed, offer=offer, in_use=in_use)

    def _fit(self, model: InstalledModel, hardware: Hardware) -> Fit | None:
        try:
            return self._app.calibration.fit(model, hardware.ram_free_bytes, hardware)
        except ModelError:
            return None

    def _import(self, path: str, how: str, work: Work) -> InstalledModel:
        return self._app.shelf.import_file(
            Path(path), how="use" if how == "use" else "copy", progress=work.report
        )

    def _verify(self, model: str, work: Work) -> InstalledModel:
        return self._app.shelf.verify(model, work.report)

    def _prepare(self, model: str, work: Work) -> tuple[str, Preparation | DesktopSlmError]:
        try:
            return model, self._app.calibration.prepare(model, work.report_stage)
        except DesktopSlmError as error:
            return model, error

    def _measure(self, model: str, work: Work) -> tuple[str, Preparation | Speed | DesktopSlmError]:
        """Measure a model; a prepared one in turns with its original."""
        calibration = self._app.calibration
        try:
            found = self._app.shelf.find(model)
            if found.prepared_from:
                return model, calibration.prepare(model, work.report_stage, again=True)
            return model, calibration.measure(found, work.keep_on)
        except DesktopSlmError as error:
            return model, error

    def _measure_alone(self, model: InstalledModel, work: Work) -> Speed:
        return self._app.calibration.measure(model, work.keep_on)

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
        self.page.clear_notice(model)
        work = Work(model, words, self)
        work.progressed.connect(self._on_work_progressed)
        work.ended.connect(self._on_work_ended)
        self._works[model] = work
        self.page.show_progress(model, f"{words}…")
        run_call(partial(_until_stopped, function, work), on_result, self._on_failed)

    @Slot(str, float)
    def _on_work_progressed(self, words: str, fraction: float) -> None:
        work = self.sender()
        if isinstance(work, Work) and work.model in self._works:
            self.page.show_progress(work.model, words, fraction)

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
        if shown.unmeasured is not None:
            self._measure_quietly(shown.unmeasured)

    def _measure_quietly(self, model: InstalledModel) -> None:
        """Measure the model in use, once, when its worker has nothing else to do; a second or two."""
        if self._quiet is not None or model.id in self._measured:
            return
        self._measured.add(model.id)
        self._quiet = Work(model.id, "", self)
        measure = partial(_until_stopped, partial(self._measure_alone, model), self._quiet)
        run_call(measure, self._on_measured_quietly, self._on_measured_quietly)

    @Slot(object)
    def _on_measured_quietly(self, outcome: Speed | DesktopSlmError | None) -> None:
        """Show the speed; that it could not be measured is nothing to bother anybody with."""
        self._quiet = None
        if outcome is not None and not isinstance(outcome, DesktopSlmError):
            self.refresh()

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

    @Slot(object)
    def _on_outcome(self, told: tuple[str, Preparation | Speed | DesktopSlmError] | None) -> None:
        """Say on the card what came of preparing or measuring; None: it was stopped."""
        from desktop_slm.engine.speeds import Speed

        if told is not None:
            model, outcome = told
            if isinstance(outcome, DesktopSlmError):
                self.page.show_notice(model, "failed", str(outcome))
            elif isinstance(outcome, Speed):
                self.page.show_notice(model, "gained", f"{speed_in_words(outcome)}.")
            else:
                self.page.show_notice(model, "gained" if outcome.pays else "poor", outcome.sentence)
        self.refresh()

    # Wishes

    @Slot(str)
    def _on_page_prepare_requested(self, model: str) -> None:
        self._start(model, "Preparing", partial(self._prepare, model), self._on_outcome)

    @Slot(str)
    def _on_page_measure_requested(self, model: str) -> None:
        self._start(model, "Measuring", partial(self._measure, model), self._on_outcome)

    @Slot(str)
    def _on_page_original_requested(self, model: str) -> None:
        self.page.clear_notice(model)
        run_call(partial(self._app.calibration.keep_original, model), self._on_changed, self._on_failed)

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
