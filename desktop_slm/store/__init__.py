"""Everything that is kept, encrypted."""
