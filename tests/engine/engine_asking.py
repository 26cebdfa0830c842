"""Short ways to ask an engine and to read its answer."""

from desktop_slm.engine.api import Finished, GenerateRequest, Message, Sampling, Text


def ask(spec, text, *, system="", **options):
    """Return a greedy request of up to 40 tokens for one user message."""
    messages = (*((Message("system", system),) if system else ()), Message("user", text))
    options = {"max_tokens": 40, "sampling": Sampling(temperature=0), **options}
    return GenerateRequest(model=spec, messages=messages, **options)


def answer(events):
    """Return the joined answer and the `Finished` of a stream of events."""
    text, end = "", None
    for event in events:
        assert end is None, "an event after the last one"
        if isinstance(event, Text):
            text += event.text
        if isinstance(event, Finished):
            end = event
    return text, end
