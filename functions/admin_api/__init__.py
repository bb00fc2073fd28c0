"""The Lambda function behind the HTTP API. It manages registrations, settings and runs."""
