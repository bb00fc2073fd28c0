"""What looks like a secret, by its name or by itself.

The schema of the documents is not public, so this goes by words and shapes.
Hiding too much costs a look at the server; showing too much cannot be undone.
"""

import re
from functools import lru_cache

from replication.documents.canonical import plain
from replication.documents.keep_patterns import words

_SECRET_WORDS = frozenset(
    {"bind", "cred", "creds", "hash", "hashes", "key", "keys", "otp", "pass", "passes", "pin", "priv", "private", "psk"}
    | {"pw", "pwd", "salt", "secret", "secrets", "seed", "token", "tokens", "totp"}
)
_SECRET_STEMS = ("password", "passwd", "passphrase", "passcode", "secret", "credential", "private", "token", "salt")
_SECRET_ENDS = ("key", "keys", "pwd", "hash", "pass")

_SECRET_SHAPES = re.compile(
    r"""
      -----BEGIN\b                                    # PEM
    | \b(?:ssh-(?:rsa|dss|ed25519)|ecdsa-sha2-)       # an SSH key
    | \beyJ[\w-]{8,}\.                                # a JSON web token
    | \$(?:[0-9a-z-]{1,16})\$\S{8,}                   # a hash as of crypt(3)
    | \{(?:S?SHA\d*|S?MD5|CRYPT|PBKDF2[^}]*)\}        # a hash as of LDAP
    | ://[^/\s:@]*:[^/\s@]+@                          # a URL with a password
    | (?:pass(?:word|phrase|wd)?|pwd|secret|token|api[-_]?key)\s*[=:]\s*\S   # a connection string, a header
    | (?<![0-9a-f])(?:[0-9a-f]{2}[:\s]?){16,}(?![0-9a-f])   # hex, 16 bytes and more
    """,
    re.VERBOSE | re.IGNORECASE,
)
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{20,}={0,2}")
_LONG_BASE64 = 40


@lru_cache(maxsize=8192)
def is_secret_name(name: str) -> bool:
    """Whether what bears this name may be a secret."""
    together = plain(name)
    return (
        not _SECRET_WORDS.isdisjoint(words(name).split("-"))
        or any(stem in together for stem in _SECRET_STEMS)
        or together.endswith(_SECRET_ENDS)
    )


def looks_secret(value: str) -> bool:
    """Whether a value looks like a secret: a key, a hash, a token, a password inside of something longer."""
    if len(value) < 6:
        return False
    return _SECRET_SHAPES.search(value) is not None or any(_is_random(run) for run in _BASE64.findall(value))


def _is_random(run: str) -> bool:
    """Whether a run of base64 characters is no word or path: small and capital letters and digits mixed, or padded."""
    if run.startswith("/") and len(run) < _LONG_BASE64:
        return False
    mixed = any(c.islower() for c in run) and any(c.isupper() for c in run) and any(c.isdigit() for c in run)
    return mixed or run.endswith("=")
