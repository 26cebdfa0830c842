"""Prompts: kept as text in ``resources/prompts``, filled in here, so that wording and logic change apart."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from string import Template

from desktop_slm.engine.api import Message
from desktop_slm.paths import resource

# Unseen characters that can carry instructions: directions, zero widths, tags. Scripts need their joiners.
_UNSEEN = {
    code: None
    for codes in (
        (0x200B,),
        (0x200E, 0x200F),
        range(0x202A, 0x202F),
        range(0x2060, 0x206A),
        (0xFEFF,),
        range(0xE0000, 0xE0080),
    )
    for code in codes
}
_COUNT_WORDS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


@cache
def _sheet() -> Mapping[str, Mapping[str, str]]:
    with resource("prompts/prompts.toml").open("rb") as file:
        return tomllib.load(file)


def fill(section: str, key: str, **values: str) -> str:
    """Return a prompt with its ``$names`` filled in; text put in is not looked at again."""
    return Template(_sheet()[section][key]).substitute(values)


def messages(section: str, *, tiny: bool, user: str = "user", **values: str) -> tuple[Message, ...]:
    """Return the system and user turn of a task.

    Args:
        section: Name in the prompt sheet.
        tiny: Take the section's short form for very small models.
        user: Key of the user turn.
        values: What is filled in.
    """
    name = f"{section}_tiny" if tiny else section
    system = Template(_sheet()[name]["system"]).substitute(values)
    turn = Message("user", fill(name, user, **{key: seen(value) for key, value in values.items()}))
    return (Message("system", system), turn) if system else (turn,)


def seen(text: str) -> str:
    """Return ``text`` without characters that a reader does not see."""
    return text.translate(_UNSEEN)


def in_words(count: int) -> str:
    """Write a small number as a word: models follow "three" better than "3"."""
    return _COUNT_WORDS[count] if 0 <= count < len(_COUNT_WORDS) else str(count)


@cache
def instruction_text() -> str:
    """Return all prompts as one text: an answer that copies from it is no answer."""
    return "\n".join(text for section in _sheet().values() for text in section.values())
