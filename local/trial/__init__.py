"""The work of the deployed functions, done from one machine against one primary and one backup, without AWS."""
