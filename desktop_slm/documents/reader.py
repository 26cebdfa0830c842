"""Reading documents from the app's side: bytes go to a confined child, a `Document` or an error comes back.

The app itself never parses a document and never loads the libraries that do.
"""

from __future__ import annotations

import errno
import hashlib
import queue
import stat
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path, PurePath
from typing import TypeVar

import msgspec

from desktop_slm import errors
from desktop_slm.documents import language, limits
from desktop_slm.documents.messages import (
    Bytes,
    Confined,
    Draw,
    Drawn,
    Failed,
    FromReader,
    Open,
    Opened,
    Read,
)
from desktop_slm.documents.model import Document, KeySentence, PageImage
from desktop_slm.errors import (
    DesktopSlmError,
    DocumentEmpty,
    DocumentEncrypted,
    DocumentError,
    DocumentNotFound,
    DocumentTooLarge,
    DocumentUnsupported,
    ReaderCrashed,
)
from desktop_slm.processes.child import Child, ChildGone, Death

_ENTRY = "desktop_slm.documents.reader_main"
_WALL_S = 4 * limits.CPU_S  # a reader that waits for nothing uses its CPU limit long before
_POLL_S = 0.05
_END_S = 2.0
Wanted = TypeVar("Wanted", Opened, Drawn)


def read_file(path: Path) -> tuple[str, bytes]:
    """Return name and bytes of a file, its size checked before it is read.

    Raises:
        DocumentNotFound, DocumentEmpty, DocumentTooLarge, DocumentUnsupported, DocumentError: As they say.
    """
    path = Path(path)
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise DocumentUnsupported("This is a folder, not a document", "Choose the files in it.")
        if not stat.S_ISREG(status.st_mode):
            raise DocumentUnsupported("This is not a regular file", "Choose a document on a disk.")
        _check_size(status.st_size)
        with path.open("rb") as file:
            data = file.read(limits.FILE_BYTES + 1)
    except OSError as error:
        raise _file_error(error) from error
    except ValueError as error:  # a NUL in the path
        raise DocumentNotFound("There is no such file", "Check the name and the folder.") from error
    _check_size(len(data))
    return path.name, data


def _check_size(size_bytes: int) -> None:
    if size_bytes == 0:
        raise DocumentEmpty("The file is empty", "Choose a file with text in it.")
    if size_bytes > limits.FILE_BYTES:
        raise DocumentTooLarge(
            f"The file is larger than {limits.FILE_BYTES >> 20} MB",
            "Split it into smaller files and open one of them.",
        )


def _file_error(error: OSError) -> DocumentError:
    if isinstance(error, (FileNotFoundError, NotADirectoryError)) or error.errno == errno.ENAMETOOLONG:
        return DocumentNotFound("There is no such file", "Check the name and the folder.")
    if isinstance(error, PermissionError):
        return DocumentError(
            "The file may not be read", "Ask for permission to read it, or choose another file."
        )
    if error.errno == errno.ELOOP:
        return DocumentNotFound("The link leads nowhere", "Choose the file itself.")
    return DocumentError(
        "The file cannot be read from its disk", "Check the disk or the connection and try again."
    )


def open_document(
    name: str, data: bytes, *, password: str = "", stop: Callable[[], bool] | None = None
) -> DocumentSession:
    """Read a document in a child process.

    Args:
        name: Its file name; folders in it are dropped.
        data: Its bytes.
        password: For an encrypted PDF.
        stop: Asked every 50 ms; when it tells True the reader is ended and `Stopped` raised.

    Returns:
        The session, to be closed when the document's pages need not be drawn any more.

    Raises:
        DocumentError: As the tree in `errors` says.
        Stopped: ``stop`` told so.
    """
    _check_size(len(data))
    session = DocumentSession(PurePath(name).name, data, password, stop)
    try:
        session.open()
    except BaseException:
        session.close()
        raise
    return session


class Stopped(Exception):  # noqa: N818 - a state, not an error
    """Reading was stopped on request."""


class DocumentSession:
    """One child, one document. Made by `open_document`.

    Attributes:
        document: What was read.
        key_sentences: The sentences that carry it, in its order.
        sandbox: How far the child is confined, in short.
    """

    document: Document
    key_sentences: tuple[KeySentence, ...]

    def __init__(self, name: str, data: bytes, password: str, stop: Callable[[], bool] | None) -> None:
        self.sandbox = ""
        self._name = name
        self._data = data
        self._password = password
        self._stop = stop
        self._lock = threading.Lock()
        self._answers: queue.SimpleQueue[FromReader | Death] = queue.SimpleQueue()
        self._child: Child[FromReader] = Child(
            _ENTRY,
            name="document reader",
            receives=FromReader,
            on_message=self._answers.put,
            on_death=self._answers.put,
            rss_limit_bytes=limits.MEMORY_BYTES,
            cpu_limit_s=limits.CPU_S,
        )

    @property
    def pid(self) -> int:
        """The child's process id."""
        return self._child.pid

    def open(self) -> None:
        """Send the bytes and wait for the document; called once, by `open_document`."""
        sender = threading.Thread(target=self._send_document, name="document bytes", daemon=True)
        sender.start()
        opened = self._answer(Opened)
        sender.join()
        # The library knows a document by its hash: a captured reader must not name another's.
        document = msgspec.structs.replace(
            opened.document, sha256=hashlib.sha256(self._data).hexdigest(), size_bytes=len(self._data)
        )
        self.document = _with_language(document)
        self.key_sentences = opened.key_sentences
        self._data = b""
        self._password = ""
        self._stop = None

    def _send_document(self) -> None:
        """Feed the pipe, beside the thread that waits and may be asked to stop."""
        try:
            self._child.send(Open(self._name, len(self._data), self._password))
            view = memoryview(self._data)
            for start in range(0, len(view), limits.WIRE_CHUNK_BYTES):
                self._child.send(Bytes(bytes(view[start : start + limits.WIRE_CHUNK_BYTES])))
            self._child.send(Read())
        except ChildGone:
            return  # its death arrives as an answer

    def render_page(self, number: int, *, width_px: int, quotes: Sequence[str] = ()) -> PageImage:
        """Draw a page, and find ``quotes`` on it. May be called from any thread; one page at a time is drawn.

        Args:
            number: The page, from 1.
            width_px: Wanted width; less when the page would have too many pixels.
            quotes: Passages to mark.

        Raises:
            InvalidRequest: No such page, or no page images in this format.
            ReaderCrashed: The reader died; open the document again.
        """
        with self._lock:
            self._child.renew_cpu()
            try:
                self._child.send(Draw(number, width_px, tuple(quotes)))
            except ChildGone as error:
                raise self._crashed(self._child.death) from error
            return self._answer(Drawn).image

    def _answer(self, wanted: type[Wanted]) -> Wanted:
        deadline = time.monotonic() + _WALL_S
        while True:
            try:
                answer = self._answers.get(timeout=_POLL_S)
            except queue.Empty:
                if self._stop is not None and self._stop():
                    self._child.kill("was stopped")
                    raise Stopped from None
                if time.monotonic() > deadline:
                    self._child.kill(f"needed more than {_WALL_S} s")
                continue
            if isinstance(answer, Confined):
                self.sandbox = answer.sandbox
            elif isinstance(answer, wanted):
                return answer
            elif isinstance(answer, Failed):
                raise _error(answer)
            elif isinstance(answer, Death):
                raise self._crashed(answer)
            else:
                self._child.kill("answered what it was not asked")

    def _crashed(self, death: Death | None) -> DocumentError:
        reason = death.reason if death else "was ended"
        if "processor time" in reason or "MB of memory" in reason or f"{_WALL_S} s" in reason:
            return DocumentTooLarge(
                f"Reading was ended: it {reason}",
                "Split the document into smaller files and open one of them.",
            )
        return ReaderCrashed(
            f"The document reader {reason}", "Nothing was stored; the file may be damaged or made to do harm."
        )

    def close(self) -> None:
        """End the child; may be called more than once.

        It waits for the end: a window that is locked replaces its process next, and a child that nobody has
        waited for would stay as a zombie.
        """
        if self._child.death is None:
            self._child.kill("was closed")
            self._child.wait(_END_S)
        self._data = b""


def _with_language(document: Document) -> Document:
    """Return ``document`` with its language, asking the trained model when the reader could not tell.

    The reader cannot load that model in its sandbox.
    """
    if document.language:
        return document
    start, text = 0, ""
    for page in document.pages:
        start += len(page.text)
        text += page.text + "\n"
        if start > 20_000:
            break
    return msgspec.structs.replace(document, language=language.detect(text))


def _all_errors(base: type[DesktopSlmError]) -> dict[str, type[DesktopSlmError]]:
    found = {base.code: base}
    for child in base.__subclasses__():
        found.update(_all_errors(child))
    return found


_ERRORS = {**_all_errors(DocumentError), errors.InvalidRequest.code: errors.InvalidRequest}


def _error(failed: Failed) -> DesktopSlmError:
    """Return the error that the child named; a code it may not use becomes the plain `DocumentError`."""
    title, message = failed.title[:300], failed.message[:300]
    kind = _ERRORS.get(failed.code, DocumentError)
    if kind is DocumentEncrypted:
        return DocumentEncrypted(title, message, wrong_password=failed.wrong_password)
    error: DesktopSlmError = kind(title, message)
    return error
