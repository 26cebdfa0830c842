# ruff: noqa: E501
"""The reader process: what comes back, what it may do, how it dies; and files as people give them."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from make_documents import PROSE, lines, pdf, plain_word, report, with_members

from desktop_slm.documents import limits, reader
from desktop_slm.documents.messages import Failed, Opened
from desktop_slm.documents.model import Document
from desktop_slm.documents.reader import Stopped, open_document, read_file
from desktop_slm.errors import (
    DocumentDamaged,
    DocumentEmpty,
    DocumentEncrypted,
    DocumentError,
    DocumentNotFound,
    DocumentTooLarge,
    DocumentUnsupported,
    InvalidRequest,
    ReaderCrashed,
)


def test_sample_through_the_child(sample_pdf: bytes) -> None:
    session = open_document("/some/folder/report.pdf", sample_pdf)
    try:
        assert session.document.name == "report.pdf"
        assert len(session.key_sentences) == 8
        key = session.key_sentences[0]
        image = session.render_page(key.page, width_px=640, quotes=[key.text])
        assert image.number == key.page
        assert image.width == 640
        assert len(image.pixels) == image.stride * image.height
        assert image.marks[0]
        with pytest.raises(InvalidRequest):
            session.render_page(99, width_px=100)
        assert session.render_page(1, width_px=100).width == 100  # lives on after a refused wish
        pid = session.pid
    finally:
        session.close()
        session.close()
    assert not Path(f"/proc/{pid}").exists()  # not even as a zombie


def gone(pid: int) -> None:
    deadline = time.monotonic() + 5
    while Path(f"/proc/{pid}").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not Path(f"/proc/{pid}").exists()


def test_the_app_loads_no_parser() -> None:
    code = (
        "import sys; from desktop_slm.documents.reader import open_document;"
        "s = open_document('a.md', b'# Title\\n\\nThis is the text of it, and that is all there is to say.'); s.close();"
        "print([m for m in ('pypdfium2', 'numpy', 'docx', 'lxml', 'defusedxml', 'markdown_it', 'py3langid') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=30
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.skipif(sys.platform != "linux", reason="the sandbox is Linux's")
def test_a_captured_reader_can_do_nothing(tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("private")
    target = tmp_path / "written"
    script = Path(__file__).with_name("hostile_reader.py")
    done = subprocess.run(
        [sys.executable, str(script), str(secret), str(target)],
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    first, tried, last = map(json.loads, done.stdout.splitlines())
    assert first["sent"] == "Confined"
    assert "seccomp" in first["sandbox"]
    assert "Landlock" in first["sandbox"]
    assert last["sent"] == "Failed"
    assert tried.pop("received") == "hello"
    assert {name: outcome for name, outcome in tried.items() if not outcome.startswith("refused")} == {}
    assert not target.exists()


def test_killed_while_reading(sample_pdf: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    sessions = []
    opened = reader.DocumentSession.open

    def open_and_kill(session: reader.DocumentSession) -> None:
        sessions.append(session)
        os.kill(session.pid, signal.SIGSTOP)
        threading.Timer(0.2, os.kill, (session.pid, signal.SIGKILL)).start()
        opened(session)

    monkeypatch.setattr(reader.DocumentSession, "open", open_and_kill)
    with pytest.raises(ReaderCrashed) as caught:
        open_document("a.pdf", sample_pdf)
    assert "signal 9" in caught.value.title
    gone(sessions[0].pid)


def test_killed_between_pages(sample_pdf: bytes) -> None:
    session = open_document("a.pdf", sample_pdf)
    os.kill(session.pid, signal.SIGKILL)
    for _ in range(3):
        with pytest.raises(ReaderCrashed):
            session.render_page(1, width_px=100)
    session.close()


def test_stop_ends_the_reader() -> None:
    with pytest.raises(Stopped):
        open_document("big.pdf", report(60), stop=lambda: True)


def test_processor_time_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "CPU_S", 0.3)
    with pytest.raises(DocumentError) as caught:
        open_document("slow.txt", long_text())
    assert isinstance(caught.value, DocumentTooLarge)
    assert "processor time" in caught.value.title


def long_text() -> bytes:
    return (PROSE + "\n\n").encode() * 40_000


def test_memory_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MEMORY_BYTES", 60 * 1024 * 1024)
    with pytest.raises(DocumentTooLarge, match="memory"):
        open_document("large.txt", long_text())


def test_pages_get_processor_time_of_their_own(sample_pdf: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "CPU_S", 2)
    session = open_document("a.pdf", sample_pdf)
    started = time.monotonic()
    while time.monotonic() - started < 3:
        session.render_page(3, width_px=1200)
    session.close()


PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + bytes(64)


@pytest.mark.parametrize(
    ("name", "data", "error"),
    [
        ("picture.pdf", lambda: PNG, DocumentDamaged),
        ("noise.txt", lambda: bytes(range(256)) * 40, DocumentDamaged),
        ("old.doc", lambda: b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), DocumentUnsupported),
        ("cut.pdf", lambda: report(3)[:-2000], DocumentDamaged),
        ("secret.pdf", lambda: pdf(lines("x"), password="p"), DocumentEncrypted),
        (
            "bomb.docx",
            lambda: with_members(plain_word(), {"word/x.bin": bytes(60_000_000)}),
            DocumentTooLarge,
        ),
        ("deep.html", lambda: b"<div>" * 60_000, DocumentTooLarge),
        ("blank.txt", lambda: b"   \n", DocumentEmpty),
    ],
)
def test_bad_documents_come_back_as_one_sentence(name: str, data, error: type[DocumentError]) -> None:
    with pytest.raises(DocumentError) as caught:
        open_document(name, data())
    assert type(caught.value) is error
    assert caught.value.title
    assert caught.value.message.endswith(".")
    assert "\n" not in str(caught.value)


def test_wrong_password_is_told_apart() -> None:
    data = pdf(lines("x" * 40), password="p")
    with pytest.raises(DocumentEncrypted) as caught:
        open_document("secret.pdf", data, password="q")
    assert caught.value.wrong_password
    session = open_document("secret.pdf", data, password="p")
    assert session.document.text == "x" * 40
    session.close()


def test_a_reader_cannot_raise_what_it_likes() -> None:
    error = reader._error(Failed("vault_locked", "t" * 5000, "m"))
    assert type(error) is DocumentError
    assert len(error.title) == 300


def test_an_unusual_language_is_asked_of_the_model() -> None:
    text = "Bydd y cyngor yn cyfarfod ddydd Mawrth i drafod y bont newydd dros yr afon yn y dref. " * 4
    session = open_document("cy.txt", text.encode())
    session.close()
    assert session.document.language == "cy"


def test_a_name_that_is_not_utf8() -> None:
    session = open_document("caf\udce9.txt", b"The bridge was built in 1910 by the town of Riverside.\n")
    session.close()
    assert session.document.name == "caf\ufffd.txt"


def test_a_reader_cannot_claim_the_hash_of_another_document(monkeypatch: pytest.MonkeyPatch) -> None:
    def lie(self: reader.DocumentSession, wanted: type[Opened]) -> Opened:
        document = Document(title="", name="a.txt", format="txt", language="en", pages=(), sha256="00" * 32)
        return Opened(document, ())

    monkeypatch.setattr(reader.DocumentSession, "_answer", lie)
    session = open_document("a.txt", b"the bytes that were sent")
    session.close()
    assert session.document.sha256 == hashlib.sha256(b"the bytes that were sent").hexdigest()
    assert session.document.size_bytes == 24


# Files


def test_read_file(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_bytes(b"hello")
    assert read_file(path) == ("notes.txt", b"hello")


def test_files_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    empty = tmp_path / "empty.pdf"
    empty.touch()
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    large = tmp_path / "large.pdf"
    with large.open("wb") as file:
        file.truncate(limits.FILE_BYTES + 1)
    cases = [
        (tmp_path / "nothing.pdf", DocumentNotFound),
        (empty / "below.pdf", DocumentNotFound),
        (tmp_path / ("x" * 400), DocumentNotFound),
        (Path("a\0b"), DocumentNotFound),
        (loop, DocumentNotFound),
        (tmp_path, DocumentUnsupported),
        (fifo, DocumentUnsupported),
        (empty, DocumentEmpty),
        (large, DocumentTooLarge),
    ]
    for path, error in cases:
        with pytest.raises(DocumentError) as caught:
            read_file(path)
        assert type(caught.value) is error, path
        assert caught.value.message.endswith(".")

    def denied(*args: object, **kwargs: object) -> None:
        raise PermissionError(13, "denied")

    path = tmp_path / "mine.txt"
    path.write_bytes(b"x")
    monkeypatch.setattr(Path, "open", denied)
    with pytest.raises(DocumentError, match="may not be read"):
        read_file(path)


def test_200_pages_come_with_key_sentences() -> None:
    data = report(200)
    session = open_document("yearbook.pdf", data)
    session.close()
    assert len(session.document.pages) == 200
    assert len(session.key_sentences) == 8
