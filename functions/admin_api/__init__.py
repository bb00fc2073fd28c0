"""Entry: HTTP. Manages registrations, settings and runs."""
