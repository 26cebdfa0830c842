"""The error tree is what its docstring draws, and each error is worded for a person."""

from __future__ import annotations

import inspect
import re

from desktop_slm import errors


def _tree() -> list[type[errors.DesktopSlmError]]:
    kinds = [kind for _, kind in inspect.getmembers(errors, inspect.isclass)]
    return [kind for kind in kinds if issubclass(kind, errors.DesktopSlmError)]


def test_codes_are_unique_and_speak_for_themselves():
    codes = [kind.code for kind in _tree()]
    assert len(set(codes)) == len(codes)
    assert all(re.fullmatch("[a-z_]+", code) for code in codes)


def test_the_drawing_names_every_error():
    drawn = set(re.findall(r"[A-Z]\w+", "\n".join(re.findall(r"[├└].*", errors.__doc__ or ""))))
    assert {kind.__name__ for kind in _tree()} - {"DesktopSlmError"} <= drawn


def test_text():
    error = errors.ModelInvalid("The file is empty", "Copy it again.")
    assert str(error) == "The file is empty. Copy it again."
    assert str(errors.ModelInvalid("The file is empty")) == "The file is empty."


def test_context_exceeded_tells_both_numbers():
    error = errors.ContextExceeded(12_345, 8192)
    assert (error.needed, error.available) == (12_345, 8192)
    assert "12,345" in error.title
    assert "8,192" in error.title


def test_details_survive():
    assert errors.EngineCrashed("x", signal=9, log="last line").signal == 9
    assert errors.DocumentEncrypted("x", wrong_password=True).wrong_password
