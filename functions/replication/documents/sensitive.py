"""Decides which values look like a secret, or like something that contains one.

The schema of the documents is not public, so this module looks for words and patterns, in the text as it is and with
its escapes undone. A value that is hidden needlessly costs a look at the server; a secret that was shown stays known.

Every expression here runs over untrusted text: repetition is bounded, and only the beginning of a long value is
inspected, which is more than is ever shown.
"""

from base64 import b64decode
from collections.abc import Iterator
from html import unescape
from urllib.parse import unquote

from common.patterns import Whole, Within
from replication.documents.keep_patterns import words
from replication.documents.secret_names import (
    IN_LANGUAGES,
    LOOKALIKES,
    is_secret_name,
    mentions_other_script,
    without_accents,
)

INSPECTED = 2_000
"""Maximum number of characters of a value that are inspected. A plan shows only 200 of them."""
_WHOLE = 6
"""A word of ``IN_LANGUAGES`` with at most this many letters must match a whole word, because it may be part of another
one.
"""
_MENTIONS = Within(
    r"password|passwd|passphrase|passcode|secret|credential|\bbearer\b|authorization|api[-_ ]?key|unlock"
    + "".join(rf"|\b{word}\b" if len(word) <= _WHOLE else f"|{word}" for word in IN_LANGUAGES)
    + r"|geheim|mot de passe|mat khau|\b(?:clave|senha|llave|mdp)\b"
    r"|\bpwd\b|\bpsk\b|\btotp\b|(?:recovery|backup|scratch|activation|registration)[-_ ]?codes?\b|security[-_ ]?answer"
    r"|\bpass\b|\b(?:key|code|pin|token) is\b|\bcommunity\b|\bwpa\b|webhook|\bhooks\."
)
"""Words that make a value secret wherever they are in it, because the secret itself may be near. The value is searched
without case and accents.
"""
_ASSIGNED = Within(r"""([^\s"'<>=:;,&?{}()|/\\\[\]]{1,64})["'\]]?[ \t]{0,2}(?:=>|[=:>])[ \t]{0,2}["']?[^\s"'<>&;,]""")
"""A name with an assigned value: in JSON, XML, a query, a header, a connection string."""
_ASSIGNABLE = frozenset({"auth", "code", "codes", "id_token", "k", "pw", "session"})
"""Names to which a secret may be assigned (``code=…``), and which are ordinary words anywhere else."""
_LAST_ASSIGNABLE = "auth"
"""A last word of a name that denotes a secret only if something is assigned to the name: ``X-Auth``."""
_QUERY = Within(r"[?&][^\s=&?#\"'<>]{1,64}=([^\s&#\"'<>]{1,512})")
"""An assignment in the query of a URL, whose names are short."""
_SHORTEST_IN_QUERY = 5
_OPTION = Within(
    r"(?i)(?:^|[\s\"'])"
    r"(?:(?:-{1,2}|/)(?:a|u|p|k|pw|rp|up|auth|user|pass|log[io]n|creds?)[ =:]{1,2}[^\s-]|-[up][^\s\"'=:-])"
)
"""A command-line option whose argument is a log-in, a password or a key, with or without a blank before it."""
_NAMED_OPTION = Within(r"(?:^|[\s\"'])(?:-{1,2}|/)([A-Za-z][\w-]{1,40})[ =:]{1,2}[^\s-]")
_QUOTED = Within(r"[\"']([A-Za-z][\w.-]{1,39})[\"']")
_STATEMENT = Within(
    r"(?i)\bidentified (?:by|with)\b|\bnet1?(?:\.exe)? {1,4}use(?:r)?\b|\bauth (?:plain|login|cram)|\bsudo -s\b"
    r"|\becho\b[^|\n]{1,200}\||\bldap\w{0,12}\b[^\n]{1,200}\s-w\s|(?<![\w<?&])p=[^\s&]{4}"
)
"""Words of a command or statement in which a password has a fixed position."""
_LINES = Within(
    r"""(?xim)
      ^[ \t]{0,8}(?:log[io]n|log[ ][io]n|sign[ -]?in)[ \t]{1,4}\S{1,64}[ \t]{1,4}\S{1,64}[ \t\r]{0,8}$   # login bob X
    | ^[ \t]{0,8}user[ \t]{1,4}\S{1,64}[ \t]{1,4}\S{0,32}[^\sA-Za-z]\S{0,32}[ \t\r]{0,8}$             # user bob X1
    | \n[ \t]{0,8}user[ \t]{1,4}\S{1,64}[ \t]{1,4}\S{1,64}[ \t\r]{0,8}$          # the same as a line of a script
    | ^[ \t]{0,8}open[ \t]{1,4}\S{1,253}\s{0,8}?\n\s{0,8}\S{1,64}\s{0,8}?\n\s{0,8}\S{1,64}[ \t\r]{0,8}$  # open h
    """
)
"""A log-in as a line of a script: name and password without a keyword."""
_NUMBER = Within(r"(?i)\b(?:pin|tan|otp|code)\b\W{1,3}[0-9]{4,12}")
_SHAPES = Within(
    r"""(?xi)
      -----BEGIN\b                                    # PEM
    | \b(?:ssh-(?:rsa|dss|ed25519)|ecdsa-sha2-)       # an SSH key
    | \beyJ[\w-]{8,512}\.                             # a JSON web token
    | \$[0-9a-z-]{1,16}\$\S{8}                        # a hash as of crypt(3)
    | \{(?:S?SHA[0-9]{0,4}|S?MD5|CRYPT|PBKDF2[^}]{0,40})\}        # a hash as of LDAP
    | //[^\s"'<>:]{0,256}:[^\s"'<>@]{1,256}@          # a URL with a password, slashes in it included
    | (?<![0-9a-z])(?:[0-9a-f]{2}[:\s-]?){16}         # hex, 16 bytes and more
    | \bBasic\ [A-Za-z0-9+/]{6,512}={0,2}(?![\w])     # an HTTP header
    """
)
_LOG_IN = Within(r"(?i)(?:^|[\s\"'(,;])(?!mailto:|sips?:|xmpp:)[^\s:@/\"'(,;]{1,64}[:/][^\s@]{1,128}@[\w.-]")
"""``name:password@host`` or ``name/password@host``."""
_NAME_AND_PASSWORD = Whole(r"([\w.+@\\-]{2,64}):(?![/\\!*+]|[0-9]{1,5}$)([^\s:]{4,128})")
"""``name:password`` without blanks, but not a host with its port or a list of ciphers."""
_BEFORE_COLONS = frozenset(
    {"http", "https", "ftp", "ftps", "sftp", "mailto", "tel", "urn", "file", "data", "ldap", "ldaps", "sip", "sips"}
    | {"xmpp", "cid", "about", "xs", "xsd", "xsi", "xml", "soap", "wsdl", "tns"}
)
"""Words before a colon that do not make the text a name with a password: URL schemes and namespace prefixes."""
_ADDRESS = Within(
    r"(?i)//\S{1,128}/(?:(?:reset|invit\w{0,6}|verif\w{0,8}|confirm\w{0,8}|activat\w{0,6}|magic\w{0,6})[/=]|bot[0-9]{5,12}:)"
    r"[^\s/]{5}"
)
"""A URL that grants access to anybody who has it."""
_DER = Within(r"(?<!\w)MII[A-Za-z0-9+/]{9}")
"""A certificate or a key in base64 without its header."""
_BASE64 = Within(r"(?<![\w+/=])[A-Za-z0-9+/]{8,512}={0,2}(?![\w+/=])")
_GROUPS = Within(r"(?<![\w-])[A-Za-z0-9]{4,8}(?:-[A-Za-z0-9]{4,8}){2,9}(?![\w-])")
_BASE32_GROUPS = Within(r"(?<!\w)[A-Z2-7]{4}(?: [A-Z2-7]{4}){3,15}(?!\w)")
_RUN = Within(r"[A-Za-z0-9+/_-]{20,512}={0,2}")
_CAPITALS = Within(r"(?<![\w/])[A-Z0-9]{16,512}(?![\w/])")
_LONG_RUN = 40
_SYMBOLS = frozenset("!@#$%^*+?~§|<>")
_E_MAIL = Whole(r"[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}")
_SHORTEST = 6


def looks_generated(text: str) -> bool:
    """Whether a text contains something that only programs write: a key, a hash, a token, a log-in in a URL.

    Names that people give to things never match, even if they mention passwords.
    """
    return any(map(_looks_generated, _said_in(text[:INSPECTED])))


def may_name_secret(label: str) -> bool:
    """Whether a name must be hidden: it looks generated, or is a command with a secret."""
    return looks_generated(label) or any(map(_is_command, _said_in(label[:INSPECTED])))


def may_hold_secret(value: str) -> bool:
    """Whether a value must be hidden: it looks generated, mentions a secret, or looks like a password."""
    return any(map(_may_hold_secret, _said_in(value[:INSPECTED])))


_ROUNDS_OF_ESCAPES = 3


def _said_in(text: str) -> Iterator[str]:
    """A text, followed by its forms after undoing URL, JSON and XML escapes."""
    yield text
    for _ in range(_ROUNDS_OF_ESCAPES):
        said = _undone(text)
        if said == text:
            return
        yield said
        text = said


def _undone(text: str) -> str:
    text = unquote(text) if "%" in text else text
    text = _UNICODE.sub(lambda match: chr(int(match[1] or match[2], 16)), text) if "\\" in text else text
    return unescape(text) if "&" in text else text


_UNICODE = Within(r"\\(?:u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2}))")


def _looks_generated(text: str) -> bool:
    if len(text) < _SHORTEST:
        return False
    return (
        _SHAPES.search(text) is not None
        or _LOG_IN.search(text) is not None
        or _BASE32_GROUPS.search(text) is not None
        or any(map(_is_random, _RUN.findall(text)))
        or any(map(_mixes_letters_and_digits, _CAPITALS.findall(text)))
        or any(map(_is_grouped_code, _GROUPS.findall(text)))
        or any(map(_is_assigned_secret, _ASSIGNED.findall(text)))
        or _DER.search(text) is not None
        or any(map(_is_encoded_log_in, _BASE64.findall(text)))
    )


def _is_command(text: str) -> bool:
    """Whether a text is a command or a statement that contains a secret."""
    return (
        _OPTION.search(text) is not None
        or _STATEMENT.search(text) is not None
        or any(map(is_secret_name, _NAMED_OPTION.findall(text)))
    )


def _may_hold_secret(value: str) -> bool:
    if _looks_generated(value):
        return True
    bare = without_accents(value).casefold()
    alike = bare.translate(LOOKALIKES)
    return (
        _MENTIONS.search(bare) is not None
        or (alike != bare and _MENTIONS.search(alike) is not None)
        or mentions_other_script(value)
        or _is_command(value)
        or _LINES.search(value) is not None
        or any(map(_is_name_with_password, value.split()))
        or _ADDRESS.search(value) is not None
        or any(map(is_secret_name, _QUOTED.findall(value)))
        or any(len(one) >= _SHORTEST_IN_QUERY and one.casefold() != "false" for one in _QUERY.findall(value))
        or _NUMBER.search(value) is not None
        or any(map(_looks_like_password, value.split()))
    )


def _is_assigned_secret(name: str) -> bool:
    bare = name.casefold().lstrip("-")
    return bare in _ASSIGNABLE or words(name).endswith(_LAST_ASSIGNABLE) or is_secret_name(name)


def _is_name_with_password(token: str) -> bool:
    pair = _NAME_AND_PASSWORD.fullmatch(token.strip("\"'.,;()[]{}").rpartition("=")[2])
    if pair is None or pair[1].casefold() in _BEFORE_COLONS or _E_MAIL.fullmatch(pair[2]):
        return False
    return any(map(str.isalpha, pair[1])) and not (pair[1] + pair[2]).isupper()


def _is_encoded_log_in(run: str) -> bool:
    """Whether base64 text decodes to a name and a password: printable, with a colon."""
    if len(run) % 4:
        return False
    held = b64decode(run)
    return held.isascii() and b":" in held and held.decode("ascii").isprintable()


def _is_random(run: str) -> bool:
    """Whether base64 text is not a word or a path: it mixes small letters, capitals and digits, or has padding."""
    if run.startswith("/") and len(run) < _LONG_RUN:
        return False
    mixed = any(c.islower() for c in run) and any(c.isupper() for c in run) and any(c.isdigit() for c in run)
    return mixed or run.endswith("=")


def _mixes_letters_and_digits(run: str) -> bool:
    return any(c.isdigit() for c in run) and any(c.isalpha() for c in run)


def _is_grouped_code(code: str) -> bool:
    """Whether a text looks like ``ABCD-1234-EFGH-5678``: groups of equal length that mix letters and digits."""
    return len({len(group) for group in code.split("-")}) == 1 and _mixes_letters_and_digits(code)


def _looks_like_password(token: str) -> bool:
    """Whether a text without blanks mixes letters, digits and symbols as only passwords do."""
    bare = token.strip("\"'.,;:()[]{}")
    if not 8 <= len(bare) <= 64 or any(mark in bare for mark in "/\\=:") or _E_MAIL.fullmatch(bare):
        return False
    kinds = (str.islower, str.isupper, str.isdigit, _SYMBOLS.__contains__)
    present = [any(map(kind, bare)) for kind in kinds]
    return present[2] and present[3] and sum(present) > 2
