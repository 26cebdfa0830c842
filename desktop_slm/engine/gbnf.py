"""Writing GBNF, llama.cpp's grammar format (``grammars/README.md``): literals, character sets, rules."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from desktop_slm.errors import InvalidRequest

_MOST_RULES = 5_000
_MOST_REPEATS = 10_000
_BLOCK = 500  # llama.cpp writes repetitions out and refuses 2,000 and more
Ranges = list[tuple[int, int]]
"""Code points, from and to, both included."""


def literal(text: str) -> str:
    """Return ``text`` as a literal."""
    return '"' + "".join(_escaped(character, '"\\') for character in text) + '"'


def character_set(ranges: Ranges) -> str:
    """Return the set of the characters in ``ranges``, which must not be empty."""
    parts = (
        _escaped(chr(low), "[]\\^-") + (f"-{_escaped(chr(high), '[]^-' + chr(92))}" if high > low else "")
        for low, high in ranges
    )
    return f"[{''.join(parts)}]"


def _escaped(character: str, special: str) -> str:
    code = ord(character)
    if code == 0 or 0xD800 <= code < 0xE000:
        raise InvalidRequest("The form of the answer holds what is no text", "Write it in characters.")
    return f"\\x{code:02X}" if character in special or code < 0x20 or code == 0x7F else character


class Rules:
    """The rules of one grammar.

    A rule may say which others it needs to come to an end, so that one that never ends is found.
    """

    def __init__(self) -> None:
        self._bodies: dict[str, str] = {}
        self._ways: dict[str, Sequence[Iterable[str]]] = {}
        self._names: dict[str, str] = {}

    def reserve(self) -> str:
        """Return the name of a rule that `define` will be told later."""
        name = f"r{len(self._bodies)}"
        if len(self._bodies) >= _MOST_RULES:
            raise InvalidRequest("The form of the answer is too large", "Make it simpler.")
        self._bodies[name] = ""
        return name

    def define(self, name: str, body: str, ways: Sequence[Iterable[str]] = ((),)) -> None:
        """Give a rule its body. ``ways``: sets of rules, one of which must be able to end whole."""
        self._bodies[name] = body
        self._ways[name] = ways

    def add(self, body: str, ways: Sequence[Iterable[str]] = ((),)) -> str:
        """Add a rule and return its name; a body that is there already keeps its one."""
        known = self._names.get(body)
        if known is None:
            known = self._names[body] = self.reserve()
            self.define(known, body, ways)
        return known

    def repeat(self, item: str, low: int, high: int | None) -> str:
        """Return ``item``, a single rule or set, at least ``low`` and at most ``high`` times.

        Raises:
            InvalidRequest: So many cannot be counted.
        """
        if max(low, high or 0) > _MOST_REPEATS:
            raise InvalidRequest(
                f"The form of the answer counts beyond {_MOST_REPEATS:,}",
                "Ask for less, or leave the limit away.",
            )
        parts = []
        blocks, rest = divmod(low, _BLOCK)
        if blocks:
            parts.append(f"{self._block(item)}{{{blocks}}}")
        if rest:
            parts.append(f"{item}{{{rest}}}")
        if high is None:
            parts.append(f"{item}*")
        elif high > low:
            parts.append(self._up_to(item, high - low))
        return " ".join(parts) or '""'

    def _up_to(self, item: str, count: int) -> str:
        blocks, rest = divmod(count, _BLOCK)
        body = f"{item}{{0,{rest}}}" if rest else '""'
        for _ in range(blocks):
            body = self.add(f"{item}{{0,{_BLOCK - 1}}} | {self._block(item)} {self.add(body)}")
        return body

    def _block(self, item: str) -> str:
        return self.add(f"{item}{{{_BLOCK}}}")

    def text(self, root: str) -> str:
        """Return the grammar.

        Raises:
            InvalidRequest: ``root`` can never come to an end.
        """
        ending: set[str] = set()
        waiting = dict(self._ways)
        before = -1
        while len(ending) > before:  # mostly once: a rule is defined after those it needs
            before = len(ending)
            for name, ways in list(waiting.items()):
                if any(map(ending.issuperset, ways)):
                    ending.add(name)
                    del waiting[name]
        if root not in ending:
            raise InvalidRequest(
                "The form of the answer can never be satisfied", "It needs values within values without end."
            )
        return "\n".join([f"root ::= {root}", *(f"{name} ::= {body}" for name, body in self._bodies.items())])
