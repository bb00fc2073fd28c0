"""Guards: what a push needs before it may go through."""
