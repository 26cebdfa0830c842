"""A conversation as Markdown, for the clipboard or a file of the user's choice."""

from __future__ import annotations

import re
from collections.abc import Sequence

from desktop_slm.gui.widgets.plain_label import one_line
from desktop_slm.store.records import MessageRecord

_NOT_IN_NAMES = re.compile(r'[\x00-\x1f<>:"/\\|?*]+')


def conversation_markdown(title: str, records: Sequence[MessageRecord]) -> str:
    """Return the shown branch: a title, then who says what; thoughts are left out."""
    parts = [f"# {one_line(title)}"]
    for record in records:
        if record.role == "user":
            parts.append("## You")
        else:
            parts.append(f"## {one_line(record.model) or 'Assistant'}")
        parts.append(record.text.strip())
    return "\n\n".join(parts) + "\n"


def file_name(title: str) -> str:
    """Return a file name that every system takes."""
    name = _NOT_IN_NAMES.sub(" ", one_line(title, 80)).strip(" .")
    return f"{name or 'chat'}.md"
