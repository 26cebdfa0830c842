# ruff: noqa: E501, SIM905
"""Where sentences stand: paraphrases are found, inventions are not, quotes are literal."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from desktop_slm.documents import facts
from desktop_slm.documents.anchors import AnchorIndex, support
from desktop_slm.documents.model import Document
from desktop_slm.documents.split import reading_blocks, sentences

SAID = [
    ("The network treated 61,480 patients in 2025, the highest number since 1987.", 3),
    ("The average waiting time for a routine appointment dropped from 16.8 to 11.4 days.", 3),
    ("A storage failure on September 16 took the appointment system offline for two days and 1,140 appointments were rescheduled.", 3),
    ("The new Mill Street clinic, opened in March 2025, has 14 exam rooms and cost $3.8 million.", 3),
    ("A third mobile clinic started in May and visits on the road grew by 55 percent to 9,640.", 6),
    ("Revenue reached $48.6 million, leaving a surplus of $1.5 million.", 3),
    ("Blood pressure control improved to 71.8 percent, above the national average of about 65 percent.", 5),
    ("Measles vaccination coverage rose to 94.1 percent, just below the 95 percent target.", 7),
    ("The number of employees increased to 412 and staff turnover fell to 14 percent.", 7),
    ("A solar roof at Harbor clinic saves about $146,000 per year.", 9),
    ("In 2026 the network plans to open a dental clinic in Fenwick for $2.6 million.", 10),
    ("The lease of the Northgate clinic expires in June 2027.", 11),
    ("The wait for counseling went down to 19 days, with eight counselors employed.", 7),
    ("Interpreters helped during 21,400 visits, mostly for Spanish, Vietnamese and Arabic speakers.", 4),
    ("The outside review by Larkin & Shaw found that the standby system had not been tested in 17 months.", 9),
    ("Nurses are difficult to recruit, with positions staying vacant for 71 days on average.", 8),
    ("Total expenses were 47.1 million dollars.", 10),
    ("The Riverside Central clinic had 46,210 visits in 2025.", 5),
    ("Fees and insurance brought in $29.4 million.", 10),
]  # fmt: skip
NOT_SAID = [
    ("The network treated 75,000 patients in 2025.", "75,000"),
    ("Dr. Robert Miller became the new director in 2022.", "Miller"),
    ("The reserve covers 120 days of expenses.", "120"),
    ("The report was written by the county government of Springfield.", "Springfield"),
    ("The network plans to close the Weston clinic next year.", ""),
    ("The hospital won a national award for innovation in robotic surgery.", ""),
    ("The average wait increased because many doctors left.", ""),
    ("Telemedicine visits replaced most in-person appointments during the year.", ""),
    ("The clinic uses artificial intelligence to diagnose patients.", ""),
    ("Climate change is a major threat to public health.", ""),
    ("Donations fell sharply, forcing the network to cut services.", ""),
    ("All clinics now offer free parking and extended weekend hours.", ""),
]


@pytest.fixture(scope="module")
def index(sample: Document) -> AnchorIndex:
    return AnchorIndex(sample)


@pytest.mark.parametrize(("sentence", "page"), SAID)
def test_paraphrases_are_supported_on_their_page(index: AnchorIndex, sentence: str, page: int) -> None:
    found = index.support(sentence)
    assert found.supported, (found.score, found.missing)
    assert page in {citation.page for citation in found.citations}


@pytest.mark.parametrize(("sentence", "missing"), NOT_SAID)
def test_inventions_are_not_supported(index: AnchorIndex, sentence: str, missing: str) -> None:
    found = index.support(sentence)
    assert not found.supported, found.score
    if missing:
        assert missing in found.missing


def test_every_sentence_supports_itself_literally(sample: Document, index: AnchorIndex) -> None:
    texts = {b.id: b.text for page in sample.pages for b in page.blocks}
    pages = {b.id: page.number for page in sample.pages for b in page.blocks}
    for _, block in reading_blocks(sample):
        if block.kind == "heading":
            continue
        for start, end in sentences(block.text):
            found = index.support(block.text[start:end])
            assert found.supported, block.text[start:end]
            for citation in found.citations:
                assert citation.quote in texts[citation.block]
                assert citation.page == pages[citation.block]


def test_only_the_given_blocks_are_searched(sample: Document, index: AnchorIndex) -> None:
    page_9 = {b.id for b in sample.pages[8].blocks}
    assert not index.support("The Mill Street clinic has 14 examination rooms.", blocks=page_9).supported
    found = index.support("The solar roof cost $620,000.", blocks=page_9)
    assert found.supported
    assert {c.page for c in found.citations} == {9}


def test_a_number_from_another_place_is_missing(make_document: Callable[..., Document]) -> None:
    document = make_document(
        [("paragraph", "The bridge cost 40 million dollars and was opened by the mayor.")],
        [
            ("paragraph", "Cows were counted in the meadow."),
            ("paragraph", "There were 75 of them, all brown."),
        ],
    )
    assert support("The bridge cost 40 million dollars.", document).supported
    assert support("The bridge cost 75 million dollars.", document).missing == ("75 million",)


def test_chinese_by_pairs_of_characters(make_document: Callable[..., Document]) -> None:
    document = make_document(
        [
            ("paragraph", "市议会星期二批准了新桥的建设。费用为420万元。"),
            ("paragraph", "图书馆将于明年春天关闭。"),
        ],
        language="zh",
    )
    found = support("新桥建设获得市议会批准。", document)
    assert found.supported
    assert found.citations[0].quote == "市议会星期二批准了新桥的建设。"
    assert not support("学校的老师们都反对这个计划。", document).supported


def test_nothing_to_say_or_nothing_to_find(make_document: Callable[..., Document]) -> None:
    document = make_document([("paragraph", "A bridge.")])
    assert not support("", document).supported
    assert not support("…", document).supported
    assert not support("A bridge.", make_document([])).supported


WORDS = st.sampled_from(
    "the bridge cost 4.2 million Harbor 12% of Dr. Oduya visits. fell! 1,140 «x» 桥 ٤٢ ¹ a|b".split()
)


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.lists(WORDS, max_size=25).map(" ".join), max_size=8),
    st.lists(WORDS, max_size=12).map(" ".join),
)
def test_quotes_are_literal_whatever_the_text(texts: list[str], sentence: str) -> None:
    from desktop_slm.documents.model import Block, Page

    blocks = tuple(Block(id=i, kind="paragraph", text=t) for i, t in enumerate(texts))
    document = Document(title="", name="", format="txt", language="", pages=(Page(number=1, blocks=blocks),))
    found = support(sentence, document)
    assert 0 <= found.score <= 1
    for citation in found.citations:
        assert citation.quote
        assert citation.quote in texts[citation.block]


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("4,200,000 people", {4_200_000}),
        ("4.2 million people", {4_200_000}),
        ("$3.8M and 5 m of rope", {3_800_000, 5}),
        ("1.234.567 Euro", {1_234_567}),
        ("1 234 567 euros", {1_234_567}),
        ("2,5 Millionen", {2_500_000}),
        ("420万元", {4_200_000}),
        ("72.5 percent, 0.3%", {72.5, 0.3}),
        ("٤٢ بيتا", {42}),
        ("patients.¹", set()),
        ("no figures at all", set()),
    ],
)
def test_numbers(text: str, values: set[float]) -> None:
    assert set(facts.numbers(text)) == values


def test_numbers_in_words_and_rounded() -> None:
    stated = facts.number_values(
        "Twenty-seven villages, three buses, half a million, 4,217,300 visits, two thousand"
    )
    for value in (27, 3, 4_217_300, 4_200_000, 2000):
        assert facts.states(value, stated), value
    assert not facts.states(4_300_000, stated)
    assert not facts.states(28, stated)


def test_names() -> None:
    assert facts.names("Yesterday Maren Oduya met the WHO in Geneva.") == ["Maren", "Oduya", "WHO", "Geneva"]
    assert facts.names("Revenue rose. The board met.") == []
    assert facts.names("Die Stadt baut mit der EU eine Brücke.", language="de") == ["EU"]
