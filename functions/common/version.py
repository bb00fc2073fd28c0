"""The product's version, defined only here.

The version appears in ``GET /health``, in every log line of both functions and in the stack's output ``Version``. The
template contains a copy, because CloudFormation reads no Python; tests/unit/project/test_version.py compares the copy
and CHANGELOG.md with this line.

This module is separate from ``fleet.log_lines``, because the API and the tests of the template read the version without
a logger.
"""

VERSION = "0.1.0"
"""The version follows Semantic Versioning. While the major version is 0, a minor version may contain breaking
changes.
"""

VERSION_PATTERN = r"^[0-9]+\.[0-9]+\.[0-9]+(-[0-9A-Za-z.-]+)?$"
