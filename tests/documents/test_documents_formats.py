# ruff: noqa: E501, SIM905
"""What is read from Word, text, Markdown and HTML, and what is refused; parsers run in this process."""

from __future__ import annotations

import io
import zipfile

import pytest
from make_documents import PROSE, pdf, plain_word, with_members, word

from desktop_slm.documents.formats import sniff
from desktop_slm.documents.formats.text import decode
from desktop_slm.documents.model import Document
from desktop_slm.documents.reader_main import read
from desktop_slm.errors import (
    DocumentDamaged,
    DocumentEmpty,
    DocumentError,
    DocumentTooLarge,
    DocumentUnsupported,
)

PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + bytes(64)


def kinds(document: Document) -> list[tuple[str, str]]:
    return [(b.kind, b.text) for page in document.pages for b in page.blocks]


# Word


def test_sample_docx_says_what_the_pdf_says(sample_docx: bytes, sample: Document) -> None:
    document, artist = read("riverside-annual-report-2025.docx", sample_docx)
    assert artist is None
    assert (document.title, document.language, document.page_unit) == (sample.title, "en", "page")
    assert abs(document.words - sample.words) < 60
    for kind in ("table", "note"):
        ours = [text for k, text in kinds(document) if k == kind]
        theirs = [text.lstrip("¹²³ ") for k, text in kinds(sample) if k == kind]
        assert ours == theirs
    assert {t for k, t in kinds(document) if k == "heading"} >= {
        t for k, t in kinds(sample) if k == "heading" and "shorter waits," not in t
    }


def test_word_lists_tables_code_and_page_breaks() -> None:
    def build(document) -> None:
        document.add_heading("One", 1)
        document.add_paragraph("First paragraph.")
        document.add_paragraph("A point", style="List Bullet")
        document.add_paragraph("A step", style="List Number")
        table = document.add_table(2, 2)
        for cell, text in zip((c for row in table.rows for c in row.cells), "a b c d|e".split(), strict=True):
            cell.text = text
        document.add_page_break()
        document.add_heading("Two", 2)
        document.add_paragraph("Second page.")
        document.sections[0].header.paragraphs[0].text = "Running line"

    document, _ = read("w.docx", word(build))
    assert kinds(document) == [
        ("header", "Running line"),
        ("heading", "One"),
        ("paragraph", "First paragraph."),
        ("list_item", "A point"),
        ("list_item", "A step"),
        ("table", "a | b\nc | d/e"),
        ("heading", "Two"),
        ("paragraph", "Second page."),
    ]
    assert [len(page.blocks) for page in document.pages] == [6, 2]
    assert document.page_unit == "page"


def test_word_without_page_breaks_becomes_parts() -> None:
    def build(document) -> None:
        for chapter in range(6):
            document.add_heading(f"Chapter {chapter}", 1)
            for _ in range(4):
                document.add_paragraph(PROSE)

    document, _ = read("w.docx", word(build))
    assert document.page_unit == "part"
    assert len(document.pages) == 6
    assert all(page.blocks[0].kind == "heading" for page in document.pages)


def test_deleted_text_is_gone_and_inserted_text_is_there() -> None:
    body = (
        '<w:document xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"><w:body><w:p>'
        "<w:r><w:t>It costs </w:t></w:r><w:del><w:r><w:delText>five</w:delText></w:r></w:del>"
        "<w:ins><w:r><w:t>six</w:t></w:r></w:ins><w:r><w:t> dollars.</w:t></w:r></w:p></w:body></w:document>"
    )
    document, _ = read("w.docx", with_members(plain_word(), {"word/document.xml": body.encode()}))
    assert kinds(document) == [("paragraph", "It costs six dollars.")]


def hostile_word(xml: str) -> bytes:
    return with_members(plain_word(), {"word/document.xml": xml.encode()})


W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'


def test_word_bomb_is_refused_before_it_is_unpacked() -> None:
    with pytest.raises(DocumentTooLarge):
        read("bomb.docx", with_members(plain_word(), {"word/media/x.bin": bytes(60_000_000)}))
    with pytest.raises(DocumentTooLarge):
        read("bomb.docx", hostile_word(f"<w:document {W}><w:body>{' ' * 50_000_000}</w:body></w:document>"))


def test_a_member_longer_than_it_claims_is_damaged() -> None:
    data = bytearray(hostile_word(f"<w:document {W}><w:body><w:p/></w:body></w:document>" + " " * 5000))
    directory = data.rfind(b"PK\x01\x02", 0, data.find(b"word/document.xml", data.find(b"PK\x01\x02")))
    data[directory + 24 : directory + 28] = (40).to_bytes(4, "little")
    with pytest.raises(DocumentError):
        read("lie.docx", bytes(data))


def test_document_types_and_entities_are_refused() -> None:
    xml = f'<!DOCTYPE d [<!ENTITY a "aaaa">]><w:document {W}><w:body><w:p><w:r><w:t>&a;</w:t></w:r></w:p></w:body></w:document>'
    with pytest.raises(DocumentUnsupported):
        read("dtd.docx", hostile_word(xml))


def test_deep_nesting_is_refused() -> None:
    xml = f"<w:document {W}><w:body>" + "<w:p>" * 5_000 + "</w:p>" * 5_000 + "</w:body></w:document>"
    with pytest.raises(DocumentTooLarge):
        read("deep.docx", hostile_word(xml))


@pytest.mark.parametrize("xml", ["", "<a><b></a>", f"<w:document {W}/>", "\0\0\0", "no xml at all"])
def test_broken_xml_is_damaged(xml: str) -> None:
    with pytest.raises(DocumentDamaged):
        read("broken.docx", hostile_word(xml))


def test_a_word_file_without_text_is_empty() -> None:
    with pytest.raises(DocumentEmpty):
        read("empty.docx", word(lambda document: None))


def test_a_truncated_word_file_is_damaged(sample_docx: bytes) -> None:
    for share in (0.1, 0.5, 0.95):
        with pytest.raises(DocumentDamaged):
            read("cut.docx", sample_docx[: int(len(sample_docx) * share)])


def test_flipped_bytes_never_raise_anything_unexpected(sample_docx: bytes) -> None:
    import random

    chance = random.Random(3)
    for _ in range(60):
        data = bytearray(sample_docx)
        for _ in range(6):
            data[chance.randrange(len(data))] = chance.randrange(256)
        try:
            read("flipped.docx", bytes(data))
        except DocumentError:
            continue


# Text, Markdown, HTML


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("utf-8", "Grüße aus Köln, naïve façade"),
        ("utf-8-sig", "Grüße aus Köln"),
        ("utf-16", "Grüße aus Köln 中文"),
        ("utf-16-le", "Plain text without a mark, in two bytes each"),
        (
            "windows-1252",
            "Die Straße wurde gesperrt, während die Brücke repariert wurde. Das hört man überall.",
        ),
        ("windows-1251", "Совет города собрался во вторник, чтобы обсудить новый мост через реку."),
        ("koi8-r", "Совет города собрался во вторник, чтобы обсудить новый мост через реку."),
        ("gb18030", "市议会在星期二开会，讨论的是新桥的建设费用和时间，大家都来了。"),
        ("shift_jis", "市議会は火曜日に開かれ、新しい橋についてはなしあいました。"),
        ("euc_kr", "시의회는 화요일에 모여 새로운 다리에 대해 논의했습니다."),
        ("windows-1256", "اجتمع مجلس المدينة يوم الثلاثاء لمناقشة بناء الجسر الجديد"),
    ],
)
def test_encodings(encoding: str, text: str) -> None:
    decoded, used = decode(text.encode(encoding))
    assert decoded == text, used


def test_text_paragraphs_headings_and_lists() -> None:
    text = (
        "THE BRIDGE\n\nThis is a paragraph that was wrapped\nby an editor at some width.\n\n- one\n- two\n  goes on\n\n"
        "1. Costs\n\nThey are high.\n\nUnderlined\n==========\n\nThe end.\n"
    )
    document, _ = read("notes.txt", text.encode())
    assert kinds(document) == [
        ("heading", "THE BRIDGE"),
        ("paragraph", "This is a paragraph that was wrapped by an editor at some width."),
        ("list_item", "one"),
        ("list_item", "two goes on"),
        ("heading", "1. Costs"),
        ("paragraph", "They are high."),
        ("heading", "Underlined"),
        ("paragraph", "The end."),
    ]
    assert document.title == "THE BRIDGE"
    assert document.page_unit == "part"


def test_long_text_becomes_parts_of_whole_blocks() -> None:
    text = "\n\n".join(f"Paragraph {n}. {PROSE}" for n in range(60))
    document, _ = read("long.txt", text.encode())
    assert document.text == text
    sizes = [len(page.text) for page in document.pages]
    assert max(sizes) < 4_500
    assert min(sizes[:-1]) > 1_500


def test_one_endless_line_is_cut_between_sentences() -> None:
    document, _ = read("line.txt", (f"{PROSE} " * 200).encode())
    assert len(document.pages) > 10
    assert all(b.text.endswith((".", "June.")) for page in document.pages for b in page.blocks)
    document, _ = read("letters.txt", b"x" * 100_000)
    assert max(len(b.text) for page in document.pages for b in page.blocks) <= 6_000


def test_markdown() -> None:
    text = (
        "---\ntitle: The plan\n---\n# A *strong* start\n\nSome `code` and a [link](http://x.test/).\n\n- a\n- b\n  - c\n\n"
        "3. three\n4. four\n\n| x | y |\n|---|---|\n| 1 | 2 |\n\n```py\nprint(1)\n  print(2)\n```\n\n> said\n\n<script>x</script>\n"
    )
    document, _ = read("plan.md", text.encode())
    assert kinds(document) == [
        ("heading", "A strong start"),
        ("paragraph", "Some code and a link."),
        ("list_item", "a"),
        ("list_item", "b"),
        ("list_item", "c"),
        ("list_item", "3. three"),
        ("list_item", "4. four"),
        ("table", "x | y\n1 | 2"),
        ("code", "print(1)\n  print(2)"),
        ("paragraph", "said"),
    ]
    assert (document.title, document.format) == ("The plan", "md")


def test_html() -> None:
    page = (
        "<!doctype html><html><head><title>The page</title><style>p{}</style></head><body><nav>Home | About</nav>"
        "<h1>Big &amp; bold</h1><p>First <b>bold</b> text.<p>Second<br>line.<script>alert(1)</script>"
        "<ul><li>one<li>two</ul><ol start=3><li>three</ol><table><tr><th>a<th>b<tr><td>1<td>2</table>"
        "<pre>x\n  y</pre><div hidden>not seen</div><figure><figcaption>A picture</figcaption></figure></body>"
    )
    document, _ = read("page.html", page.encode())
    assert kinds(document) == [
        ("heading", "Big & bold"),
        ("paragraph", "First bold text."),
        ("paragraph", "Second line."),
        ("list_item", "one"),
        ("list_item", "two"),
        ("list_item", "3. three"),
        ("table", "a | b\n1 | 2"),
        ("code", "x\n  y"),
        ("caption", "A picture"),
    ]
    assert document.title == "The page"


def test_html_in_its_declared_encoding() -> None:
    page = '<meta charset="windows-1251"><p>Совет города собрался во вторник.</p>'
    document, _ = read("page.htm", page.encode("windows-1251"))
    assert document.text == "Совет города собрался во вторник."


def test_html_nested_too_deeply_is_refused() -> None:
    with pytest.raises(DocumentTooLarge):
        read("deep.html", b"<div>" * 100_000)


def test_invisible_characters_are_dropped() -> None:
    text = "a\u202eb\u2066c\u200bd\ufeffe\U000e0041f\u00ad \ufb01nd \x07x می\u200cخواهم"
    document, _ = read("x.txt", text.encode())
    assert document.text == "abcdef find x می\u200cخواهم"


# What a file is


@pytest.mark.parametrize(
    ("name", "data", "error"),
    [
        ("a.pdf", b"", DocumentEmpty),
        ("a.txt", b" \n\t\n", DocumentEmpty),
        ("a.docx", bytes(5_000), DocumentEmpty),
        ("picture.pdf", PNG, DocumentDamaged),
        ("picture.png", PNG, DocumentUnsupported),
        ("picture.txt", PNG, DocumentDamaged),
        ("program.txt", b"\x7fELF" + bytes(range(256)) * 9, DocumentDamaged),
        ("noise.txt", bytes(range(256)) * 40, DocumentDamaged),
        ("noise.xyz", bytes(range(256)) * 40, DocumentUnsupported),
        ("words.pdf", b"only words", DocumentDamaged),
        ("words.docx", b"only words", DocumentDamaged),
        ("old.doc", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), DocumentUnsupported),
        (
            "old.docx",
            b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + "EncryptedPackage".encode("utf-16-le"),
            DocumentUnsupported,
        ),
        ("rich.rtf", b"{\\rtf1 text}", DocumentUnsupported),
        ("model.gguf", b"GGUF" + bytes(100), DocumentUnsupported),
        ("a.zip", b"PK\x03\x04" + bytes(100), DocumentUnsupported),
        ("a.docx", b"PK\x03\x04" + bytes(100), DocumentDamaged),
        ("song.mp4", b"\0\0\0\x18ftypmp42" + bytes(100), DocumentUnsupported),
    ],
)
def test_what_is_refused(name: str, data: bytes, error: type[DocumentError]) -> None:
    with pytest.raises(DocumentError) as caught:
        sniff.sniff(name, data)
    assert type(caught.value) is error
    assert_well_worded(caught.value)


def assert_well_worded(error: DocumentError) -> None:
    assert error.title
    assert not error.title.endswith(".")
    assert error.message.endswith(".")
    assert "\n" not in str(error)
    assert len(str(error)) < 200


def test_other_archives_are_named() -> None:
    for member, word_in_title in (
        ("xl/workbook.xml", "Excel"),
        ("ppt/x.xml", "PowerPoint"),
        ("a.txt", "ZIP"),
    ):
        target = io.BytesIO()
        with zipfile.ZipFile(target, "w") as archive:
            archive.writestr(member, "x")
        with pytest.raises(DocumentUnsupported, match=word_in_title):
            sniff.sniff("file.bin", target.getvalue())


def test_contents_count_more_than_names() -> None:
    from make_documents import lines

    assert sniff.sniff("report.txt", pdf(lines("x"))) == "pdf"
    assert sniff.sniff("report", plain_word()) == "docx"
    assert sniff.sniff("page", b"<!DOCTYPE html><p>hello") == "html"
    assert sniff.sniff("README", b"hello") == "txt"
    assert sniff.sniff("table.csv", b"a,b\n1,2") == "txt"
