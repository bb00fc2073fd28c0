"""Doubles of what the product talks to, in memory: for tests, benchmarks and simulation. None of them asks AWS."""
