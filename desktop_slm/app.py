"""The composition root: builds every service once, passes it on, and closes them in reverse order.

Making an `App` opens nothing and starts nothing; each service begins when it is first used, and the heavy
ones are not even imported before.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from desktop_slm import settings as settings_file
from desktop_slm.errors import (
    DesktopSlmError,
    InvalidRequest,
    KeyringUnavailable,
    ModelNotFound,
    StorageFailed,
    VaultLocked,
)
from desktop_slm.paths import Paths
from desktop_slm.settings import Settings
from desktop_slm.tasks.services import never

if TYPE_CHECKING:
    from desktop_slm.documents.reader import DocumentSession
    from desktop_slm.engine.api import Engine, Hardware, ModelSpec, Sampling
    from desktop_slm.engine.speeds import Speeds
    from desktop_slm.models.records import InstalledModel
    from desktop_slm.models.shelf import Shelf
    from desktop_slm.store.database import Database
    from desktop_slm.store.history import History
    from desktop_slm.store.keyring_wall import KeyringWall
    from desktop_slm.store.library import Library
    from desktop_slm.store.search import Search
    from desktop_slm.store.vault import Vault
    from desktop_slm.tasks.calibration import Calibration
    from desktop_slm.tasks.events import Progress, TaskEvent
    from desktop_slm.tasks.requests import Request
    from desktop_slm.tasks.services import ChosenModel, Services
    from desktop_slm.tasks.states import ConversationStates

_SAVE_STATES_S = 1.0  # while someone waits for the end


class OpenState(msgspec.Struct, frozen=True, kw_only=True):
    """How things stand after `App.open`.

    Attributes:
        kind: ``open``: results are kept, encrypted. ``memory``: nothing reaches the disk. ``locked``: there
            is a vault, and what opens it is not at hand. ``none``: there is no vault yet.
        sentence: The same for the user; empty when there is nothing to say.
    """

    kind: Literal["open", "memory", "locked", "none"]
    sentence: str = ""


class App:
    """Everything the window and the command line can do.

    Args:
        paths: The folders of this installation.
        engine: Inference; None for a worker process, started when it is needed.
        keyring: The system's keychain; None for the real one.
        incognito: Keep nothing, whatever there is.
        passphrase: What `open` opens, or makes, a vault with.
    """

    def __init__(
        self,
        paths: Paths,
        *,
        engine: Engine | None = None,
        keyring: KeyringWall | None = None,
        incognito: bool = False,
        passphrase: str | None = None,
    ) -> None:
        self.paths = paths
        self._engine = engine
        self._keyring = keyring
        self._incognito = incognito
        self._passphrase = passphrase
        self._settings: Settings | None = None
        self._changing = threading.RLock()
        self._vault: Vault | None = None
        self._shelf: Shelf | None = None
        self._speeds: Speeds | None = None
        self._chosen: InstalledModel | None = None
        self._memory: Database | None = None
        self._states: ConversationStates | None = None
        self._running = 0
        self._making = threading.RLock()

    # Settings

    @property
    def settings(self) -> Settings:
        """The settings as they are now."""
        with self._changing:
            if self._settings is None:
                self._settings = settings_file.load(self.paths.settings)
            return self._settings

    def change_settings(self, **changes: Any) -> Settings:
        """Change some settings, write them, and return them all.

        Raises:
            StorageFailed: They are in force, and could not be written.
        """
        with self._changing:  # two threads must neither lose a change nor write the older file last
            settings = self._settings = msgspec.structs.replace(self.settings, **changes)
            if "model_folders" in changes:
                self._shelf = None
            try:
                settings_file.save(self.paths.settings, settings)
            except OSError as error:
                raise StorageFailed(
                    "The settings could not be saved", "They are in force until the application ends."
                ) from error
            return settings

    # Services

    @property
    def keyring(self) -> KeyringWall:
        """The system's keychain."""
        if self._keyring is None:
            from desktop_slm.store.keyring_wall import KeyringWall

            self._keyring = KeyringWall()
        return self._keyring

    @property
    def vault(self) -> Vault:
        """Keys and database."""
        with self._making:
            if self._vault is None:
                from desktop_slm.store.vault import Vault

                self._vault = Vault(self.paths.vault, self.keyring)
            return self._vault

    @property
    def engine(self) -> Engine:
        """Inference."""
        with self._making:
            if self._engine is None:
                from desktop_slm.engine.client import EngineClient

                self._engine = EngineClient(
                    threads=self.settings.n_threads,
                    model_folders=(self.paths.models, *self.settings.model_folders),
                )
            return self._engine

    @property
    def shelf(self) -> Shelf:
        """The installed models."""
        with self._making:
            if self._shelf is None:
                from desktop_slm.models.shelf import Shelf

                self._shelf = Shelf(
                    self.paths.models, extra_folders=self.settings.model_folders, quantize=self._quantize
                )
            return self._shelf

    def _quantize(self, source: str, target: str, file_type: str, tick: Callable[[], None]) -> None:
        self.engine.quantize(source, target, file_type, tick)

    @property
    def calibration(self) -> Calibration:
        """Measures and prepares models."""
        from desktop_slm.engine.speeds import Speeds
        from desktop_slm.tasks.calibration import Calibration

        with self._making:
            self._speeds = self._speeds or Speeds(self.paths.speeds)
            return Calibration(self.shelf, self.engine, self._speeds, self.spec)

    # Opening and locking

    def open(self, *, create: bool = False) -> OpenState:
        """Open what there is.

        Args:
            create: Where there is no vault, make one: with the passphrase if one was given, else with the
                keychain if that can be used, else go on in memory. The window leaves this off and asks.

        Raises:
            VaultError: There is a vault and it cannot be opened: wrong passphrase, missing, damaged, in use.
        """
        if self._incognito:
            self.use_memory()
            return OpenState(kind="memory", sentence="Incognito: nothing is saved.")
        if self.vault.state() == "none":
            return self._begin() if create else OpenState(kind="none")
        return self._unlock_known()

    def _begin(self) -> OpenState:
        if self._passphrase is not None:
            self.create_vault(self._passphrase)
            return OpenState(kind="open", sentence="An encrypted vault was made; the passphrase opens it.")
        state = self.keyring.probe()
        if not state.usable:
            self.use_memory()
            why = f" ({state.reason.rstrip('.')})" if state.reason else ""
            return OpenState(
                kind="memory",
                sentence=f"Nothing is saved: there is neither a usable keychain{why} nor a passphrase.",
            )
        self.create_vault(None)
        return OpenState(
            kind="open", sentence="An encrypted vault was made; its key is in the system keychain."
        )

    def _unlock_known(self) -> OpenState:
        slots = self.vault.slots()
        if self._passphrase is not None and ("passphrase" in slots or not slots):
            self.vault.unlock(passphrase=self._passphrase)
        elif "keyring" in slots or not slots:
            try:
                self.vault.unlock()
            except KeyringUnavailable as error:
                if "passphrase" not in slots:
                    raise
                return OpenState(kind="locked", sentence=str(error))
        elif self.vault.state() != "locked":
            self.vault.unlock(passphrase="")  # says what is wrong with it
        else:
            return OpenState(kind="locked", sentence="The vault is locked; its passphrase opens it.")
        return OpenState(kind="open")

    def create_vault(self, passphrase: str | None) -> None:
        """Make a vault and open it; None keeps its key in the keychain. What is in memory moves into it.

        Raises:
            InvalidRequest: There is a vault already; or something runs, which writes to the memory.
            KeyringUnavailable, StorageFailed: There is no vault, and the memory is as it was.
        """
        if self._memory is not None and self._running:
            raise InvalidRequest(
                "Something is still being written", "Wait until it is done or stop it, then set the key."
            )
        self.vault.create(passphrase=passphrase, content=self._memory)
        self._leave_memory()

    def unlock(self, passphrase: str | None) -> None:
        """Open the vault; None takes its key from the keychain. Then what is in memory is forgotten."""
        self.vault.unlock(passphrase=passphrase)
        self._leave_memory()

    def lock(self) -> None:
        """Close the vault and forget its key; the engine forgets what it has read."""
        if self._states is not None:
            self._states.save_within(_SAVE_STATES_S)
        if self._vault is not None:
            self._vault.lock()
        if self._engine is not None:
            self._engine.unload()

    def use_memory(self) -> None:
        """Go on without the disk: the same features, all forgotten at the end."""
        from desktop_slm.store.database import Database

        if self._memory is None:
            self._memory = Database.in_memory()

    def _leave_memory(self) -> None:
        if self._memory is not None:
            self._memory.close()
            self._memory = None

    @property
    def saving(self) -> bool:
        """Whether results reach the disk."""
        return self._memory is None and self._vault is not None and self._vault.state() == "open"

    # What is kept

    @property
    def _database(self) -> Database:
        return self._memory if self._memory is not None else self.vault.database()

    @property
    def history(self) -> History:
        """Conversations.

        Raises:
            VaultLocked: Nothing is open.
        """
        from desktop_slm.store.history import History

        return History(self._database, self._forget)

    @property
    def library(self) -> Library:
        """Documents, summaries, translations.

        Raises:
            VaultLocked: Nothing is open.
        """
        from desktop_slm.store.library import Library

        return Library(self._database, self._forget)

    @property
    def search(self) -> Search:
        """Search over all of it.

        Raises:
            VaultLocked: Nothing is open.
        """
        from desktop_slm.store.search import Search

        return Search(self._database)

    @property
    def states(self) -> ConversationStates:
        """What the model has read of conversations, saved for later.

        Raises:
            VaultLocked: Nothing is open.
        """
        from desktop_slm.store.states import States
        from desktop_slm.tasks.states import ConversationStates

        with self._making:
            if self._states is None or self._states.store.database is not self._database:
                self._states = ConversationStates(self.engine, States(self._database))
            return self._states

    def save_states(self, opened: str = "") -> None:
        """Begin to save what the model has read of conversations that were left: of all but ``opened``."""
        if self._states is not None:
            self._states.save_aside(but=opened)

    def _forget(self, conversations: Sequence[str]) -> None:
        if self._states is not None:
            for conversation in conversations:
                self._states.forget(conversation)

    def open_stored(self, document_id: str, password: str = "") -> DocumentSession:
        """Open a document of the library for its page images; close the session when done.

        Raises:
            DocumentError: It cannot be read; an encrypted one needs its password again.
        """
        from desktop_slm.documents.reader import open_document

        name = self.library.get(document_id).record.name
        return open_document(name, self.library.data(document_id), password=password)

    # Work

    def run(self, request: Request, stopped: Callable[[], bool] = never) -> Iterator[TaskEvent]:
        """Do what ``request`` asks; see `tasks.run`. Closing the generator stops it and keeps what is done.

        Args:
            request: What to do.
            stopped: Asked between steps; once true, the task winds up and still gives its last event.
        """
        from desktop_slm.tasks.run import run

        return self._counted(run(request, self._services(stopped)))

    def _counted(self, events: Iterator[TaskEvent]) -> Iterator[TaskEvent]:
        with self._making:
            self._running += 1
        try:
            yield from events
        finally:
            with self._making:
                self._running -= 1
            if self._chosen and self.saving:  # without a vault, nothing is kept
                self.calibration.note_memory(self._chosen)

    def _services(self, stopped: Callable[[], bool]) -> Services:
        from desktop_slm.tasks.services import Services

        history: History | None = None
        library: Library | None = None
        states: ConversationStates | None = None
        with contextlib.suppress(VaultLocked):
            history, library, states = self.history, self.library, self.states
        return Services(
            engine=self.engine,
            choose_model=self.choose_model,
            history=history,
            library=library,
            states=states,
            sampling=self._sampling(),
            stopped=stopped,
        )

    def _sampling(self) -> Sampling | None:
        from desktop_slm.engine.api import Sampling

        match self.settings.sampling:
            case "precise":
                return Sampling(temperature=0.2, top_p=0.9)
            case "creative":
                return Sampling(temperature=1.0)
            case "balanced":
                return None

    def choose_model(self, name: str, task: str) -> Generator[Progress, None, ChosenModel]:
        """Find the model for a task, preparing the starter where nothing else is installed.

        Args:
            name: Shelf id, catalog id or path; empty for that of the settings, else the best installed.
            task: ``chat``, ``summarize``, ``ask``, ``translate``.

        Raises:
            ModelError: It is not there, cannot be used, or needs more memory than there is.
        """
        from desktop_slm.models import starter
        from desktop_slm.tasks.events import Progress
        from desktop_slm.tasks.services import ChosenModel

        installed = self._installed(name or self.settings.default_model, task)
        if installed is None or installed.id == starter.ID:
            if installed is None or not (installed.prepared_from or installed.keeps_original):
                yield Progress(done=0, total=1, unit="bytes", stage="preparing the starter model")
            installed = self.shelf.ensure_starter()
        self.calibration.require_memory(installed)
        self._chosen, spec = installed, self.spec(installed)
        if self._states is not None:  # another model may take the place of the one that has read them
            self._states.save(but_of=spec)
        return ChosenModel(id=installed.id, spec=spec, sha256=installed.sha256, size_bytes=installed.bytes)

    def _installed(self, name: str, task: str) -> InstalledModel | None:
        """Return the model meant, or None for the starter model that has to be put on the shelf."""
        from desktop_slm.engine.hardware import memory
        from desktop_slm.models import starter

        if name:
            try:
                return self.shelf.find(name)
            except ModelNotFound:
                if name == starter.ID:
                    return None
                raise
        try:
            return self.shelf.default(task, memory()[1])
        except ModelNotFound:
            return None

    def spec(self, model: InstalledModel) -> ModelSpec:
        """Return how the settings want a model to be loaded."""
        from desktop_slm.engine.api import ModelSpec

        return ModelSpec(
            path=model.path,
            n_ctx=self.settings.n_ctx,
            n_gpu_layers=self.settings.n_gpu_layers,
            n_threads=self.settings.n_threads,
        )

    def model_list(self) -> list[InstalledModel]:
        """List the installed models; the starter is put on the shelf first."""
        # An installation without a starter, or a full disk: the others are listed all the same.
        with contextlib.suppress(DesktopSlmError):
            self.shelf.ensure_starter()
        return self.shelf.list()

    # This computer

    def hardware(self) -> Hardware:
        """Tell what this computer is and what inference runs on."""
        return self.engine.hardware()

    def doctor(self) -> dict[str, Any]:
        """Look at everything that may be wrong, changing nothing; the keys are those of the command line."""
        from desktop_slm.tasks.examine import examine

        return examine(self.engine, self.vault, self.keyring)

    def close(self) -> None:
        """End everything, in reverse order."""
        if self._states is not None:
            self._states.save_within(_SAVE_STATES_S)
        if self._engine is not None:
            self._engine.close()
        if self._vault is not None:
            self._vault.close()
        self._leave_memory()
