"""Key sentences, passages and languages."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from make_documents import PROSE, report

from desktop_slm.documents.keysentences import key_sentences
from desktop_slm.documents.language import LANGUAGES, detect, detect_quickly
from desktop_slm.documents.model import Document
from desktop_slm.documents.reader_main import read
from desktop_slm.documents.retrieve import PassageIndex, retrieve


def test_key_sentences_of_the_sample(sample: Document) -> None:
    found = key_sentences(sample, 8)
    assert len(found) == 8
    texts = {b.id: (b.kind, b.text) for page in sample.pages for b in page.blocks}
    pages = {b.id: page.number for page in sample.pages for b in page.blocks}
    for key in found:
        kind, text = texts[key.block]
        assert kind in ("paragraph", "list_item")
        assert key.text in text
        assert key.page == pages[key.block]
        assert key.text[0].isupper()
        assert key.text.endswith(".")
        assert 0 < key.score <= 1
    assert [k.block for k in found] == sorted(k.block for k in found)
    assert max(k.score for k in found) == 1
    assert len({k.page for k in found}) >= 4
    joined = " ".join(k.text for k in found)
    assert any(fact in joined for fact in ("61,480", "$48.6 million", "11.4 days"))


def test_no_key_sentence_from_headers_contents_tables_or_fragments(
    make_document: Callable[..., Document],
) -> None:
    document = make_document(
        [
            ("header", "The annual report of the bridge company is printed on every page."),
            ("header", "The bridge and its costs | 3\nThe bridge and its builders | 9"),
            ("table", "The bridge cost a lot of money in the year. | 12"),
            ("paragraph", "and the rest of a sentence about the bridge and its high cost."),
            ("paragraph", "The bridge company and its costs in the year"),
            ("paragraph", "Bridge costs .......... 12 and the bridge company of the year."),
            ("paragraph", "See www.bridge.example for the costs of the bridge in the year."),
            ("paragraph", "The bridge company spent far more than planned on the bridge in 2025."),
        ]
    )
    assert [k.text for k in key_sentences(document)] == [
        "The bridge company spent far more than planned on the bridge in 2025."
    ]


def test_key_sentences_do_not_repeat_themselves(make_document: Callable[..., Document]) -> None:
    same = "The council decided to build a new bridge over the river."
    document = make_document(
        [("paragraph", same), ("paragraph", same), ("paragraph", f"{same[:-1]} soon."), ("paragraph", PROSE)]
    )
    texts = [k.text for k in key_sentences(document, 4)]
    assert sum("build a new bridge over the river" in text for text in texts) == 1


def test_key_sentences_in_chinese_and_of_nothing(make_document: Callable[..., Document]) -> None:
    document = make_document(
        [("paragraph", "市议会星期二批准了新桥的建设费用。图书馆将于明年春天因为缺少资金而关闭。好。")],
        language="zh",
    )
    assert [k.text for k in key_sentences(document)] == [
        "市议会星期二批准了新桥的建设费用。",
        "图书馆将于明年春天因为缺少资金而关闭。",
    ]
    assert key_sentences(make_document([])) == []


def test_200_pages() -> None:
    document, _ = read("yearbook.pdf", report(200))
    assert len(key_sentences(document, 8)) == 8


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("How much did the Mill Street clinic cost?", "$3.8 million"),
        ("Who is the chief financial officer?", "Priya Raman"),
        ("What caused the outage of the computer systems in September?", "license had expired"),
        ("How many babies were born early?", "37th week"),
        ("How long is the wait for a first counseling session?", "34 to 19 days"),
        ("When does the lease of Northgate end?", "June 2027"),
        ("How many visits did Fenwick have in 2024?", "23,600"),
        ("What do the interpreters speak?", "Spanish, Vietnamese and Arabic"),
    ],
)
def test_passages_that_answer_come_first(sample: Document, question: str, answer: str) -> None:
    found = retrieve(question, [("d1", sample)], limit=4)
    assert any(answer in passage.text for passage in found)
    assert [p.score for p in found] == sorted((p.score for p in found), reverse=True)


def test_passages_are_literal_and_name_their_document(sample: Document) -> None:
    index = PassageIndex([("d1", sample), ("d2", sample)])
    texts = {b.id: b.text for page in sample.pages for b in page.blocks}
    for passage in index.passages:
        for part in passage.text.split("\n\n"):
            assert any(part in texts[block] for block in passage.blocks)
    assert {p.document for p in index.search("solar roof", limit=2)} == {"d1", "d2"}
    assert index.search("xylophone quartz") == []
    assert index.search("") == []
    assert retrieve("anything", []) == []


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("The board of the town met on Tuesday to talk about the new bridge and its cost.", "en"),
        ("Der Rat der Stadt hat am Dienstag über die neue Brücke und die Kosten gesprochen.", "de"),
        ("Le conseil de la ville s'est réuni mardi pour parler du nouveau pont et des coûts.", "fr"),
        ("El consejo de la ciudad se reunió el martes para hablar del nuevo puente y los costos.", "es"),
        ("O conselho da cidade reuniu-se na terça-feira para falar da nova ponte e dos custos.", "pt"),
        ("Il consiglio della città si è riunito martedì per parlare del nuovo ponte e dei costi.", "it"),
        ("De raad van de stad kwam dinsdag bijeen om te praten over de nieuwe brug en het geld.", "nl"),
        ("Rada miasta zebrała się we wtorek, aby porozmawiać o nowym moście i o tym, ile to kosztuje.", "pl"),
        ("Belediye meclisi salı günü yeni köprü ve maliyeti hakkında konuşmak için toplandı.", "tr"),
        ("Совет города собрался во вторник, чтобы обсудить новый мост и его стоимость.", "ru"),
        ("Міська рада зібралася у вівторок, щоб обговорити новий міст і його вартість.", "uk"),
        ("市议会星期二开会讨论新桥。", "zh"),
        ("市議会は火曜日に新しい橋について話し合った。", "ja"),
        ("시의회는 화요일에 새 다리에 대해 논의했다.", "ko"),
        ("اجتمع مجلس المدينة يوم الثلاثاء لمناقشة الجسر الجديد.", "ar"),
        ("شورای شهر روز سه‌شنبه برای گفتگو درباره پل جدید گرد هم آمد.", "fa"),
        ("नगर परिषद ने मंगलवार को नए पुल पर चर्चा की।", "hi"),
        ("Το δημοτικό συμβούλιο συνεδρίασε την Τρίτη.", "el"),
        ("สภาเมืองประชุมเมื่อวันอังคาร", "th"),
        ("Bydd y cyngor yn cyfarfod ddydd Mawrth i drafod y bont newydd dros yr afon.", "cy"),
    ],
)
def test_languages(text: str, code: str) -> None:
    assert detect(text) == code
    assert code in LANGUAGES


@pytest.mark.parametrize("text", ["", "12 345", "ok", "???", "a b c"])
def test_too_little_to_tell(text: str) -> None:
    assert detect(text) == ""


def test_common_languages_are_told_without_the_model() -> None:
    assert detect_quickly(PROSE) == "en"
    assert list(LANGUAGES.values()) == sorted(LANGUAGES.values())
