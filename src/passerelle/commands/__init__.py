"""Commands that are modules of their own: each has `register(app)`."""
