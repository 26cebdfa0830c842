"""llama.cpp in the process of the tests, where only its vocabulary or its samplers are asked."""

from desktop_slm.engine import llama

_LOG = llama.Log()


def load(path):
    """Return a model in memory; close it."""
    llama.start_backend()
    return llama.Model(str(path), 0, _LOG, lambda: True)
