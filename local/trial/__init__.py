"""The work of the deployed functions from one machine, for one primary and one backup, without AWS."""
