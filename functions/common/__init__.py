"""Modules that every package may use: failures with their reasons, limits, XML parsing, deadlines."""
