"""One screen each, thin: they show what they are given and emit wishes."""
