"""Decides about ONE backup and drives it. Knows neither AWS nor SOAP."""
