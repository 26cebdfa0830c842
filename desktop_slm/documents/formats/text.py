"""Plain text and Markdown: encodings guessed, paragraphs, headings, lists, code and tables told apart."""

from __future__ import annotations

import itertools
import re

from desktop_slm.documents.formats import build
from desktop_slm.documents.formats.content import Content
from desktop_slm.errors import DocumentEmpty

_BOMS = (
    (b"\xef\xbb\xbf", "utf-8-sig"),
    (b"\xff\xfe\0\0", "utf-32"),
    (b"\0\0\xfe\xff", "utf-32"),
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
)
_CONTROLS = bytes(set(range(32)) - {7, 8, 9, 10, 12, 13, 27})
_COMMON_CHINESE = frozenset(
    "的一是不了在人有我他這这個个们們中来來上大為为和國国地到以說说時时要就出會会可也你對对生能而子那得于於着著下自之年"
)
_BULLET = re.compile(r"^(\s*)(?:[-*+•–▪◦‣]|(\(?\d{1,3}[.)]|\(?[a-zA-Z][.)]))\s+(?=\S)")
_UNDERLINE = re.compile(r"^\s*(={3,}|-{3,}|~{3,}|\*{3,})\s*$")
_NUMBERED_HEADING = re.compile(
    r"^(?:(?:chapter|part|section|kapitel|chapitre|capítulo)\s+[\divxlc]+\b|\d{1,2}(?:\.\d{1,2}){0,3}\.?\s+\S)",
    re.I,
)


def looks_binary(data: bytes) -> bool:
    """Tell whether ``data`` holds no text in any encoding that `decode` knows."""
    if any(data.startswith(bom) for bom, _ in _BOMS):
        return False
    sample = data[:65_536]
    controls = len(sample) - len(sample.translate(None, _CONTROLS))
    if controls == 0:
        return False
    return _utf16_without_bom(sample) is None and controls > max(1, len(sample) // 200)


def _utf16_without_bom(sample: bytes) -> str | None:
    """Return the byte order of UTF-16 text without a mark: every second byte is mostly zero."""
    even, odd = sample[0::2], sample[1::2]
    if len(sample) >= 8:
        if odd.count(0) > 0.6 * len(odd) and even.count(0) < 0.02 * len(even):
            return "utf-16-le"
        if even.count(0) > 0.6 * len(even) and odd.count(0) < 0.02 * len(odd):
            return "utf-16-be"
    return None


def decode(data: bytes) -> tuple[str, str]:
    """Return the text and the encoding used: byte order mark, UTF-8, then the likeliest guess."""
    for bom, encoding in _BOMS:
        if data.startswith(bom):
            return data.decode(encoding, "replace"), encoding
    wide = _utf16_without_bom(data[:65_536])
    if wide:
        return data.decode(wide, "replace"), wide
    try:
        return data.decode("utf-8"), "utf-8"
    except UnicodeDecodeError as error:
        if error.start >= len(data) - 3 or _nearly_utf8(data):
            return data.decode("utf-8", "replace"), "utf-8"
    guess = _guess(data[:200_000])
    return data.decode(guess, "replace"), guess


def _nearly_utf8(data: bytes) -> bool:
    """Tell whether it is UTF-8 with a few broken bytes: far more good than bad sequences."""
    text = data[:200_000].decode("utf-8", "replace")
    bad = text.count("\ufffd")
    good = sum(ord(c) > 127 for c in text) - bad
    return good > 10 * bad


def _guess(sample: bytes) -> str:
    """Guess an encoding by which one turns the high bytes into likely letters."""
    candidates = (
        "gb18030",
        "shift_jis",
        "euc_jp",
        "euc_kr",
        "big5",
        "windows-1251",
        "koi8-r",
        "windows-1256",
        "windows-1252",
    )
    best, best_score = "windows-1252", 0.0
    for encoding in candidates:
        score = _likelihood(sample, encoding)
        if score > best_score + 0.02:
            best, best_score = encoding, score
    return best


def _likelihood(sample: bytes, encoding: str) -> float:
    try:
        text = sample.decode(encoding)
    except UnicodeDecodeError as error:
        if error.start < len(sample) - 4:
            return 0.0
        text = sample.decode(encoding, "ignore")
    high = [c for c in text if ord(c) > 127]
    if not high:
        return 0.0
    ranges = {
        "gb18030": ("\u4e00\u9fff", "\u3000\u303f", "\uff00\uffef"),
        "big5": ("\u4e00\u9fff", "\u3000\u303f", "\uff00\uffef"),
        "shift_jis": ("\u3040\u30ff", "\u4e00\u9fff", "\u3000\u303f"),
        "euc_jp": ("\u3040\u30ff", "\u4e00\u9fff", "\u3000\u303f"),
        "euc_kr": ("\uac00\ud7af",),
        "windows-1251": ("\u0410\u044f",),
        "koi8-r": ("\u0410\u044f",),
        "windows-1256": ("\u0621\u064a",),
        "windows-1252": ("\u00c0\u00ff", "\u2013\u201e"),
    }[encoding]
    good = sum(any(r[0] <= c <= r[1] for r in ranges) for c in high) / len(high)
    return good * _plausible(text, encoding, high)


def _plausible(text: str, encoding: str, high: list[str]) -> float:
    """Weigh down a decoding whose letters make no likely words."""
    words = re.findall(r"[^\W\d_]+", text)
    foreign = [word for word in words if not word.isascii()]
    mixed = sum(any(c.isascii() for c in word) for word in foreign) / max(1, len(foreign))
    match encoding:
        case "windows-1252":  # accents stand among plain letters
            return 0.9 if mixed > 0.5 or len(high) < 0.05 * len(text) else 0.2
        case "windows-1251" | "koi8-r":  # small letters, few capitals within words, many vowels
            inner = len(re.findall(r"[а-яё][А-Я]", text))
            vowels = sum(c in "аеиоуыэюяё" for c in text.lower()) / len(high)
            likely = inner < 0.05 * len(high) and 0.25 < vowels < 0.6
            return (1.0 if likely else 0.3) * (1 - mixed)
        case "windows-1256":
            return 1 - mixed
        case "gb18030" | "big5":
            common = sum(c in _COMMON_CHINESE for c in text)
            return min(1.0, 0.3 + 3 * common / len(high))
        case "shift_jis" | "euc_jp":
            kana = sum("\u3040" <= c <= "\u30ff" for c in text)
            return min(1.0, 0.1 + 3 * kana / len(high))
        case _:
            return 1.0


def read_text(data: bytes, name: str) -> Content:
    """Read plain text."""
    text, encoding = decode(data)
    flow = build.Flow()
    for number, part in enumerate(text.split("\f")):
        if number:
            flow.page_break()
        _paragraphs(part, flow)
    return _content(flow, name, encoding, "")


def _content(flow: build.Flow, name: str, encoding: str, title: str) -> Content:
    if not flow.blocks:
        raise DocumentEmpty("The file has no text", "Choose a file with text in it.")
    warnings: tuple[str, ...] = ()
    if not encoding.startswith("utf"):
        warnings = (f"The text encoding was guessed ({encoding}).",)
    pages = flow.pages()
    unit = "page" if flow.has_pages else "part"
    return Content(
        build.choose_title(title, pages, name), pages, "page" if unit == "page" else "part", warnings
    )


def _paragraphs(text: str, flow: build.Flow) -> None:
    lines = re.split(r"\r\n|\r|\n", text)
    block: list[str] = []
    # Without blank lines each line is a paragraph of its own if they are long or end as sentences do.
    wrapped = _is_wrapped(lines)
    for position, line in enumerate(lines):
        if not line.strip():
            _flush(block, flow)
        elif _UNDERLINE.match(line):
            if len(block) == 1 and len(block[0]) < 120:
                flow.add("heading", block.pop(), level=1 if "=" in line else 2)
            _flush(block, flow)
        elif _BULLET.match(line):
            _flush(block, flow)
            block.append(line)
            if _lonely_heading(lines, position):
                flow.add("heading", block.pop(), level=_depth(line))
        else:
            if block and not wrapped:
                _flush(block, flow)
            block.append(line)
            if len(block) == 1 and _lonely_heading(lines, position):
                flow.add("heading", block.pop(), level=_depth(line))
    _flush(block, flow)


def _is_wrapped(lines: list[str]) -> bool:
    """Tell whether lines are wrapped at a width: most inner lines of paragraphs are about equally long."""
    inner = [
        len(line.rstrip()) for line, after in itertools.pairwise(lines) if line.strip() and after.strip()
    ]
    if not inner:
        return True
    widest = sorted(inner)[int(0.95 * (len(inner) - 1))]
    return widest <= 120


def _lonely_heading(lines: list[str], position: int) -> bool:
    """Tell whether a line between blank ones is a heading: short, in capitals or with a number in front."""
    line = lines[position].strip()
    before = lines[position - 1].strip() if position else ""
    after = lines[position + 1].strip() if position + 1 < len(lines) else ""
    if before or after or not 2 <= len(line) <= 80 or line.endswith((".", ",", ";", "!", "?", "。")):
        return False
    letters = [c for c in line if c.isalpha()]
    capitals = (
        len(letters) >= 4 and all(not c.islower() for c in letters) and any(c.isupper() for c in letters)
    )
    return capitals or bool(_NUMBERED_HEADING.match(line))


def _depth(line: str) -> int:
    number = re.match(r"\s*(\d+(?:\.\d+)*)", line)
    return min(6, number.group(1).count(".") + 1) if number else 1


def _flush(block: list[str], flow: build.Flow) -> None:
    if not block:
        return
    match = _BULLET.match(block[0])
    if match:
        first = block[0][match.end() :] if not match.group(2) else block[0].strip()
        flow.add("list_item", " ".join([first, *block[1:]]), level=1 + len(match.group(1).expandtabs(4)) // 2)
    else:
        flow.add("paragraph", _unwrapped(block))
    block.clear()


def _unwrapped(lines: list[str]) -> str:
    text = ""
    for line in lines:
        line = line.strip()
        if text.endswith("-") and len(text) > 1 and text[-2].isalpha() and line[:1].islower():
            text = text[:-1] + line if len(lines) > 2 else text + line
        elif text and "\u2e80" <= text[-1] <= "\u9fff" and "\u2e80" <= line[:1] <= "\u9fff":
            text += line
        else:
            text = f"{text} {line}" if text else line
    return text


def read_markdown(data: bytes, name: str) -> Content:
    """Read Markdown: headings, paragraphs, lists, tables, code; marks of emphasis and links are dropped."""
    from desktop_slm.documents.formats import markdown

    text, encoding = decode(data)
    flow = build.Flow()
    title = markdown.add_blocks(text, flow)
    return _content(flow, name, encoding, title)
