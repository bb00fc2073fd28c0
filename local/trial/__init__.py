"""A command line that does the work of a run from one machine, without AWS, for one primary and one backup."""
