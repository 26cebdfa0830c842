"""What a file is, by its first bytes before its name: names lie."""

from __future__ import annotations

import io
import re
import zipfile
from pathlib import PurePath

from desktop_slm.documents.formats import text
from desktop_slm.errors import DocumentDamaged, DocumentEmpty, DocumentUnsupported

READABLE = "PDF, Word (.docx), plain text, Markdown and HTML"

_NAMES = {
    "pdf": "PDF",
    "docx": "Word document",
    "txt": "text file",
    "text": "text file",
    "log": "text file",
    "md": "Markdown file",
    "markdown": "Markdown file",
    "html": "web page",
    "htm": "web page",
    "xhtml": "web page",
}
_FORMATS = {
    "pdf": "pdf", "docx": "docx", "md": "md", "markdown": "md", "html": "html", "htm": "html",
    "xhtml": "html",
}  # fmt: skip
_MAGIC = (
    (b"\x89PNG\r\n\x1a\n", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"GIF8", "a GIF image"),
    (b"II*\0", "a TIFF image"),
    (b"MM\0*", "a TIFF image"),
    (b"BM", "a BMP image"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
    (b"Rar!", "a RAR archive"),
    (b"\x7fELF", "a program"),
    (b"MZ", "a program"),
    (b"GGUF", "a model file"),
    (b"SQLite format 3\0", "a database"),
    (b"OggS", "a sound file"),
    (b"ID3", "a sound file"),
    (b"fLaC", "a sound file"),
    (b"{\\rtf", "an RTF document"),
    (b"%!PS", "a PostScript file"),
    (b"\0\0\1\0", "an icon"),
)
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"


def sniff(name: str, data: bytes) -> str:
    """Return the format of ``data``: ``pdf``, ``docx``, ``txt``, ``md`` or ``html``.

    Raises:
        DocumentEmpty: No bytes, or nothing but zeros and white space.
        DocumentDamaged: The name claims a format that the bytes are not.
        DocumentUnsupported: A format that is not read.
    """
    if not data.strip(b"\0\r\n\t \xef\xbb\xbf"):
        raise DocumentEmpty("The file is empty", "Choose a file with text in it.")
    suffix = PurePath(name).suffix.lower().lstrip(".")
    head = data[:1024]
    if b"%PDF-" in head:
        return "pdf"
    if head.startswith(b"PK\x03\x04"):
        return _zip_kind(suffix, data)
    if head.startswith(_OLE):
        raise _legacy_office(suffix, data)
    for magic, what in _MAGIC:
        if head.startswith(magic) and (len(magic) > 2 or text.looks_binary(data)):
            raise _is_something_else(suffix, what)
    if head[:4] == b"RIFF" or head[4:8] == b"ftyp":
        raise _is_something_else(suffix, "a sound, image or video file")
    return _text_kind(suffix, data)


def _text_kind(suffix: str, data: bytes) -> str:
    if suffix in ("pdf", "docx"):
        what = (
            f"This is not a {_NAMES[suffix]}"
            if text.looks_binary(data)
            else f"This is a text file, not a {_NAMES[suffix]}"
        )
        raise DocumentDamaged(what, "Get the file again, or give it the right ending.")
    if text.looks_binary(data):
        if suffix in _NAMES:
            raise DocumentDamaged(
                f"This is not a {_NAMES[suffix]}: it holds no readable text", "Choose another file."
            )
        raise DocumentUnsupported("This kind of file cannot be read", f"Choose one of: {READABLE}.")
    start = data[:2048].lstrip(b"\xef\xbb\xbf\r\n\t ").lower()
    if suffix in _FORMATS:
        return _FORMATS[suffix]
    if suffix not in ("txt", "text", "log", "csv") and re.match(rb"<!doctype html|<html", start):
        return "html"
    return "txt"


def _is_something_else(suffix: str, what: str) -> DocumentDamaged | DocumentUnsupported:
    if suffix in _NAMES:
        return DocumentDamaged(f"This is {what}, not a {_NAMES[suffix]}", "Choose another file.")
    return DocumentUnsupported(f"This is {what}, which cannot be read", f"Choose one of: {READABLE}.")


def _zip_kind(suffix: str, data: bytes) -> str:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            names = set(archive.namelist()[:20_000])
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError, RuntimeError, EOFError) as error:
        if suffix in _NAMES:
            raise DocumentDamaged(
                f"The {_NAMES[suffix]} is damaged and cannot be read",
                "Get the file again from where it came from.",
            ) from error
        raise DocumentUnsupported("This is a damaged archive", f"Choose one of: {READABLE}.") from error
    if "[Content_Types].xml" in names and any(name.startswith("word/") for name in names):
        return "docx"
    kinds = (
        ("xl/", "an Excel workbook"),
        ("ppt/", "a PowerPoint presentation"),
        ("META-INF/container.xml", "an e-book"),
    )
    for prefix, what in kinds:
        if any(name.startswith(prefix) for name in names):
            raise _is_something_else(suffix, what)
    if "mimetype" in names and "content.xml" in names:
        raise _is_something_else(suffix, "an OpenDocument file")
    raise _is_something_else(suffix, "a ZIP archive")


def _legacy_office(suffix: str, data: bytes) -> DocumentUnsupported:
    if "EncryptedPackage".encode("utf-16-le") in data:
        return DocumentUnsupported(
            "The Word document is protected with a password",
            "Open it in Word, remove the password and save a copy.",
        )
    if "WordDocument".encode("utf-16-le") in data or suffix in ("doc", "docx", "dot"):
        return DocumentUnsupported(
            "This is a Word document of the old .doc format",
            "Open it in Word or LibreOffice and save it as .docx.",
        )
    return DocumentUnsupported(
        "This is an old Office file, which cannot be read", f"Choose one of: {READABLE}."
    )
