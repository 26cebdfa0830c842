"""The first command of the README, with the real engine and the starter model."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from cli_result import Result

from desktop_slm.documents.reader import open_document, read_file
from desktop_slm.paths import Paths

pytestmark = [pytest.mark.model, pytest.mark.timeout(400)]


def test_the_sample_is_summarized_cited_and_found_again(
    finished: Callable[..., Result], sample: Path, home: Paths, starter_path: Path
) -> None:
    first = finished("summarize", sample, "--json", "--model", starter_path)
    assert first.code == 0, first.err
    done = first.done
    session = open_document(*read_file(sample))
    session.close()
    pages = session.document.pages
    assert done["coverage"] == {"pages": len(pages), "read": [page.number for page in pages], "skipped": []}
    notes = [note for section in done["outline"] for note in section["notes"]]
    assert 5 <= len(done["sentences"]) <= 8
    for sentence in [*done["sentences"], *notes]:
        assert sentence["supported"]
        assert sentence["citations"], sentence
        for cited in sentence["citations"]:
            assert cited["quote"] in pages[cited["page"] - 1].text
    assert any(not sentence["quoted"] for sentence in done["sentences"])  # the model did its part
    assert len({cited["page"] for sentence in done["sentences"] for cited in sentence["citations"]}) >= 4
    kinds = [event["event"] for event in first.events]
    assert kinds.index("key_sentences") < kinds.index("progress") < kinds.index("piece")

    longer = finished("summarize", sample, "--json", "--model", starter_path, "--length", "long")
    assert len(longer.done["sentences"]) > len(done["sentences"])
    assert longer.done["usage"]["completion_tokens"] == 0  # the notes were kept

    answer = finished(
        "ask",
        sample,
        "-q",
        "How much did the building of the Mill Street clinic cost?",
        "--json",
        "--model",
        starter_path,
    ).done
    assert answer["answered"]
    assert "3.8 million" in " ".join(sentence["text"] for sentence in answer["sentences"])
    silence = finished(
        "ask", sample, "-q", "Who won the football cup in 1998?", "--json", "--model", starter_path
    ).done
    assert not silence["answered"]

    found = finished("history", "search", "Mill Street", "--json").done["items"]
    assert {item["kind"] for item in found} == {"document", "summary", "conversation"}
    assert b"Mill Street" not in b"".join(
        path.read_bytes() for path in home.data.rglob("*") if path.is_file() and path.suffix != ".gguf"
    )


def test_chat_with_the_starter_is_seeded(finished: Callable[..., Result], starter_path: Path) -> None:
    arguments = (
        "chat",
        "-p",
        "Name a color.",
        "--max-tokens",
        12,
        "--seed",
        7,
        "--json",
        "--model",
        starter_path,
    )
    first, second = finished(*arguments).done, finished(*arguments).done
    assert first["text"]
    assert first["text"] == second["text"]
    assert first["usage"]["completion_tokens"] <= 12
    assert first["conversation"] != second["conversation"]


def test_ctrl_c_keeps_what_is_done(
    program: Callable[..., subprocess.Popen[str]], finished: Callable[..., Result], starter_path: Path
) -> None:
    process = program("chat", "-p", "Tell a very long story about a ship.", "--json", "--model", starter_path)
    assert process.stdout is not None
    for line in process.stdout:
        if '"piece"' in line:
            break
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130, err
    assert err.count("Stopping; what is done is kept.") == 1
    done = Result(130, out, err).done
    assert done["reason"] == "cancelled"
    shown = finished("history", "show", done["conversation"], "--json").done
    assert shown["messages"][1]["state"] == "stopped"
    assert shown["messages"][1]["text"] == done["text"] != ""
