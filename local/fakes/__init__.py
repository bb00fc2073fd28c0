"""In-memory doubles of the product's external interfaces, for tests, benchmarks and simulation. None of them uses
AWS.
"""
