"""The shapes of ``--json``, with a scripted model behind the real application."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cli_result import Result

from desktop_slm import settings
from desktop_slm.engine import client
from desktop_slm.engine.api import GenerateRequest
from desktop_slm.engine.fake import FakeEngine, Reply
from desktop_slm.paths import Paths

Command = Callable[..., Result]
NUMBER = (int, float)
USAGE = {
    "prompt_tokens": int,
    "reused_tokens": int,
    "completion_tokens": int,
    "first_token_s": NUMBER,
    "decode_s": NUMBER,
}
SENTENCE = {"text": str, "citations": [{"page": int, "quote": str}], "supported": bool}
DONE: dict[str, dict[str, Any]] = {
    "chat": {"text": str, "reason": str, "conversation": str, "usage": USAGE},
    "summarize": {
        "sentences": [SENTENCE],
        "key_sentences": [{"text": str, "page": int}],
        "outline": [{"title": str, "page": int, "notes": [SENTENCE]}],
        "coverage": {"pages": int, "read": [int], "skipped": [{"page": int, "reason": str}]},
        "usage": USAGE,
    },
    "ask": {
        "sentences": [SENTENCE],
        "answered": bool,
        "route": str,
        "passages": [{"document": str, "page": int, "text": str, "score": NUMBER}],
    },
    "translate": {
        "text": str,
        "source_language": str,
        "segments": int,
        "translated": int,
        "from_memory": int,
        "needs_review": [{"id": int, "source": str, "target": str, "reasons": [str]}],
    },
    "classify": {
        "labels": [{"number": int, "source": str, "label": str, "parts": int, "agreeing": int}],
        "reason": str,
        "usage": USAGE,
    },
    "models": {
        "models": [
            {
                "id": str,
                "name": str,
                "path": str,
                "bytes": int,
                "sha256": str,
                "architecture": str,
                "quantization": str,
                "n_ctx_train": int,
                "tasks": [str],
                "licence": str,
                "fit": {
                    "word": str,
                    "need_bytes": int,
                    "free_bytes": int,
                    "parts": dict,
                    "n_ctx": int,
                    "measured": bool,
                },
                "installed": bool,
                "verified_at": str,
            }
        ]
    },
    "history": {"items": [{"id": str, "kind": str, "title": str, "updated": NUMBER, "snippet": str}]},
    "vault": {
        "state": str,
        "slots": [str],
        "cipher_version": str,
        "path": str,
        "bytes": int,
        "state_bytes": int,
        "last_backup": NUMBER,
    },
    "doctor": {
        "versions": dict,
        "backend": {"device": str, "reason": str, "cpu_features": [str], "threads": int},
        "memory": dict,
        "keyring": {"backend": str, "usable": bool, "reason": str},
        "sandbox": {"inference": str, "reader": str},
        "vault": dict,
        "network": {"policy": str, "last_use": (str, type(None))},
        "problems": [str],
    },
}
EVENTS: dict[str, dict[str, Any]] = {
    "key_sentences": {"key_sentences": [{"text": str, "page": int}]},
    "progress": {"done": NUMBER, "total": NUMBER, "unit": str, "left_s": NUMBER},
    "piece": {"text": str, "kind": str},
    "warning": {"text": str},
    "label": {"number": int, "source": str, "label": str, "parts": int, "agreeing": int},
    "document": {"id": str, "name": str, "pages": int},
    "sentence": SENTENCE,
    "started": {"conversation": str},
}


def check(value: Any, shape: Any, at: str = "") -> None:
    """Hold a JSON value to a shape: a type, a dict of shapes, or a list of one shape."""
    if isinstance(shape, dict):
        assert isinstance(value, dict), at
        for name, inner in shape.items():
            assert name in value, f"{at}.{name} is missing"
            check(value[name], inner, f"{at}.{name}")
    elif isinstance(shape, list):
        assert isinstance(value, list), at
        for place, item in enumerate(value):
            check(item, shape[0], f"{at}[{place}]")
    else:
        assert isinstance(value, shape), f"{at} is {value!r}"
        assert not (shape in (int, NUMBER) and isinstance(value, bool)), at


def check_run(result: Result, command: str) -> dict[str, Any]:
    assert result.code == 0, result.err
    *before, last = result.events
    for event in before:
        check(event, EVENTS[event["event"]], event["event"])
    check(result.done, {**DONE[command], "model": str, "seconds": NUMBER}, command)
    return last


def script(request: GenerateRequest) -> str | Reply:
    text = request.messages[-1].content
    if "as a list" in text or "numbered list" in text:
        return " The harbor handled 412 ships in 2025.\n2. The old crane will not be replaced this year."
    if request.choices:
        read = text.partition("Which label")[0]
        return Reply(request.choices[0], logprob=-1.0 if request.choices[0] in read else -5.0)
    if "Question:" in text:
        return "The harbor handled 412 ships in 2025."
    if "Notes of the document" in text:
        return "In 2025 the harbor handled 412 ships."
    return "Guten Morgen euch allen." if "<text>" in text else "Hello there."


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch, home: Paths, starter_path: Path) -> None:
    """Put a scripted engine in the worker's place; the settings name the prepared starter."""
    settings.save(home.settings, settings.Settings(default_model=str(starter_path)))
    monkeypatch.setattr(client, "EngineClient", lambda **_: FakeEngine(script))
    monkeypatch.setenv("DESKTOP_SLM_PASSPHRASE", "a quiet harbor")


@pytest.fixture
def report(tmp_path: Path) -> Path:
    path = tmp_path / "report.txt"
    path.write_text(
        "The harbor handled 412 ships in 2025. Most of them carried timber from the north.\n\n"
        "The old crane will not be replaced this year. The fees brought in 7.4 million dollars.\n"
    )
    return path


@pytest.mark.usefixtures("scripted")
def test_every_command_keeps_its_shape(command: Command, report: Path, home: Paths) -> None:
    chat = check_run(command("chat", "-p", "Hello", "--json"), "chat")
    assert (chat["text"], chat["reason"]) == ("Hello there.", "stop")
    summary = check_run(command("summarize", report, "--json"), "summarize")
    assert summary["coverage"] == {"pages": 1, "read": [1], "skipped": []}
    assert all(sentence["citations"] for sentence in summary["sentences"])
    answer = check_run(command("ask", report, "-q", "How many ships?", "--json"), "ask")
    assert answer["answered"] is True
    assert answer["route"] in ("whole", "retrieval", "read-everything")
    words = report.with_name("words.txt")
    words.write_text("Good morning to all of you.\n")
    translation = check_run(command("translate", words, "--to", "de", "--from", "en", "--json"), "translate")
    assert translation["text"] == "Guten Morgen euch allen.\n"
    check_run(command("models", "list", "--json"), "models")
    listed = check_run(command("history", "list", "--json"), "history")
    assert {item["kind"] for item in listed["items"]} == {
        "conversation",
        "document",
        "summary",
        "translation",
    }
    for item in listed["items"]:
        shown = check_run(command("history", "show", item["id"], "--json"), "history")
        assert [one["id"] for one in shown["items"]] == [item["id"]]
        assert command("history", "show", item["id"]).out.strip()
    assert check_run(command("history", "search", "harbor", "--json"), "history")["items"]
    asked = check_run(command("ask", "--library", "-q", "How many ships?", "--json"), "ask")
    assert asked["answered"] is True
    # A document takes its summaries with it.
    for item in sorted(listed["items"], key=lambda item: item["kind"], reverse=True):
        check_run(command("history", "delete", item["id"], "--json"), "history")
    left = check_run(command("history", "list", "--json"), "history")["items"]
    assert not {item["id"] for item in left} & {item["id"] for item in listed["items"]}
    check_run(command("vault", "status", "--json"), "vault")


@pytest.mark.usefixtures("scripted")
def test_documents_and_rows_of_a_table_are_sorted(command: Command, report: Path, home: Paths) -> None:
    other = report.with_name("mill.txt")
    other.write_text("The crane of the mill is broken.\n")
    labels = ("--labels", "ships, crane,fees")
    done = check_run(command("classify", report, other, *labels, "--json"), "classify")
    assert [(one["source"], one["label"]) for one in done["labels"]] == [
        ("report.txt", "ships"),
        ("mill.txt", "crane"),
    ]
    assert command("classify", report, other, *labels).out == "report.txt: ships\nmill.txt: crane\n"
    table = report.with_name("mails.csv")
    table.write_text('from;text\nAda;"The fees; are\ntoo high"\nBob;\nCem;Two ships were late\n')
    result = command("classify", table, "--column", "text", *labels)
    assert result.out == "1: fees\n2: -\n3: ships\n"
    assert "Text 2 has no text" in result.err
    assert not home.vault.exists()  # nothing is kept, so nothing is made to keep it in


@pytest.mark.usefixtures("scripted")
@pytest.mark.parametrize(
    ("labels", "column", "code"),
    [
        ("one", "", "invalid_request"),
        ("a,,b", "", "invalid_request"),
        ("a,A", "", "invalid_request"),
        (",".join(map(str, range(51))), "", "invalid_request"),
        ("a,b", "no such column", "invalid_request"),
    ],
)
def test_labels_that_cannot_be_chosen_from(
    command: Command, report: Path, labels: str, column: str, code: str
) -> None:
    result = command("classify", report, "--labels", labels, "--column", column, "--json")
    assert result.code == 1
    assert result.events[-1]["code"] == code


def test_vault_and_doctor_keep_theirs(command: Command, monkeypatch: pytest.MonkeyPatch, home: Paths) -> None:
    assert check_run(command("vault", "--json"), "vault")["state"] == "none"
    report = check_run(command("doctor", "--json"), "doctor")
    assert report["keyring"]["usable"] is False
    assert report["vault"]["state"] == "none"
    assert not home.vault.exists()
    monkeypatch.setenv("DESKTOP_SLM_PASSPHRASE", "a quiet harbor")
    made = check_run(command("vault", "init", "--json"), "vault")
    assert (made["state"], made["slots"]) == ("open", ["passphrase"])
    assert command("vault", "init").code == 1


def test_doctor_lists_a_data_folder_that_cannot_be_read(command: Command, home: Paths) -> None:
    home.data.parent.mkdir(parents=True, exist_ok=True)
    home.data.write_text("a file where the folder should be")
    result = command("doctor", "--json")
    assert result.code == 0, result.err
    report = check_run(result, "doctor")
    assert report["vault"]["state"] == "unreadable"
    assert any(str(home.vault) in problem for problem in report["problems"])


@pytest.mark.usefixtures("scripted")
@pytest.mark.parametrize("suffix", ["md", "html", "docx", "pdf"])
def test_a_summary_is_written_to_a_file(command: Command, report: Path, tmp_path: Path, suffix: str) -> None:
    target = tmp_path / f"summary.{suffix}"
    result = command("summarize", report, "--output", target, "--quiet")
    assert result.code == 0, result.err
    data = target.read_bytes()
    assert data.startswith({"pdf": b"%PDF", "docx": b"PK"}.get(suffix, b""))
    if suffix in ("md", "html"):
        assert "412 ships" in data.decode()


@pytest.mark.usefixtures("scripted")
def test_the_human_form_is_wrapped_and_cites_pages(
    command: Command, report: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    result = command("summarize", report)
    assert result.code == 0
    assert "412 ships" in result.out
    assert "[p.\u00a01]" in result.out
    assert "Part 1 read." in result.out
    assert max(map(len, result.out.splitlines())) <= 60
    assert "report.txt: 1 part" in result.err


@pytest.mark.usefixtures("scripted")
def test_a_conversation_line_by_line(command: Command, monkeypatch: pytest.MonkeyPatch, report: Path) -> None:
    lines = f"Hello\n/attach {report}\nHow many ships?\n/new\nHello again\n/quit\nnever said\n"
    monkeypatch.setattr(sys, "stdin", io.StringIO(lines))
    result = command("chat")
    assert result.code == 0, result.err
    assert result.out.count("Hello there.") == 3
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))
    listed = command("history", "list", "--json").done["items"]
    conversations = [item for item in listed if item["kind"] == "conversation"]
    assert [item["title"] for item in conversations] == ["Hello again", "Hello"]
    shown = command("history", "show", conversations[1]["id"], "--json").done
    assert [message["text"] for message in shown["messages"]][::2] == ["Hello", "How many ships?"]


@pytest.mark.usefixtures("scripted")
def test_quiet_is_silent_and_json_is_alone_on_stdout(command: Command, report: Path) -> None:
    result = command("--json", "--quiet", "summarize", report)
    assert result.err == ""
    assert all(json.loads(line)["event"] for line in result.out.splitlines())


def test_control_characters_of_foreign_text_do_not_reach_the_terminal() -> None:
    from desktop_slm.cli.output import visible

    assert visible("a\x1b[31mb\u202ec\x07") == "a[31mbc"


def test_what_has_never_happened_is_said_so() -> None:
    from desktop_slm.cli import doctor, output

    assert doctor._line({"bytes": 0, "last_backup": 0.0}) == "bytes 0 bytes; last backup never"
    assert output.moment(0.0) == "never"
    assert output.moment(1_700_000_000.0).startswith("2023-11-1")


@pytest.mark.usefixtures("scripted")
def test_several_files_get_one_summary_each_and_one_across(command: Command, report: Path) -> None:
    other = report.with_name("mill.txt")
    other.write_text(
        "The mill on the river was built in 1911. It grinds rye and wheat for twelve villages.\n"
    )
    shown = command("summarize", report, other).out
    assert "Across all documents" in shown
    assert shown.index("The mill on the river") < shown.index("Across all documents")
    assert "report.txt,\u00a0p.\u00a01" in shown
    assert "mill.txt,\u00a0p.\u00a01" in shown
    written = report.with_name("both.md")
    assert command("summarize", report, other, "--output", written).code == 0
    text = written.read_text()
    assert "## Across all documents" in text
    assert "mill.txt, p" in text
    assert "“The mill on the river was built in 1911.”" in text


@pytest.mark.usefixtures("scripted")
def test_a_password_comes_from_a_file(command: Command, tmp_path: Path) -> None:
    from reportlab.lib.pdfencrypt import StandardEncryption
    from reportlab.pdfgen.canvas import Canvas

    path, password = tmp_path / "locked.pdf", tmp_path / "password.txt"
    canvas = Canvas(str(path), encrypt=StandardEncryption("secret"))
    canvas.drawString(100, 700, "The harbor handled 412 ships in 2025.")
    canvas.save()
    asked = command("ask", path, "-q", "How many ships?", "--incognito")
    assert asked.code == 1
    assert "--password-file FILE" in asked.err
    password.write_text("wrong\n")
    assert "--password-file" in command("ask", path, "-q", "How?", "--password-file", password).err
    password.write_text("secret\n")
    for verb in (("summarize",), ("ask", "-q", "How many ships?")):
        done = check_run(command(*verb, path, "--password-file", password, "--json"), verb[0])
        assert "412 ships" in done["sentences"][0]["text"]


def test_models_say_what_was_done(command: Command, starter_path: Path, home: Paths) -> None:
    model = command("models", "import", starter_path, "--link", "--json").done["models"][0]["id"]
    assert command("models", "verify", model).out == f"{model}: unchanged, verified now\n"
    removed = command("models", "remove", model)
    assert removed.code == 0
    assert removed.out.startswith(f"{model}: removed, ")
    assert removed.out.endswith(" freed\n")


@pytest.mark.usefixtures("scripted")
def test_an_unknown_command_of_a_chat_says_so(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("/frobnicate\n/attach\n/quit\n"))
    said = command("chat").err
    assert "There is no command /frobnicate." in said
    assert "Name the file: /attach FILE" in said
