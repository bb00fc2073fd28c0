"""Guards: conditions that a push must meet."""
