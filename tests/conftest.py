"""What holds for all tests."""

from hypothesis import settings

# A busy machine is not a fault of the product: examples have no time limit of their own.
settings.register_profile("steady", deadline=None)
settings.load_profile("steady")
