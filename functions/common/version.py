"""The product's version, in the one place where it is written.

``GET /health``, every log line of both functions and the stack's output ``Version`` name it. The template holds a copy,
because CloudFormation reads no Python; tests/unit/project/test_version.py holds the copy and CHANGELOG.md to this line.

Apart from ``fleet.log_lines``, because the API and the tests of the template read the version without a logger.
"""

VERSION = "0.1.0"
"""By Semantic Versioning. While the first number is 0, a minor version may change what an administrator relies on."""

VERSION_PATTERN = r"^[0-9]+\.[0-9]+\.[0-9]+(-[0-9A-Za-z.-]+)?$"
