"""Which language a text is in: by script and small words, by a trained model when these do not tell."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

LANGUAGES: dict[str, str] = {
    "af": "Afrikaans", "sq": "Albanian", "am": "Amharic", "ar": "Arabic", "hy": "Armenian",
    "az": "Azerbaijani", "eu": "Basque", "be": "Belarusian", "bn": "Bengali", "bs": "Bosnian",
    "bg": "Bulgarian", "my": "Burmese", "ca": "Catalan", "zh": "Chinese", "hr": "Croatian", "cs": "Czech",
    "da": "Danish", "nl": "Dutch", "en": "English", "eo": "Esperanto", "et": "Estonian", "fi": "Finnish",
    "fr": "French", "gl": "Galician", "ka": "Georgian", "de": "German", "el": "Greek", "gu": "Gujarati",
    "ha": "Hausa", "he": "Hebrew", "hi": "Hindi", "hu": "Hungarian", "is": "Icelandic", "ig": "Igbo",
    "id": "Indonesian", "ga": "Irish", "it": "Italian", "ja": "Japanese", "kn": "Kannada", "kk": "Kazakh",
    "km": "Khmer", "ko": "Korean", "ku": "Kurdish", "ky": "Kyrgyz", "lo": "Lao", "la": "Latin",
    "lv": "Latvian", "lt": "Lithuanian", "lb": "Luxembourgish", "mk": "Macedonian", "ms": "Malay",
    "ml": "Malayalam", "mt": "Maltese", "mr": "Marathi", "mn": "Mongolian", "ne": "Nepali",
    "no": "Norwegian", "ps": "Pashto", "fa": "Persian", "pl": "Polish", "pt": "Portuguese", "pa": "Punjabi",
    "ro": "Romanian", "ru": "Russian", "sr": "Serbian", "si": "Sinhala", "sk": "Slovak", "sl": "Slovenian",
    "so": "Somali", "es": "Spanish", "sw": "Swahili", "sv": "Swedish", "tl": "Tagalog", "ta": "Tamil",
    "tt": "Tatar", "te": "Telugu", "th": "Thai", "tr": "Turkish", "tk": "Turkmen", "uk": "Ukrainian",
    "ur": "Urdu", "ug": "Uyghur", "uz": "Uzbek", "vi": "Vietnamese", "cy": "Welsh", "xh": "Xhosa",
    "yo": "Yoruba", "zu": "Zulu",
}  # fmt: skip
"""ISO 639-1 codes and English names, sorted by name, for pickers."""

_LETTERS_NEEDED = 20
_LETTERS_NEEDED_WIDE = 3  # a script of its own tells at once
_SAMPLE = 6_000
_WORDS_OF_GREETING = 8

_SCRIPTS: tuple[tuple[str, str], ...] = (
    ("\u0370\u03ff", "el"), ("\u0530\u058f", "hy"), ("\u0590\u05ff", "he"), ("\u0980\u09ff", "bn"),
    ("\u0a00\u0a7f", "pa"), ("\u0a80\u0aff", "gu"), ("\u0b80\u0bff", "ta"), ("\u0c00\u0c7f", "te"),
    ("\u0c80\u0cff", "kn"), ("\u0d00\u0d7f", "ml"), ("\u0d80\u0dff", "si"), ("\u0e00\u0e7f", "th"),
    ("\u0e80\u0eff", "lo"), ("\u1000\u109f", "my"), ("\u10a0\u10ff", "ka"), ("\u1200\u137f", "am"),
    ("\u1780\u17ff", "km"), ("\uac00\ud7af", "ko"),
)  # fmt: skip

_SMALL_WORDS: dict[str, frozenset[str]] = {
    code: frozenset(words.split())
    for code, words in {
        "en": "the of and to in is that for it was with as on are be this by from at which have or an not",
        "de": "der die das und ist nicht mit ein eine zu den von für auf dem sich des im auch es wird",
        "fr": "le les et des est dans une que pour qui sur pas au du il avec par plus sont ce cette ont",
        "es": "el los las y en que una por con para es del se no su al más como pero fueron sus está la",
        "it": "il che di e la è un per non una sono con del della i le si da nel dei al gli come più anche",
        "pt": "o os que e do da em um uma para não com é no na por mais dos das como foi ao são pelo pela",
        "nl": "de het een en van is dat op te niet met voor zijn aan er die ook was als bij naar wordt",
        "sv": "och att det som en är på för av med den till inte har ett de om var från kan men vi",
        "da": "og at det som en er på for af med den til ikke har et de om var fra kan men vi blev også",
        "no": "og at det som en er på for av med den til ikke har et de om var fra kan men vi ble også",
        "fi": "ja on ei että se oli joka hän mutta kun myös tai ovat kuin sen niin mukaan jo vain ole",
        "pl": "i w nie na się z do to że jest o jak ale po co tak za od przez są dla oraz był tego które",
        "cs": "a se na v je že to s z do o i jako za by ale po který jsou pro byl podle také nebo k které",
        "sk": "a sa na v je že to s z do o aj ako za by ale po ktorý sú pre bol podľa tiež alebo k ktoré",
        "hu": "a az és hogy nem is egy ez volt meg de csak már el mint még vagy van ki azt után",
        "ro": "și în de la cu nu pe o un este să din care mai că au sunt pentru fost prin ca dar sau",
        "tr": "ve bir bu da de için ile ne çok daha olarak olan gibi kadar sonra ama değil en o var",
        "id": "yang dan di ini itu dengan untuk dari tidak dalam pada akan adalah ke juga oleh telah",
        "vi": "và của là có không được cho trong một những với các này đã người để khi từ đến như",
        "ca": "i el la els de que en una per amb és no les del al més com però també ha aquest",
    }.items()
}  # fmt: skip
_GREETINGS: dict[str, frozenset[str]] = {
    code: frozenset(words.split())
    for code, words in {
        "en": "hello hi hey thanks thank please you how are good morning evening night goodbye welcome yes",
        "de": "hallo danke bitte guten gute tag morgen abend nacht wie geht dir ihnen tschüss willkommen ja",
        "fr": "bonjour bonsoir salut merci comment allez vous ça va revoir bienvenue oui",
        "es": "hola gracias buenos buenas días tardes noches cómo estás está usted adiós bienvenido sí",
        "it": "ciao grazie buongiorno buonasera come stai sta arrivederci benvenuto prego",
        "pt": "olá oi obrigado obrigada bom boa dia tarde noite como vai você tudo bem adeus tchau",
        "nl": "hallo dank bedankt goedemorgen goedenavond hoe gaat het dag welkom alstublieft",
    }.items()
}
"""What people try a translator with: too short for small words to tell."""
_WORD = re.compile(r"[^\W\d_]+")


def detect(text: str) -> str:
    """Return the ISO 639-1 code of the language of ``text``, or an empty string when it does not tell.

    The trained model (0.9 s to load, once) is asked only where script and small words leave it open.
    """
    part = sample(text)
    quick = detect_quickly(part)
    if quick or sum(c.isalpha() for c in part) < _LETTERS_NEEDED:
        return quick
    return _by_model(part)


def sample(text: str) -> str:
    """Return the beginning, and parts of the middle and the end of a long text."""
    if len(text) <= _SAMPLE:
        return text
    third = _SAMPLE // 3
    middle = len(text) // 2
    return f"{text[:third]}\n{text[middle : middle + third]}\n{text[-third:]}"


def detect_quickly(text: str) -> str:
    """Return the language by script and small words, or an empty string when these leave it open."""
    letters = [c for c in text if c.isalpha()]
    if not letters:
        return ""
    by_script = _by_script(letters)
    if by_script:
        return by_script
    if len(letters) < _LETTERS_NEEDED:
        return _by_greeting(text)
    return _by_small_words(text) or _by_greeting(text)


def _share(letters: list[str], first: str, last: str) -> float:
    return sum(first <= c <= last for c in letters) / len(letters)


def _by_script(letters: list[str]) -> str:
    if len(letters) < _LETTERS_NEEDED_WIDE or _share(letters, "\u0000", "\u024f") > 0.6:
        return ""
    if _share(letters, "\u3040", "\u30ff") > 0.05:
        return "ja"
    if _share(letters, "\u4e00", "\u9fff") + _share(letters, "\u3400", "\u4dbf") > 0.4:
        return "zh"
    for span, code in _SCRIPTS:
        if _share(letters, span[0], span[1]) > 0.5:
            return code
    if _share(letters, "\u0600", "\u06ff") > 0.5:
        return _arabic_script(letters)
    if _share(letters, "\u0400", "\u04ff") > 0.5:
        return _cyrillic(letters)
    return ""


def _arabic_script(letters: list[str]) -> str:
    found = set(letters)
    if found & set("ٹڈڑںے"):
        return "ur"
    if found & set("ټډړښځڅ"):
        return "ps"
    if found & set("ۆێڵڕ"):
        return ""  # Kurdish or Uyghur: the model knows
    if found & set("پچژگ") and not found & set("ة"):
        return "fa"
    return "ar"


def _cyrillic(letters: list[str]) -> str:
    found = {c.lower() for c in letters}
    if found & set("әғқңөұүһӣқҷӯҳ"):
        return ""
    if found & set("ѓќѕ"):
        return "mk"
    if found & set("ђћџљњј"):
        return "sr"
    if found & set("їєґ"):
        return "uk"
    if "ў" in found:
        return "be"
    if len(letters) >= _LETTERS_NEEDED and found & set("ыэё"):
        return "ru"
    return ""


def _by_greeting(text: str) -> str:
    """Return the language in which a short text is a greeting, by at least half of its words."""
    words = [word.casefold() for word in _WORD.findall(text)]
    if not 1 <= len(words) <= _WORDS_OF_GREETING:
        return ""
    counts = {code: sum(word in known for word in words) for code, known in _GREETINGS.items()}
    best = max(counts.values())
    codes = [code for code, count in counts.items() if count == best]
    return codes[0] if len(codes) == 1 and 2 * best >= len(words) else ""


def _by_small_words(text: str) -> str:
    """Return the language whose small words are clearly the commonest."""
    words = [word.casefold() for word in _WORD.findall(text)]
    if len(words) < 5:
        return ""
    scores = sorted(
        ((sum(word in small for word in words) / len(words), code) for code, small in _SMALL_WORDS.items()),
        reverse=True,
    )
    (best, code), (second, _) = scores[:2]
    different = len(_SMALL_WORDS[code].intersection(words))
    return code if different >= 3 and best >= 0.12 and best > 1.45 * second else ""


@cache
def _model() -> Any:
    """Load the trained model; numpy comes with it, so this is never done at start."""
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    # It unpacks itself through a temporary file, which a confined process may not make.
    model = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    aliases = {"nn", "yue", "wuu", "ary", "arz"}
    model.set_languages([code for code in model.labels if code in LANGUAGES or code in aliases])
    return model


def _by_model(text: str) -> str:
    try:
        code, confidence = _model().classify(text)
    except OSError:
        return ""
    code = {"nn": "no", "yue": "zh", "wuu": "zh", "ary": "ar", "arz": "ar"}.get(code, code)
    return str(code) if confidence >= 0.3 and code in LANGUAGES else ""
