"""Answers held by settings and forms, through a real worker; a random model goes wherever it is let."""

import json
import math
import os
import shutil
import sys
import threading

import pytest
from engine_asking import answer, ask
from json_values import validates
from tiny_models import tiny_model

from desktop_slm.engine import life
from desktop_slm.engine.api import ModelSpec, Sampling
from desktop_slm.engine.client import EngineClient
from desktop_slm.engine.sampling import model_sampling
from desktop_slm.errors import ContextExceeded, EngineUnresponsive, InvalidRequest, ModelInvalid

GREEDY = Sampling(temperature=0)


@pytest.fixture(scope="module")
def random_model(tmp_path_factory):
    path = tiny_model(tmp_path_factory.mktemp("random") / "tiny.gguf", user_defined=["<think>"])
    return ModelSpec(path=str(path), n_ctx=1024, n_threads=1)


@pytest.fixture(scope="module")
def worker(random_model):
    made = EngineClient()
    made.load(random_model)
    yield made
    made.close()


def told(worker, spec, **options):
    options = {"max_tokens": 24, **options}
    return answer(worker.generate(ask(spec, "hi", **options)))


# Forms


def test_a_choice_is_one_of_those_given(worker, random_model):
    choices = ("billing", "delivery", "the app", "“other” é")
    requests = [
        ask(random_model, f"text {number}", choices=choices, sampling=Sampling(temperature=1.5, seed=number))
        for number in range(12)
    ]
    found = [""] * len(requests)
    for index, event in worker.generate_many(requests):
        found[index] += getattr(event, "text", "")
    assert set(found) <= set(choices)
    assert len(set(found)) > 1


def test_a_choice_tells_how_probable_it_was(worker, random_model):
    """The model's own next letter is more probable than any other, whatever is asked of the sampler."""
    own = told(worker, random_model, sampling=GREEDY, max_tokens=1)[0]
    others = [letter for letter in "qzkx" if letter not in own]
    biased = Sampling(temperature=0, logit_bias=((others[0], 50.0),))
    found = [
        told(worker, random_model, choices=(letter,), sampling=biased)[1].logprob for letter in (own, *others)
    ]
    assert found[0] > max(found[1:])
    assert max(found) < 0
    assert told(worker, random_model)[1].logprob == 0


def test_a_schema_holds_the_answer(worker, random_model):
    schema = {
        "type": "object",
        "properties": {"sum": {"type": "integer", "minimum": 1, "maximum": 99}, "paid": {"type": "boolean"}},
        "required": ["sum", "paid"],
    }
    for seed in range(6):
        sampling = Sampling(temperature=1.5, seed=seed)
        text, end = told(worker, random_model, schema=json.dumps(schema), sampling=sampling, max_tokens=60)
        assert end.reason == "stop"
        assert validates(json.loads(text), schema)


def test_an_answer_that_is_cut_says_so(worker, random_model):
    text, end = told(worker, random_model, schema='{"const": "a long constant"}', max_tokens=3)
    assert (end.reason, end.usage.completion_tokens) == ("length", 3)
    assert '"a long constant"'.startswith(text)


def test_an_empty_rule_is_an_empty_answer(worker, random_model):
    text, end = told(worker, random_model, grammar='root ::= ""')
    assert (text, end.reason) == ("", "stop")


@pytest.mark.parametrize(
    "grammar",
    [
        "no grammar at all",
        'other ::= "a"',
        "root ::= missing",
        'root ::= root "a" | "b"',
        'root ::= x*\nx ::= ""',
        'root ::= "open',
        'root ::= ((("a"{1,1000}){1,1000}){1,1000}){1,1000}',
        "# only a comment",
    ],
)
def test_what_is_no_grammar_is_said_so_and_the_worker_goes_on(worker, random_model, grammar):
    pid = worker.worker_pid()
    with pytest.raises(InvalidRequest):
        told(worker, random_model, grammar=grammar)
    assert told(worker, random_model)[1].usage.completion_tokens > 0
    assert worker.worker_pid() == pid


@pytest.mark.parametrize("start", ["", '"abc" '])
def test_a_dead_end_fails_its_own_job_alone(worker, random_model, start):
    """llama.cpp would end the process once a token is taken that its grammar does not allow."""
    pid = worker.worker_pid()
    other = {}

    def chat():
        other["end"] = told(worker, random_model, max_tokens=200, sampling=GREEDY)[1]

    thread = threading.Thread(target=chat)
    thread.start()
    with pytest.raises(InvalidRequest, match="nothing can follow"):
        told(worker, random_model, grammar=f"root ::= {start}[\\U7FFFFFFF]")
    thread.join()
    assert other["end"].usage.completion_tokens > 0
    assert worker.worker_pid() == pid


def test_a_bias_that_leaves_no_choice_is_a_dead_end(worker, random_model):
    with pytest.raises(InvalidRequest, match="nothing can follow"):
        told(worker, random_model, choices=("a",), sampling=Sampling(logit_bias=(("a", -math.inf),)))


def test_a_grammar_without_end_of_work_is_ended_from_outside(random_model, monkeypatch):
    monkeypatch.setitem(life._LIMITS, "grammar", (1.0, "The form of the answer"))
    engine = EngineClient()
    try:
        with pytest.raises(EngineUnresponsive, match="form of the answer did not finish"):
            told(engine, random_model, grammar="root ::= " + '"a"? ' * 5000)
        assert told(engine, random_model)[1].usage.completion_tokens > 0
    finally:
        engine.close()


def test_several_forms_and_absurd_numbers_never_reach_the_worker(worker, random_model):
    for options in (
        {"choices": ("a",), "schema": "{}"},
        {"max_tokens": -5},
        {"sampling": Sampling(temperature=math.nan)},
        {"sampling": Sampling(seed=2**200)},
    ):
        with pytest.raises(InvalidRequest):
            told(worker, random_model, **options)
    assert told(worker, random_model)[1].usage.completion_tokens > 0


@pytest.mark.model
def test_the_starter_fills_in_a_form(engine, spec):
    schema = {
        "type": "object",
        "properties": {
            "name": {"type": "string", "minLength": 2, "maxLength": 30},
            "year": {"type": "integer", "minimum": 1900, "maximum": 2030},
            "works": {"type": "array", "items": {"type": "string", "maxLength": 20}, "maxItems": 2},
            "born": {"type": "string", "format": "date"},
        },
        "required": ["name", "year", "works", "born"],
    }
    requests = [
        ask(
            spec,
            f"Describe {person} as JSON.",
            schema=json.dumps(schema),
            sampling=Sampling(temperature=1, seed=1),
            max_tokens=200,
        )
        for person in ("Ada Lovelace", "a painter with “quotes” and {braces}")
    ]
    written = [""] * len(requests)
    for index, event in engine.generate_many(requests):
        written[index] += getattr(event, "text", "")
    for text in written:
        assert validates(json.loads(text), schema), text


# Sampling


def test_bias_makes_a_text_certain_or_impossible(worker, random_model):
    certain = Sampling(temperature=0, logit_bias=(("q", 1000.0),))
    assert told(worker, random_model, sampling=certain, max_tokens=8)[0] == "q" * 8
    plain, _ = told(worker, random_model, sampling=GREEDY, max_tokens=8)
    first = plain.strip()[:1]
    assert first
    forbidden = Sampling(temperature=0, logit_bias=((first, -math.inf), (f" {first}", -math.inf)))
    assert first not in told(worker, random_model, sampling=forbidden, max_tokens=8)[0]


def test_penalties_and_dry_break_a_repetition(worker, random_model):
    bias = (("q", 60.0), ("z", 58.0), ("k", 56.0))
    stuck = Sampling(temperature=0, logit_bias=bias)
    assert told(worker, random_model, sampling=stuck, max_tokens=12)[0] == "q" * 12
    penalized = Sampling(temperature=0, logit_bias=bias, repeat_penalty=1.5)
    assert len(set(told(worker, random_model, sampling=penalized, max_tokens=12)[0])) > 1
    dry = Sampling(temperature=0, logit_bias=bias, dry_multiplier=5.0)
    text, _ = told(worker, random_model, sampling=dry, max_tokens=12)
    assert text.startswith("qq")
    assert "qqqqq" not in text


def test_penalties_know_the_prompt(worker, random_model):
    bias = (("q", 60.0), ("z", 58.0))
    request = ask(
        random_model,
        "q",
        prefill="q",
        sampling=Sampling(temperature=0, logit_bias=bias, repeat_penalty=1.5),
        max_tokens=1,
    )
    assert answer(worker.generate(request))[0] == "z"


def test_a_seed_gives_the_same_answer_again(worker, random_model):
    wild = [Sampling(temperature=2, top_k=0, top_p=1, min_p=0, seed=seed) for seed in (5, 5, 6)]
    first, again, other = (told(worker, random_model, sampling=sampling)[0] for sampling in wild)
    assert first == again != other


def test_the_file_is_asked_before_the_catalogue():
    held = {
        "general.sampling.temp": "0.6",
        "general.sampling.penalty_repeat": "1.1",
        "general.sampling.top_k": "nan",
    }
    found = model_sampling(lambda key: held.get(key, ""), Sampling(temperature=1.5, top_k=7, min_p=0.2))
    assert found == Sampling(temperature=0.6, repeat_penalty=1.1, top_k=7, min_p=0.2)
    assert model_sampling(lambda _: "") == Sampling(temperature=0.7, top_p=0.95, min_p=0.05)
    assert model_sampling(lambda _: "1e9") == Sampling()


def test_what_the_catalogue_recommends_reaches_the_sampler(worker, random_model):
    recommended = Sampling(temperature=0, logit_bias=(("q", 1000.0),))
    assert told(worker, random_model, sampling=None, recommended=recommended, max_tokens=4)[0] == "qqqq"


def test_a_seed_alone_changes_nothing_else(worker, random_model):
    recommended = Sampling(temperature=0, logit_bias=(("q", 1000.0),))
    options = {"sampling": None, "recommended": recommended, "max_tokens": 4}
    assert told(worker, random_model, seed=3, **options)[0] == "qqqq"
    wild = Sampling(temperature=0, top_k=0, top_p=1, min_p=0)
    first, again, other = (
        told(worker, random_model, sampling=wild, temperature=2.0, seed=seed)[0] for seed in (3, 3, 4)
    )
    assert first == again != other
    for wrong in ({"seed": -1}, {"temperature": math.nan}):
        with pytest.raises(InvalidRequest):
            told(worker, random_model, **wrong)


# Text


@pytest.mark.parametrize(
    "text",
    ["half \ud800 a character", "nul \x00 inside", "\udcff\udc80 \ud83d\ude00", "<think> <|im_start|>"],
)
def test_odd_text_is_read_and_the_worker_goes_on(worker, random_model, text):
    pid = worker.worker_pid()
    _, end = answer(worker.generate(ask(random_model, text, max_tokens=2)))
    assert end.usage.prompt_tokens > len(text)
    assert worker.tokenize_spans(random_model, text)[-1][1] == len(text)
    assert worker.worker_pid() == pid


@pytest.mark.skipif(sys.platform != "linux", reason="file names of bytes")
def test_a_path_that_is_no_text_is_refused(worker, random_model, tmp_path):
    odd = tmp_path / os.fsdecode(b"model-\xff.gguf")
    shutil.copy(random_model.path, odd)
    for path in (str(odd), "with\0nul.gguf"):
        with pytest.raises(ModelInvalid, match="no text"):
            worker.load(ModelSpec(path=path))
    assert told(worker, random_model)[1].usage.completion_tokens > 0


def test_four_megabytes_are_too_long_and_exactly_so(worker, random_model):
    pid = worker.worker_pid()
    text = "Four letters and more. " * 182_000
    with pytest.raises(ContextExceeded) as caught:
        list(worker.generate(ask(random_model, text)))
    assert caught.value.available == 1024
    assert caught.value.needed > worker.count_tokens(random_model, [text])[0] > 1_000_000
    assert told(worker, random_model)[1].usage.completion_tokens > 0
    assert worker.worker_pid() == pid
