"""Runs over all backups: the event, the lease, the read of the primary, the push to each backup, the record."""
