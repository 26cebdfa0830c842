"""The command line: the same App as the window."""
