"""The document reader: a child process that sees hostile bytes and may do nothing but answer.

Everything it needs is imported before it gives up files and sockets; then the bytes come by pipe.
"""

from __future__ import annotations

import gc
from collections.abc import Sequence
from pathlib import PurePath

from desktop_slm.documents import keysentences, language, limits
from desktop_slm.documents.formats import docx, html, pdf, sniff, text
from desktop_slm.documents.formats.content import Content, PageArtist
from desktop_slm.documents.messages import Bytes, Confined, Draw, Drawn, Failed, Open, Opened, Read
from desktop_slm.documents.model import Document, PageImage
from desktop_slm.documents.terms import count_words
from desktop_slm.errors import (
    DesktopSlmError,
    DocumentEmpty,
    DocumentEncrypted,
    DocumentTooLarge,
    InvalidRequest,
)
from desktop_slm.processes.child import Channel
from desktop_slm.processes.sandbox import restrict


def main(channel: Channel) -> None:
    """Confine the process, read one document and draw its pages until the app closes it."""
    level = restrict()
    channel.watch()
    channel.send(Confined(level.name))
    artist: PageArtist | None = None
    opened: Open = channel.receive(Open)
    data = _receive_bytes(channel, opened.size_bytes)
    gc.disable()  # nothing to collect while a document grows; half of the time of long ones otherwise
    try:
        document, artist = read(opened.name, data, opened.password)
        channel.send(Opened(document, tuple(keysentences.key_sentences(document))))
    except (DesktopSlmError, RecursionError, MemoryError) as error:
        channel.send(_failed(error))
        return
    gc.freeze()
    gc.enable()
    while True:
        wish: Draw = channel.receive(Draw)
        try:
            channel.send(Drawn(_draw(artist, wish.number, wish.width_px, wish.quotes)))
        except DesktopSlmError as error:
            channel.send(_failed(error))


def _receive_bytes(channel: Channel, size_bytes: int) -> bytes:
    data = bytearray()
    while isinstance(message := channel.receive(Bytes | Read), Bytes):
        data += message.data
        if len(data) > limits.FILE_BYTES:
            break
    if len(data) != size_bytes:
        raise EOFError("the document did not arrive whole")
    return bytes(data)


def _failed(error: BaseException) -> Failed:
    if isinstance(error, DesktopSlmError):
        wrong = isinstance(error, DocumentEncrypted) and error.wrong_password
        return Failed(error.code, error.title, error.message, wrong)
    return Failed(
        DocumentTooLarge.code,
        "The document is built too deeply or too large to be read safely",
        "It was not read, for your safety.",
    )


def _draw(artist: PageArtist | None, number: int, width_px: int, quotes: Sequence[str]) -> PageImage:
    if artist is None:
        raise InvalidRequest("This kind of document has no page images", "Read its text instead.")
    return artist.draw(number, width_px, quotes)


def read(name: str, data: bytes, password: str = "") -> tuple[Document, PageArtist | None]:
    """Read a document; returns it, without its hash, with what draws its pages.

    Raises:
        DocumentError: As the tree in `errors` says.
    """
    kind = sniff.sniff(name, data)
    content = _content(kind, name, data, password)
    texts = [block.text for page in content.pages for block in page.blocks if block.kind != "header"]
    if not any(page.blocks or page.is_image for page in content.pages):
        raise DocumentEmpty("The document has no text", "Choose a file with text in it.")
    document = Document(
        title=content.title,
        name=PurePath(name).name,
        format=kind,
        language=language.detect_quickly(language.sample("\n".join(texts))),
        pages=content.pages,
        page_unit=content.page_unit,
        has_page_images=content.artist is not None,
        words=sum(map(count_words, texts)),
        size_bytes=len(data),
        warnings=content.warnings,
    )
    return document, content.artist


def _content(kind: str, name: str, data: bytes, password: str) -> Content:
    match kind:
        case "pdf":
            return pdf.read(data, name, password)
        case "docx":
            return docx.read(data, name)
        case "html":
            return html.read(data, name)
        case "md":
            return text.read_markdown(data, name)
        case _:
            return text.read_text(data, name)
