"""A desk to run tasks at, and a document to run them on."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from task_desk import Desk, make_document

from desktop_slm.documents.model import Document
from desktop_slm.store.database import Database
from desktop_slm.store.history import History
from desktop_slm.store.library import Library


@pytest.fixture
def desk() -> Iterator[Desk]:
    database = Database.in_memory()
    yield Desk(History(database), Library(database))
    database.close()


@pytest.fixture
def harbor() -> Document:
    """Return a short report of four pages, the third of which is a scan."""
    return make_document(
        [
            [
                ("heading", "Traffic"),
                "The harbor handled 412 ships in 2025, which is 31 more than in the year before.",
                "Most of the ships carried timber from Norway and grain from Canada.",
            ],
            [
                ("heading", "Money"),
                "Fees brought in 7.4 million dollars, and the costs of dredging rose to 2.1 million dollars.",
                "The surplus of 900,000 dollars was put into the fund for the new breakwater.",
            ],
            [],
            [
                ("heading", "Plans"),
                "The breakwater will be finished in October 2026 if the winter storms allow it.",
                "The old crane on the north quay will not be replaced.",
            ],
        ],
        name="harbor.pdf",
    )
