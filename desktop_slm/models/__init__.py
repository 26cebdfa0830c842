"""Model files: what they are, where they lie, whether they fit."""
