"""Grammars of JSON Schemas: what is written under them is JSON that validates; the rest is refused by name.

A random writer, not a model, walks through the grammar with llama.cpp's own matcher: it goes where no
sensible model would.
"""

import ctypes
import json
import math
import random
import re

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from in_process import load
from json_values import validates
from tiny_models import tiny_model

from desktop_slm.engine import llama
from desktop_slm.engine.api import GenerateRequest, Message, ModelSpec, Sampling
from desktop_slm.engine.digits import integers
from desktop_slm.engine.forms import check_request, choices_grammar, grammar_of
from desktop_slm.engine.json_schema import grammar_of_schema
from desktop_slm.errors import InvalidRequest

C = llama.C
TOKENS = 4_000
_RISKY = {0xC0, 0xC1, 0xE0, 0xED, 0xF0, *range(0xF4, 0x100)}


class Writer:
    """Writes at random what a grammar allows, and prefers to come to an end."""

    def __init__(self, path):
        self.model = load(path)
        self.pieces = [self.model.piece(token) for token in range(self.model.n_vocab)]
        self.ends = [self.model.ends(token) for token in range(self.model.n_vocab)]

    def write(self, grammar, seed):
        """Return a text, None when it did not end in time."""
        chance = random.Random(seed)
        sampler = C.llama_sampler_init_grammar(self.model.vocabulary, grammar.encode(), b"root")
        assert sampler, grammar
        candidates = (C.llama_token_data * self.model.n_vocab)()
        written = b""
        try:
            for _ in range(TOKENS):
                for token in range(self.model.n_vocab):
                    candidates[token].id, candidates[token].logit = token, 1.0
                table = C.llama_token_data_array(candidates, self.model.n_vocab, -1, False)
                C.llama_sampler_apply(sampler, ctypes.byref(table))
                allowed = [one.id for one in candidates if not math.isinf(one.logit)]
                assert allowed, f"nothing can follow {written!r}"
                weights = [self._weight(token) for token in allowed]
                token = chance.choices(allowed, weights if any(weights) else None)[0]
                if self.ends[token]:
                    return written.decode()
                written += self.pieces[token]
                C.llama_sampler_accept(sampler, token)
        finally:
            C.llama_sampler_free(sampler)
        return None

    def _weight(self, token):
        if self.ends[token]:
            return 200
        piece = self.pieces[token]
        if piece in (b'"', b"}", b"]", b",", b":"):
            return 100
        # Of a character of several bytes, those that cannot be too long or too large: no reader takes others.
        return 0 if not piece or piece[0] in _RISKY else 4 if piece.isascii() else 1


@pytest.fixture(scope="module")
def writer(tmp_path_factory):
    return Writer(tiny_model(tmp_path_factory.mktemp("writer") / "tiny.gguf"))


def written(writer, schema, seed):
    return writer.write(grammar_of_schema(json.dumps(schema)), seed)


SCHEMAS = {
    "person": {
        "type": "object",
        "properties": {
            "name": {"type": "string", "minLength": 1, "maxLength": 12},
            "age": {"type": "integer", "minimum": 0, "maximum": 120},
            "tags": {"type": "array", "items": {"enum": ["a", "b"]}, "minItems": 1, "maxItems": 3},
            "note": {"type": ["string", "null"], "maxLength": 5},
        },
        "required": ["name", "tags"],
        "additionalProperties": False,
    },
    "all optional": {"properties": {"a": {"type": "null"}, "b": {"type": "boolean"}, "c": {"const": 1.5}}},
    "tree": {
        "$ref": "#/$defs/node",
        "$defs": {
            "node": {
                "type": "object",
                "properties": {
                    "value": {"type": "integer"},
                    "children": {"type": "array", "items": {"$ref": "#/$defs/node"}, "maxItems": 2},
                },
                "required": ["value"],
            }
        },
    },
    "variants": {
        "oneOf": [
            {
                "type": "object",
                "properties": {"kind": {"const": "circle"}, "r": {"type": "number"}},
                "required": ["kind", "r"],
            },
            {
                "type": "object",
                "properties": {"kind": {"const": "text"}, "said": {"type": "string", "maxLength": 9}},
                "required": ["kind"],
            },
            {"type": "null"},
        ]
    },
    "pair": {
        "type": "array",
        "prefixItems": [{"type": "integer"}, {"type": "boolean"}],
        "items": False,
        "minItems": 1,
    },
    "pair and more": {
        "type": "array",
        "prefixItems": [{"type": "integer"}],
        "items": {"type": "null"},
        "maxItems": 4,
    },
    "date": {"type": "string", "format": "date"},
    "time": {"type": "string", "format": "time"},
    "moment": {"type": "string", "format": "date-time"},
    "uuid": {"type": "string", "format": "uuid"},
    "email": {"type": "string", "format": "email"},
    "plate": {"type": "string", "pattern": "^[A-Z]{1,3}-[0-9]{1,4}( E)?$"},
    "quotes": {"type": "string", "pattern": r'^["\\/\n]{2,5}\w*?(x|y|)[^a-z]\.$'},
    "unanchored": {"type": "string", "pattern": r"\d\d:\S"},
    "map": {"type": "object", "additionalProperties": {"type": "integer", "exclusiveMinimum": -5}},
    "anything": {"title": "Anything", "description": "really"},
    "required without schema": {"type": "object", "required": ["x"]},
    "odd names": {
        "type": "object",
        "properties": {'a"b\\c\n': {"const": 'é"\\\t'}, "": {"const": None}},
        "required": [""],
    },
    "long text": {"type": "string", "minLength": 1200, "maxLength": 2600},
    "typed enum": {"type": "integer", "enum": [1, "1", 2.0, True, None]},
    "one allOf": {"allOf": [{"$ref": "#/$defs/a~1b"}], "$defs": {"a/b": {"enum": [[1, {"k": "v"}], {}]}}},
    "empty list": {"type": "array", "maxItems": 0},
    "empty object": {"type": "object", "additionalProperties": False},
}


@pytest.mark.parametrize("name", SCHEMAS)
def test_what_is_written_validates(writer, name):
    schema = SCHEMAS[name]
    texts = [
        text for seed in range(12 if name != "long text" else 2) if (text := written(writer, schema, seed))
    ]
    assert texts, "it never came to an end"
    for text in texts:
        assert validates(json.loads(text), schema), text


SMALL = st.one_of(
    st.just({"type": "null"}),
    st.just({"type": "boolean"}),
    st.builds(
        lambda a, b: {"type": "integer", "minimum": min(a, b), "maximum": max(a, b)},
        *[st.integers(-999, 999)] * 2,
    ),
    st.builds(
        lambda a, b: {"type": "string", "minLength": min(a, b), "maxLength": max(a, b)},
        *[st.integers(0, 6)] * 2,
    ),
    st.lists(
        st.one_of(
            st.text(max_size=3).filter(lambda t: "\0" not in t), st.integers(), st.none(), st.booleans()
        ),
        min_size=1,
        max_size=3,
    ).map(lambda values: {"enum": values}),
    st.just({"type": "number"}),
)


def nested(inner):
    named = st.dictionaries(st.sampled_from(["a", "b", 'q"', "\\", "ä"]), inner, max_size=3)
    return st.one_of(
        st.builds(
            lambda properties, keep: {
                "type": "object",
                "properties": properties,
                "required": list(properties)[:keep],
                "additionalProperties": False,
            },
            named,
            st.integers(0, 3),
        ),
        st.builds(
            lambda items, a, b: {
                "type": "array",
                "items": items,
                "minItems": min(a, b),
                "maxItems": max(a, b),
            },
            inner,
            *[st.integers(0, 3)] * 2,
        ),
        st.lists(inner, min_size=1, max_size=3).map(lambda schemas: {"anyOf": schemas}),
        st.builds(
            lambda items, n: {"type": "array", "prefixItems": items, "minItems": n},
            st.lists(inner, max_size=3),
            st.integers(0, 4),
        ),
    )


@settings(max_examples=60)
@given(schema=st.recursive(SMALL, nested, max_leaves=6), seed=st.integers(0, 9))
def test_whatever_the_schema_its_answers_validate(writer, schema, seed):
    text = written(writer, schema, seed)
    assume(text is not None)
    assert validates(json.loads(text), schema), text


@given(low=st.integers(-2000, 2000), size=st.integers(0, 3000))
def test_bounds_of_integers_are_exact(low, size):
    """The grammar of digits, read as the regular expression it also is, tells which numbers lie within."""
    body = re.sub(r'"([-0-9]*)"', r"\1", integers(low, low + size))
    pattern = re.compile(body.replace(" ", ""))
    for number in {low - 1, low, low + size // 2, low + size, low + size + 1, 0, -1, 10 * low, low // 10}:
        assert bool(pattern.fullmatch(str(number))) == (low <= number <= low + size)


@pytest.mark.parametrize(
    ("schema", "named"),
    [
        ({"not": {"type": "string"}}, "not"),
        ({"type": "object", "patternProperties": {"x": {}}}, "patternProperties"),
        ({"type": "array", "uniqueItems": True}, "uniqueItems"),
        ({"type": "array", "contains": {}}, "contains"),
        ({"type": "number", "minimum": 1}, "minimum"),
        ({"type": "integer", "minimum": 1.5}, "minimum"),
        ({"type": "integer", "multipleOf": 3}, "multipleOf"),
        ({"type": "string", "format": "hostname"}, "hostname"),
        ({"type": "string", "pattern": "a", "minLength": 3}, "pattern"),
        ({"type": "string", "pattern": "(?=a)b"}, "pattern"),
        ({"type": "string", "pattern": "(a"}, "pattern"),
        ({"type": "string", "pattern": "(?i)a"}, "flags"),
        ({"allOf": [{}, {}]}, "allOf"),
        ({"oneOf": [{"type": "integer"}, {"type": "number"}]}, "oneOf"),
        ({"oneOf": [{"type": "string"}, {"enum": ["a"]}]}, "oneOf"),
        ({"oneOf": [{"const": n} for n in range(200)]}, "more than 100"),
        ({"anyOf": [{}], "type": "object"}, "anyOf"),
        ({"$ref": "#/$defs/a", "minLength": 3, "$defs": {"a": {}}}, "ref"),
        ({"enum": [1, 2], "minimum": 2}, "minimum"),
        ({"properties": {"a": {"$anchor": "x"}}}, "anchor"),
        ({"type": "text"}, "type"),
        ({"type": ["string", 3]}, "type"),
        ({"required": "a"}, "required"),
        ({"minLength": -1}, "minLength"),
        ({"maxItems": True}, "maxItems"),
        ({"properties": []}, "properties"),
        ({"enum": "a"}, "enum"),
        ({"anyOf": []}, "anyOf"),
        ({"properties": {"a": 3}}, "schema"),
        ({"type": "string", "minLength": 1_000_000}, "counts"),
        ({"type": "integer", "maximum": 10**40}, "bound"),
        ({"const": "\ud800"}, "no text"),
        ({"const": "a\0b", "$comment": "escaped in JSON"}, None),
    ],
)  # fmt: skip
def test_what_cannot_be_kept_is_refused_by_name(schema, named):
    if named is None:
        assert "u0000" in grammar_of_schema(json.dumps(schema))
        return
    with pytest.raises(InvalidRequest, match=named):
        grammar_of_schema(json.dumps(schema))


@pytest.mark.parametrize(
    "schema",
    [
        False,
        {"enum": []},
        {"enum": [1], "type": "string"},
        {"minLength": 3, "maxLength": 2},
        {"minItems": 3, "maxItems": 2},
        {"type": "integer", "minimum": 5, "maximum": 4},
        {"required": ["a"], "additionalProperties": False},
        {"items": False, "minItems": 1},
        {"$ref": "#"},
        {"properties": {"a": {"$ref": "#"}}, "required": ["a"]},
        {"type": "array", "minItems": 1, "items": {"$ref": "#"}},
    ],
)  # fmt: skip
def test_what_no_value_fits_is_said_so(schema):
    with pytest.raises(InvalidRequest, match="never be satisfied"):
        grammar_of_schema(json.dumps(schema))


@pytest.mark.parametrize(
    "reference",
    [
        "https://example.org/schema.json",
        "http://127.0.0.1:9/x",
        "file:///etc/passwd",
        "other.json#/a",
        "#anchor",
    ],
)
def test_nothing_outside_of_the_schema_is_fetched(monkeypatch, reference):
    def no_socket(*_arguments, **_options):
        raise AssertionError("a socket was asked for")

    monkeypatch.setattr("socket.socket", no_socket)
    with pytest.raises(InvalidRequest, match="outside"):
        grammar_of_schema(json.dumps({"properties": {"a": {"$ref": reference}}}))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "nonsense",
        "[" * 50_000,
        '{"minLength": NaN}',
        '{"minLength": ' + "9" * 5000 + "}",
        '{"properties": {"a": ' * 100 + "{}" + "}}" * 100,
        '{"title": "' + "x" * 70_000 + '"}',
        '{"$ref": "#/no/such"}',
        '{"anyOf": [{"$ref": "#/anyOf/' + "1" * 5000 + '"}]}',
        '{"enum": [' + "[" * 990 + "]" * 990 + "]}",
        '{"type": "string", "pattern": "' + "(" * 300 + "a" + ")" * 300 + '"}',
        '{"enum": [1e400]}',
        '"a string"',
    ],
)
def test_what_is_no_schema_is_refused(text):
    with pytest.raises(InvalidRequest):
        grammar_of_schema(text)


def request(**options):
    return GenerateRequest(model=ModelSpec(path="x"), messages=(Message("user", "hi"),), **options)


def test_choices_as_grammar(writer):
    choices = ("yes", "no", 'quo"te\\', "two\nlines", "[x]", "é")
    grammar = choices_grammar(choices)
    assert grammar.startswith('root ::= "yes" | "no"')
    found = {writer.write(grammar, seed) for seed in range(60)}
    assert found == set(choices)


@pytest.mark.parametrize("choices", [("a", ""), ("a\0b",), ("\ud800",), tuple(map(str, range(2000)))])
def test_choices_that_cannot_be_written(choices):
    with pytest.raises(InvalidRequest):
        grammar_of(request(choices=choices))


def test_one_form_at_a_time():
    for options in (
        {"grammar": 'root ::= "a"', "choices": ("a",)},
        {"grammar": 'root ::= "a"', "schema": "{}"},
        {"schema": "{}", "choices": ("a",)},
    ):
        with pytest.raises(InvalidRequest, match="one form"):
            check_request(request(**options))
    check_request(request())


@pytest.mark.parametrize(
    "grammar",
    ["  ", 'root ::= "a\0"', "root ::= " + "(" * 500, 'root ::= "' + "a" * 300_000, 'root ::= "a"{ 2 , 1 }'],
)
def test_grammars_that_llama_cpp_would_not_survive(grammar):
    with pytest.raises(InvalidRequest):
        grammar_of(request(grammar=grammar))


def test_brackets_within_quotes_are_not_counted():
    grammar = 'root ::= "{2,1}' + "(" * 500 + '" [(((] # ((('
    assert grammar_of(request(grammar=grammar)) == grammar


NAN, INF = math.nan, math.inf


@pytest.mark.parametrize(
    "values",
    [
        {"temperature": NAN}, {"temperature": -1}, {"temperature": INF}, {"top_p": NAN}, {"top_p": 1.5},
        {"top_p": -0.1}, {"top_k": -1}, {"top_k": 2**40}, {"min_p": INF}, {"repeat_penalty": 0},
        {"repeat_penalty": NAN}, {"repeat_last_n": -1}, {"dry_multiplier": -INF}, {"dry_base": 0},
        {"dry_allowed_length": 0}, {"seed": -1}, {"seed": 2**70}, {"logit_bias": (("a", NAN),)},
        {"logit_bias": (("a", INF),)}, {"logit_bias": (("", 1.0),)},
        {"logit_bias": (("a", 1.0),) * 2000},
    ],
)  # fmt: skip
def test_absurd_sampling_is_refused(values):
    with pytest.raises(InvalidRequest):
        check_request(request(sampling=Sampling(**values)))


def test_extreme_but_possible_sampling_is_taken():
    check_request(
        request(sampling=Sampling(temperature=0, top_k=0, top_p=0, min_p=0, logit_bias=(("a", -INF),)))
    )


@pytest.mark.parametrize("tokens", [-1, 2**80])
def test_absurd_lengths_are_refused(tokens):
    with pytest.raises(InvalidRequest):
        check_request(request(max_tokens=tokens))
