"""Child processes, the wire to them and the walls around them."""
