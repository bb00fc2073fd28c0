"""The Lambda function behind the HTTP API, through which people manage registrations, settings and runs."""
