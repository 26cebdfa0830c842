"""Parts that more than one page uses, or that are large enough to live alone."""
