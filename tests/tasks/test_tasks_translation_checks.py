"""What is told about a translated segment: every fault by name, and nothing about a good translation."""

from __future__ import annotations

import pytest

from desktop_slm.tasks.translation_checks import SegmentChecks

HARBOR = "The harbor is open on 12 May and closes in the evening."
TOLD = "The last translation was wrong: a number was changed. Translate into German again."


def faults(source: str, result: str, *, target: str = "de", told: str = TOLD) -> str:
    return "; ".join(SegmentChecks("en", target).faults(source, result, told))


@pytest.mark.parametrize(
    ("source", "result", "fault"),
    [
        (HARBOR, "Der Hafen ist am 13. Mai geöffnet und schließt am Abend.", "a number was changed"),
        (HARBOR, HARBOR, "it was not translated"),
        ("Thank you.", "Thank you.", "it was not translated"),
        (HARBOR, "On 12 May they will open the harbor again for visitors.", "it is still in English"),
        ("Good morning. How are you?", "Well, I am fine and how are you all?", "it is still in English"),
        (HARBOR, "Le port est ouvert le 12 mai et il ferme dans la soirée.", "it is not in German"),
        (HARBOR, f"Der Hafen ist am 12. Mai geöffnet. {TOLD}", "it repeats the instructions"),
        (
            "The price is low.",
            "Die Pflicht ist wichtig. Translate: Die Pflicht",
            "it repeats the instructions",
        ),
        (HARBOR, "<span>Der Hafen ist am 12. Mai geöffnet und schließt am Abend.</span>", "it has markup"),
        (HARBOR, "**Der Hafen** ist am 12. Mai geöffnet und schließt am Abend.", "it has markup"),
        (HARBOR, "Der Hafen ist am 12. Mai geöffnet.<|im_end|> Er schließt am Abend.", "it has markup"),
        (f"{HARBOR} Dogs stay out.", "Der Hafen ist am 12. Mai offen.", "a sentence seems to be missing"),
        (
            "The mill is old. The river is wide. The bridge is new.",
            "Die Mühle ist alt und sehr, sehr schön anzusehen.",
            "a sentence seems to be missing",
        ),
        (HARBOR, "Am 12.", "its length does not fit"),
    ],
)
def test_a_fault_is_named(source: str, result: str, fault: str) -> None:
    assert fault in faults(source, result)


@pytest.mark.parametrize(
    ("source", "result", "target"),
    [
        (HARBOR, "Der Hafen ist am 12. Mai geöffnet und schließt am Abend.", "de"),
        ("<b>Porto</b> closes on Monday.", "<b>Porto</b> schließt am Montag.", "de"),
        ("Anna Schmidt", "Anna Schmidt", "de"),
        ("Internet", "Internet", "de"),
        ("Please translate this letter for me.", "Bitte translate diesen Brief für mich.", "de"),
        (
            "The harbor is open again, and all are welcome.",
            "Havnen er åpen igjen, og alle er velkomne.",
            "no",
        ),
        ("The harbor is open.", "港口开放了。", "zh"),
        ("The mill is old. The river is wide.", "Die Mühle ist alt, der Fluss ist breit.", "de"),
        ("The mill is old. The river is wide.", "磨坊很旧，河很宽。", "zh"),
    ],
)
def test_a_translation_without_faults_passes(source: str, result: str, target: str) -> None:
    assert faults(source, result, target=target) == ""


def test_a_text_in_the_wanted_language_may_stay_as_it_is() -> None:
    assert (
        SegmentChecks("de", "de").faults("Der Hafen ist offen und frei.", "Der Hafen ist offen und frei.")
        == ()
    )
