"""What is read from PDFs of many kinds; parsers run in this process."""

from __future__ import annotations

import random

import pytest
from make_documents import (
    PROSE,
    arabic_font,
    both,
    chinese_font,
    lines,
    pdf,
    report,
    scan,
    sentence,
    two_columns,
)

from desktop_slm.documents.model import Block, Document
from desktop_slm.documents.reader_main import read
from desktop_slm.errors import DocumentDamaged, DocumentEmpty, DocumentEncrypted, DocumentTooLarge


def blocks(document: Document, kind: str = "") -> list[Block]:
    return [b for page in document.pages for b in page.blocks if not kind or b.kind == kind]


def test_sample_is_read_as_it_was_written(sample: Document) -> None:
    from sample_report import REPORT, TITLE

    assert sample.title == TITLE
    assert (sample.format, sample.language, sample.page_unit, sample.has_page_images) == (
        "pdf",
        "en",
        "page",
        True,
    )
    assert 10 <= len(sample.pages) <= 14
    assert [b.id for b in blocks(sample)] == list(range(len(blocks(sample))))
    headings = [b.text for b in blocks(sample, "heading")]
    assert [value for kind, value in REPORT if kind in ("h1", "h2")] == headings[2:]
    assert len(blocks(sample, "table")) == 3
    assert "Fenwick | 23,600 | 22,350 | 13.6" in blocks(sample, "table")[0].text
    assert len(blocks(sample, "note")) == 3
    assert {b.text for b in blocks(sample, "list_item")} >= {str(v) for kind, v in REPORT if kind == "li"}


def test_every_word_of_the_sample_is_there(sample: Document) -> None:
    from sample_report import REPORT

    text = " ".join(sample.text.split()).replace("¹", "").replace("²", "").replace("³", "")
    missing = []
    for kind, value in REPORT:
        if kind in ("h1", "h2", "p", "li", "note", "caption") and str(value) not in text:
            # A paragraph that runs over a page end has running lines in the middle.
            missing += [s for s in str(value).split(". ") if s not in text]
    assert len(missing) <= 3, missing


def test_running_lines_and_contents_are_no_prose(sample: Document) -> None:
    prose = [b.text for b in blocks(sample) if b.kind != "header"]
    assert not any("Page 3" in text or text == "Annual Report 2025" for text in prose)
    assert not any(text.startswith("A word from the director |") for text in prose)
    contents = [b for b in sample.pages[1].blocks if "Finances" in b.text]
    assert [b.kind for b in contents] == ["header"]


def test_boxes_lie_on_the_page_in_reading_order(sample: Document) -> None:
    for block in blocks(sample):
        assert block.boxes
        for box in block.boxes:
            assert 0 <= box.left < box.right <= 1
            assert 0 <= box.top < box.bottom <= 1
    page = sample.pages[2]
    tops = [b.boxes[0].top for b in page.blocks if b.kind not in ("header",)]
    assert tops == sorted(tops)


def test_200_pages() -> None:
    document, _ = read("yearbook.pdf", report(200))
    assert len(document.pages) == 200
    assert len(blocks(document, "heading")) == 200
    assert len(blocks(document, "header")) == 400
    assert all(b.text.startswith("Chapter") for b in blocks(document, "heading"))
    assert not any("Yearbook of the town" in b.text for b in blocks(document, "paragraph"))


@pytest.mark.parametrize("woven", [False, True])
def test_two_columns_are_read_one_after_the_other(woven: bool) -> None:
    document, _ = read("columns.pdf", two_columns(woven=woven))
    text = " ".join(b.text for b in blocks(document))
    assert text.startswith("A title over both columns")
    order = [
        text.index(f"{side} column line {word} ")
        for side in ("Left", "Right")
        for word in ("one", "four", "eight")
    ]
    assert order == sorted(order)
    assert not blocks(document, "table")


def test_blocks_written_out_of_order_are_sorted() -> None:
    page = both(
        lines("This paragraph stands below", "and was written first.", y=500),
        lines("This one stands above", "and was written last.", y=700),
    )
    document, _ = read("jump.pdf", pdf(page))
    assert [b.text for b in blocks(document)] == [
        "This one stands above and was written last.",
        "This paragraph stands below and was written first.",
    ]


def test_words_cut_at_line_ends_are_put_together() -> None:
    page = lines(
        "Examples of information are given here, and the infor-",
        "mation is good. We know the long-term plan and a long-",
        "term view; it ends with soft hy\u00ad",
        "phens everywhere.",
    )
    text = blocks(read("hyphens.pdf", pdf(page))[0])[0].text
    assert "the information is good" in text
    assert "a long-term view" in text
    assert "soft hyphens everywhere" in text


def test_headings_by_size_and_weight_and_the_outline() -> None:
    def outlined(canvas) -> None:
        lines("A title in large letters", size=22, y=720)(canvas)
        lines(PROSE[:80], PROSE[80:160], y=680)(canvas)
        lines("A bold line over a paragraph", font="Helvetica-Bold", y=640)(canvas)
        lines(PROSE[:80], PROSE[80:160], y=620)(canvas)
        lines("A plain line that the outline knows", y=560)(canvas)
        canvas.bookmarkPage("x")
        canvas.addOutlineEntry("A plain line that the outline knows", "x", 0)
        lines(PROSE[:80], PROSE[80:160], y=530)(canvas)

    document, _ = read("headings.pdf", pdf(outlined))
    assert [b.text for b in blocks(document, "heading")] == [
        "A title in large letters",
        "A bold line over a paragraph",
        "A plain line that the outline knows",
    ]


def test_lists_code_captions_and_notes() -> None:
    page = both(
        lines(PROSE[:75], PROSE[75:150], y=720),
        lines("• first item of the list", "• second item of it", y=680),
        lines("1. one thing to do", "2. another thing to do", y=640),
        lines("for x in y:", "    print(x)", font="Courier", y=600),
        lines("Figure 3: What the bridge looks like", y=560),
        lines("1 A note in small print at the foot", size=8, y=120),
    )
    document, _ = read("kinds.pdf", pdf(page))
    kinds = [(b.kind, b.text) for b in blocks(document)[1:]]
    assert kinds == [
        ("list_item", "first item of the list"),
        ("list_item", "second item of it"),
        ("list_item", "1. one thing to do"),
        ("list_item", "2. another thing to do"),
        ("code", "for x in y:\n    print(x)"),
        ("caption", "Figure 3: What the bridge looks like"),
        ("note", "1 A note in small print at the foot"),
    ]


def test_arabic_is_read_in_logical_order() -> None:
    font = arabic_font()
    if not font:
        pytest.skip("no Arabic font")
    first, second = "اجتمع مجلس المدينة يوم الثلاثاء", "لمناقشة بناء الجسر الجديد في المدينة"

    def draw(canvas) -> None:
        canvas.setFont(font, 14)
        canvas.drawRightString(520, 700, first[::-1])  # glyphs from the left, as PDF writers place them
        canvas.drawRightString(520, 680, second[::-1])

    document, _ = read("arabic.pdf", pdf(draw))
    assert blocks(document)[0].text == f"{first} {second}"
    assert document.language == "ar"


def test_chinese_lines_join_without_spaces() -> None:
    page = lines(
        "市议会星期二开会讨论新桥的", "建设费用。成员们认为四百二十", "万元太高。", font=chinese_font()
    )
    document, _ = read("chinese.pdf", pdf(page))
    assert blocks(document)[0].text == "市议会星期二开会讨论新桥的建设费用。成员们认为四百二十万元太高。"
    assert document.language == "zh"
    assert document.words >= 14


def test_scans_are_told() -> None:
    prose = lines(*[PROSE[i : i + 80] for i in range(0, 400, 80)])
    document, _ = read("scan.pdf", pdf(prose, scan, prose, both(scan, lines("12", y=30))))
    assert [page.is_image for page in document.pages] == [False, True, False, True]
    assert document.warnings == ("2 of 4 pages are scans without text.",)
    document, _ = read("scan.pdf", pdf(scan))
    assert document.warnings == ("This page is a scan without text.",)


def test_a_pdf_of_blank_pages_is_empty() -> None:
    with pytest.raises(DocumentEmpty):
        read("blank.pdf", pdf(lambda canvas: None))


def test_password() -> None:
    data = pdf(lines(PROSE[:80]), password="open sesame")
    with pytest.raises(DocumentEncrypted) as caught:
        read("secret.pdf", data)
    assert not caught.value.wrong_password
    with pytest.raises(DocumentEncrypted) as caught:
        read("secret.pdf", data, "wrong")
    assert caught.value.wrong_password
    document, _ = read("secret.pdf", data, "open sesame")
    assert PROSE[:80].strip() in document.text


def test_truncated_anywhere_is_damaged(sample_pdf: bytes) -> None:
    for share in (0.05, 0.3, 0.6, 0.9, 0.99):
        with pytest.raises(DocumentDamaged):
            read("cut.pdf", sample_pdf[: int(len(sample_pdf) * share)])


def test_garbage_between_the_marks_is_damaged() -> None:
    with pytest.raises(DocumentDamaged):
        read("x.pdf", b"%PDF-1.7\n" + b"garbage " * 300 + b"\nstartxref\n0\n%%EOF\n")


def test_page_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("desktop_slm.documents.limits.PAGES", 3)
    with pytest.raises(DocumentTooLarge):
        read("long.pdf", pdf(*[lines("x y z")] * 4))


def test_text_limit(monkeypatch: pytest.MonkeyPatch, sample_pdf: bytes) -> None:
    monkeypatch.setattr("desktop_slm.documents.limits.TEXT_BYTES", 5_000)
    with pytest.raises(DocumentTooLarge):
        read("long.pdf", sample_pdf)


@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
def test_marks_lie_on_ink_whatever_the_rotation(rotation: int) -> None:
    def draw(canvas) -> None:
        canvas.setPageRotation(rotation)
        lines("Nothing of note stands here.", "The bridge cost $4.2 million in the end.", y=500)(canvas)

    _, artist = read("turned.pdf", pdf(draw))
    image = artist.draw(1, 600, ["The bridge cost $4.2 million in the end.", "not on this page"])
    assert image.marks[1] == ()
    (box,) = image.marks[0]
    assert darkest(image, box) < 100
    far = [b for b in (box.left, box.top, box.right, box.bottom) if not 0 <= b <= 1]
    assert not far
    assert (image.width, image.stride) == (600, 2400)
    assert len(image.pixels) == image.stride * image.height


def darkest(image, box) -> int:
    darkest = 255
    for y in range(int(box.top * image.height), int(box.bottom * image.height)):
        start = y * image.stride
        row = image.pixels[start + int(box.left * image.width) * 4 : start + int(box.right * image.width) * 4]
        darkest = min(darkest, min(row[0::4], default=255))
    return darkest


def test_every_sentence_of_the_sample_is_found_on_its_page(sample_pdf: bytes) -> None:
    from desktop_slm.documents.split import sentences

    document, artist = read("sample.pdf", sample_pdf)
    for page in document.pages[2:5]:
        quotes = [b.text[a:e] for b in page.blocks if b.kind != "header" for a, e in sentences(b.text)]
        image = artist.draw(page.number, 300, quotes)
        assert [q for q, mark in zip(quotes, image.marks, strict=True) if not mark] == []


def test_a_huge_page_is_drawn_smaller() -> None:
    def draw(canvas) -> None:
        canvas.setPageSize((14_000, 14_000))
        lines("big")(canvas)

    _, artist = read("big.pdf", pdf(draw))
    image = artist.draw(1, 100_000, [])
    assert image.width * image.height <= 24_100_000


def test_lines_that_count_the_pages_are_running_lines() -> None:
    def page(number: int):
        chapter = number // 3 + 1
        return both(
            lines(f"Chapter {chapter}: Subject {'ABCDEFG'[chapter]} {number + 4}", y=750, size=9),
            lines(*[sentence(chance)[:85] for _ in range(4)], y=690),
        )

    chance = random.Random(5)
    document, _ = read("counted.pdf", pdf(*[page(n) for n in range(8)]))
    assert all([b.kind for b in page.blocks][:2] == ["header", "paragraph"] for page in document.pages)


def test_raised_note_numbers_are_not_figures() -> None:
    def draw(canvas) -> None:
        text = canvas.beginText(72, 700)
        text.setFont("Times-Roman", 12)
        text.textOut("The board met 14 times.")
        text.setRise(5)
        text.setFont("Times-Roman", 7)
        text.textOut("3")
        canvas.drawText(text)
        lines(*[PROSE[i : i + 80] for i in range(0, 240, 80)], y=680, size=12, font="Times-Roman")(canvas)

    document, artist = read("note.pdf", pdf(draw))
    assert document.text.startswith("The board met 14 times.³")
    assert artist.draw(1, 400, ["The board met 14 times.³"]).marks[0]
