"""Documents of a server: one canonical form, what differs between two of them, and what belongs to one machine."""
