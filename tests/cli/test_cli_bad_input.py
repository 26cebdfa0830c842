"""Whatever is wrong: exit 1, one sentence that says what to do, nothing stored."""

from __future__ import annotations

import io
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from cli_result import Result

from desktop_slm.paths import Paths

Command = Callable[..., Result]
PASSPHRASE = "a quiet harbor"


@pytest.fixture
def vault(home: Paths, monkeypatch: pytest.MonkeyPatch, command: Command) -> Paths:
    """Make a vault that the environment's passphrase opens."""
    monkeypatch.setenv("DESKTOP_SLM_PASSPHRASE", PASSPHRASE)
    assert command("vault", "init").code == 0
    return home


def assert_one_sentence(result: Result, code: str) -> None:
    assert result.code == 1
    assert len(result.err.strip().splitlines()) == 1, result.err
    assert result.err.startswith("desktop-slm: ")
    assert result.err.strip().endswith((".", "!"))
    assert "Traceback" not in result.err
    last = result.events[-1]
    assert (last["event"], last["code"]) == ("error", code)
    assert last["title"]
    assert last["message"]


def assert_nothing_stored(command: Command) -> None:
    listed = command("history", "list", "--json")
    assert listed.code == 0, listed.err
    assert listed.done["items"] == []


def encrypted_pdf() -> bytes:
    from reportlab.lib.pdfencrypt import StandardEncryption
    from reportlab.pdfgen.canvas import Canvas

    target = io.BytesIO()
    canvas = Canvas(target, encrypt=StandardEncryption("secret"))
    canvas.drawString(100, 700, "Nobody may read this.")
    canvas.save()
    return target.getvalue()


def bomb() -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        archive.writestr("word/document.xml", b"<w:document>" + b" " * 80_000_000)
    return target.getvalue()


PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + bytes(200)


DOCUMENTS: dict[str, tuple[Callable[[bytes], bytes] | None, str]] = {
    "missing.pdf": (None, "document_not_found"),
    "empty.pdf": (lambda sample: b"", "document_empty"),
    "encrypted.pdf": (lambda sample: encrypted_pdf(), "document_encrypted"),
    "truncated.pdf": (lambda sample: sample[:9000], "document_damaged"),
    "bomb.docx": (lambda sample: bomb(), "document_too_large"),
    "picture.pdf": (lambda sample: PNG, "document_damaged"),
}
MODELS: dict[str, tuple[Callable[[bytes], bytes] | None, str]] = {
    "missing.gguf": (None, "model_not_found"),
    "empty.gguf": (lambda starter: b"", "model_invalid"),
    "text.gguf": (lambda starter: b"This is a text and no model. " * 40, "model_invalid"),
    "truncated.gguf": (lambda starter: starter[: 3 << 20], "model_invalid"),
    "page.gguf": (lambda starter: b"<!DOCTYPE html><html><body>Not found" * 20, "model_invalid"),
}


@pytest.mark.parametrize(
    "verb", [("summarize",), ("ask", "-q", "What?"), ("chat", "-p", "What?", "--attach")]
)
def test_documents(
    command: Command, vault: Paths, tmp_path: Path, sample: Path, starter_path: Path, verb: tuple[str, ...]
) -> None:
    for name, (make, code) in DOCUMENTS.items():
        path = tmp_path / name
        if make is not None:
            path.write_bytes(make(sample.read_bytes()))
        assert_one_sentence(command(*verb, path, "--model", starter_path, "--json"), code)
    assert_nothing_stored(command)


def test_one_bad_document_among_good_ones_leaves_nothing(
    command: Command, vault: Paths, tmp_path: Path
) -> None:
    good = tmp_path / "good.txt"
    good.write_text("A good text about the harbor and its ships.")
    assert_one_sentence(command("summarize", good, tmp_path / "no.txt", "--json"), "document_not_found")
    assert_nothing_stored(command)


@pytest.mark.parametrize(
    "verb", [("summarize", "{sample}", "--model"), ("chat", "-p", "Hello", "--model"), ("models", "import")]
)
def test_models(
    command: Command, vault: Paths, tmp_path: Path, sample: Path, starter_path: Path, verb: tuple[str, ...]
) -> None:
    with starter_path.open("rb") as file:
        start = file.read(4 << 20)
    for name, (make, code) in MODELS.items():
        path = tmp_path / name
        if make is not None:
            path.write_bytes(make(start))
        words = [word.format(sample=sample) for word in verb]
        assert_one_sentence(command(*words, path, "--json"), code)
    assert_nothing_stored(command)
    assert not list(vault.models.rglob("*.gguf"))


@pytest.mark.parametrize(
    "arguments",
    [
        ("summarize", "{file}", "--json"),
        ("chat", "-p", "Hello", "--json"),
        ("history", "list", "--json"),
        ("vault", "status", "--json"),
    ],
)
def test_a_wrong_passphrase_opens_nothing(
    command: Command,
    vault: Paths,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
) -> None:
    file = tmp_path / "good.txt"
    file.write_text("A good text about the harbor and its ships.")
    before = {path: path.read_bytes() for path in vault.vault.rglob("*") if path.is_file()}
    monkeypatch.setenv("DESKTOP_SLM_PASSPHRASE", "another harbor")
    result = command(*(argument.format(file=file) for argument in arguments))
    assert_one_sentence(result, "wrong_passphrase")
    after = {path: path.read_bytes() for path in vault.vault.rglob("*") if path.is_file()}
    assert after == before


@pytest.mark.parametrize("verb", [("chat", "-p", "Hello"), ("history", "list"), ("vault", "init")])
def test_a_vanished_database_is_never_made_anew(
    command: Command, vault: Paths, verb: tuple[str, ...]
) -> None:
    for path in vault.vault.glob("vault.db*"):
        path.unlink()
    result = command(*verb, "--json")
    assert result.code == 1
    assert result.events[-1]["code"] in ("vault_missing", "invalid_request")
    assert len(result.err.strip().splitlines()) == 1
    assert not (vault.vault / "vault.db").exists()
    status = command("vault", "status", "--json")
    assert (status.code, status.events[-1]["code"]) == (1, "vault_missing")


def test_unknown_ids_and_formats(command: Command, vault: Paths, tmp_path: Path) -> None:
    good = tmp_path / "good.txt"
    good.write_text("A good text about the harbor and its ships.")
    for arguments in (
        ("history", "show", "c99"),
        ("history", "delete", "zebra"),
        ("chat", "-p", "x", "--conversation", "c99"),
        ("summarize", good, "--output", tmp_path / "a.odt"),
        ("summarize", good, "--output", tmp_path / "no folder" / "a.md"),
        ("summarize", good, "--pages", "7-9"),
        ("ask", "-q", "Nothing named?"),
        ("translate", good, "--to", "xx"),
    ):
        assert_one_sentence(command(*arguments, "--json"), "invalid_request")
    assert_one_sentence(command("models", "show", "no such model", "--json"), "model_not_found")
    assert_one_sentence(
        command("chat", "-p", "x", "--passphrase-file", tmp_path / "no", "--json"), "invalid_request"
    )


@pytest.mark.parametrize(
    "arguments",
    [
        ("models", "search", "qwen"),
        ("models", "recommend"),
        ("models", "download", "x"),
        ("history", "export", "--all"),
        ("history", "import", "x.json"),
        ("vault", "backup"),
        ("vault", "wipe"),
        ("eval",),
        ("translate", "x.txt", "--to", "de", "--resume"),
    ],
)
def test_what_is_not_there_yet_says_so(command: Command, arguments: tuple[str, ...]) -> None:
    assert_one_sentence(command(*arguments, "--json"), "not_yet")


@pytest.mark.parametrize(
    "arguments",
    [
        ("dance",),
        ("summarize",),
        ("ask", "x"),
        ("summarize", "x", "--pages", "9-3"),
        ("chat", "--seed", "x"),
        ("chat", "--seed", 10**30),
        ("ask", "x", "-q", "y", "--seed", -1),
        ("chat", "--max-tokens", 10**30),
        ("history", "list", "--limit", 10**30),
        ("history", "list", "--limit", -1),
    ],
)
def test_wrong_usage_exits_2(command: Command, arguments: tuple[str, ...]) -> None:
    result = command(*arguments)
    assert result.code == 2
    assert "usage:" in result.err


def test_without_key_or_passphrase_one_line_says_that_nothing_is_saved(
    command: Command, home: Paths, tmp_path: Path
) -> None:
    result = command("ask", tmp_path / "no.pdf", "-q", "x")
    assert sum("Nothing is saved" in line for line in result.err.splitlines()) == 1
    assert not home.vault.exists()
    quiet = command("ask", tmp_path / "no.pdf", "-q", "x", "--quiet")
    assert "saved" not in quiet.err
    assert command("history", "list").code == 1


def test_incognito_opens_nothing_even_where_there_is_a_vault(
    command: Command, vault: Paths, tmp_path: Path
) -> None:
    before = (vault.vault / "vault.db").read_bytes()
    result = command("ask", tmp_path / "no.pdf", "-q", "x", "--incognito")
    assert "Incognito: nothing is saved." in result.err
    assert (vault.vault / "vault.db").read_bytes() == before


def test_a_copy_of_the_vault_opens_with_a_passphrase_file(
    command: Command, vault: Paths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other"
    shutil.copytree(vault.data.parent, other)
    monkeypatch.delenv("DESKTOP_SLM_PASSPHRASE")
    assert command("history", "list", "--home", other).code == 1
    file = tmp_path / "passphrase"
    file.write_text(PASSPHRASE + "\n")
    assert command("--home", other, "--passphrase-file", file, "history", "list").code == 0
