"""Runs over all backups: from the event that starts a run to the record of its results."""
