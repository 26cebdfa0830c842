"""Desktop SLM: offline private assistants on small language models."""

__version__ = "0.1.0"
