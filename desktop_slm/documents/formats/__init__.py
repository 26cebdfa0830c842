"""One file per family of formats; loaded in the reader child only."""
