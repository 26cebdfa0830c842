"""How much a document may cost. Over a limit is an expected failure (`DocumentTooLarge`), not a crash."""

from __future__ import annotations

FILE_BYTES = 64 * 1024 * 1024
TEXT_BYTES = 20 * 1024 * 1024  # UTF-8, of all blocks together
PAGES = 5_000
BLOCKS = 200_000
ARCHIVE_RATIO = 100  # unpacked to packed
ARCHIVE_MEMBERS = 10_000
XML_DEPTH = 256
CPU_S = 30  # for reading; and again for each page drawn
MEMORY_BYTES = 1024 * 1024 * 1024  # resident; watched, not RLIMIT_AS, which PDFium dies of
PAGE_PIXELS = 24_000_000  # of one drawn page
WIRE_CHUNK_BYTES = 1024 * 1024
