"""Measurements of the product, each with a table: see docs/performance.md."""
