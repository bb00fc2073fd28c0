"""Documents of a server: their canonical form, their differences, and machine-specific values."""
