"""Child processes: how they start, talk, are confined and end."""
