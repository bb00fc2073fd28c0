"""What looks like a secret, by its name or by itself.

The schema of the documents is not public, so this goes by words and shapes.
Hiding too much costs a look at the server; showing too much cannot be undone.

Every expression here runs over foreign text: repetition is bounded, and of a
long value only the beginning is inspected, which is more than is ever shown.
"""

import re
import unicodedata
from functools import lru_cache

from replication.documents.canonical import plain
from replication.documents.keep_patterns import words

INSPECTED = 2_000
"""Characters of a value that are looked at. A plan shows 200."""
_LONGEST_NAME = 200

_WORDS = frozenset(
    {"answer", "answers", "authorization", "bearer", "bind", "clave", "cookie", "cookies", "cred", "creds", "geheim"}
    | {"hash", "hashes", "hint", "key", "keys", "mfa", "nonce", "otp", "parola", "pass", "passe", "passes", "pin"}
    | {"pins", "priv", "private", "psk", "pw", "pwd", "recovery", "salt", "sas", "secret", "secrets", "seed", "senha"}
    | {"sid", "sig", "signature", "signatures", "token", "tokens", "totp", "chave", "cle", "clef", "community", "cvv"}
    | {"dsn", "jwt", "mdp", "mnemonic", "otpauth", "parool", "psw", "puk", "pword", "sifre", "ssn", "webhook"}
    | {"webhooks", "wep", "encrypted", "dpapi", "crypt", "ciphertext", "unlock"}
)
"""Single words of a name, without a number behind them."""
_STEMS = (
    *("password", "passwd", "passphrase", "passcode", "secret", "credential", "private", "token", "salt"),
    *("twofactor", "2fa", "authenticator", "recoverycode", "backupcode", "scratchcode", "registrationcode"),
    *("activationcode", "securitycode", "securityanswer", "securityquestion", "accesscode", "unlockcode"),
    *("verificationcode", "pincode", "serialnumber", "sessionid", "sessionkey", "sessid", "apikey"),
    *("passwrd", "psswd", "connectionstring", "connstring", "sharedaccess", "authstring", "basicauth", "proxyauth"),
    *("maidenname", "memorableword"),
    *(
        "kennwort",
        "passwort",
        "losungswort",
        "schlussel",
        "schluessel",
        "geheimzahl",
        "zugangscode",
        "motdepasse",
        "contrasena",
        "wachtwoord",
        "losenord",
    ),
    *("adgangskode", "salasana", "haslo", "heslo", "jelszo", "parola", "lozinka", "zaporka", "slaptazod"),
)
"""Parts of a name, without punctuation, case and accents."""
_ENDS = ("key", "keys", "pw", "pwd", "pswd", "passw", "hash", "pass")
"""What a name ends with, without a number behind it."""
_ENDS_OF_OTHER_WORDS = ("compass", "bypass", "donkey", "hockey", "jockey", "monkey", "turkey", "whiskey")
_OTHER_SCRIPTS = ("парол", "ключ", "секрет", "κωδικ", "סיסמ", "كلمة", "密码", "密碼", "パスワード", "비밀번호")
_DIGITS = "0123456789"

_MENTIONS = re.compile(
    r"password|passwort|passwd|passphrase|passcode|kennwort|losungswort|mot ?de ?passe|contrasena|wachtwoord|losenord"
    r"|adgangskode|salasana|\bhaslo\b|\bheslo\b|jelszo|secret|geheim|credential|\bbearer\b|authorization|api[-_ ]?key"
    r"|\bpwd\b|\bpsk\b|\btotp\b|(?:recovery|backup|scratch|activation|registration)[-_ ]?codes?\b|security[-_ ]?answer"
    r"|\bpass\b|\b(?:key|code|pin|token) is\b|\bcommunity\b|\bwpa\b|webhook|\bhooks\."
)
"""Words of a value, without case and accents, beside which a secret may stand without any sign between them."""
_ASSIGNED = re.compile(
    r"""([^\s"'<>=:;,&?{}()|/\\\[\]]{1,64})["'\]]?[ \t]{0,2}(?:=>|[=:>])[ \t]{0,2}["']?[^\s"'<>&;,]"""
)
"""A name and what is assigned to it: in JSON, XML, a query, a header, a connection string."""
_ASSIGNABLE = frozenset({"auth", "code", "codes", "id_token", "k", "pw", "session"})
"""What is a secret's name where something is assigned to it, and an ordinary word elsewhere."""
_LAST_ASSIGNABLE = "auth"
"""The same as the last word of a name: ``X-Auth``."""
_QUERY = re.compile(r"[?&][^\s=&?#\"'<>]{1,64}=([^\s&#\"'<>]{1,512})")
"""What a query of an address assigns: its names are short and its own."""
_SHORTEST_IN_QUERY = 5
_OPTION = re.compile(
    r"(?:^|[\s\"'])(?:(?:-{1,2}|/)(?:a|u|p|k|pw|rp|up|auth|user|pass)[ =:]{1,2}[^\s-]|-[up][^\s\"'=:-])", re.IGNORECASE
)
"""An option of a command line that takes a log-in, a password or a key, with a blank between or without."""
_STATEMENT = re.compile(
    r"\bidentified (?:by|with)\b|\bnet1?(?:\.exe)? {1,4}use(?:r)?\b|\bauth (?:plain|login|cram)|\bsudo -s\b",
    re.IGNORECASE,
)
"""Words of a command or statement in which a password stands at its place."""
_NUMBER = re.compile(r"\b(?:pin|tan|otp|code)\b\W{1,3}[0-9]{4,12}", re.IGNORECASE)
_SHAPES = re.compile(
    r"""
      -----BEGIN\b                                    # PEM
    | \b(?:ssh-(?:rsa|dss|ed25519)|ecdsa-sha2-)       # an SSH key
    | \beyJ[\w-]{8,512}\.                             # a JSON web token
    | \$[0-9a-z-]{1,16}\$\S{8}                        # a hash as of crypt(3)
    | \{(?:S?SHA[0-9]{0,4}|S?MD5|CRYPT|PBKDF2[^}]{0,40})\}        # a hash as of LDAP
    | //[^\s"'<>:]{0,256}:[^\s"'<>@]{1,256}@          # a URL with a password, slashes in it included
    | (?<![0-9a-z])(?:[0-9a-f]{2}[:\s-]?){16}         # hex, 16 bytes and more
    | \bBasic\ [A-Za-z0-9+/]{6,512}={0,2}(?![\w])     # an HTTP header
    """,
    re.VERBOSE | re.IGNORECASE,
)
_LOG_IN = re.compile(
    r"(?:^|[\s\"'(,;])(?!mailto:|sips?:|xmpp:)[^\s:@/\"'(,;]{1,64}[:/][^\s@]{1,128}@[\w.-]", re.IGNORECASE
)
"""``name:password@host`` or ``name/password@host``."""
_GROUPS = re.compile(r"(?<![\w-])[A-Za-z0-9]{4,8}(?:-[A-Za-z0-9]{4,8}){2,9}(?![\w-])")
_BASE32_GROUPS = re.compile(r"(?<!\w)[A-Z2-7]{4}(?: [A-Z2-7]{4}){3,15}(?!\w)")
_RUN = re.compile(r"[A-Za-z0-9+/_-]{20,512}={0,2}")
_CAPITALS = re.compile(r"(?<![\w/])[A-Z0-9]{16,512}(?![\w/])")
_LONG_RUN = 40
_SYMBOLS = frozenset("!@#$%^*+?~§|<>")
_E_MAIL = re.compile(r"[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}")
_SHORTEST = 6


@lru_cache(maxsize=8192)
def is_secret_name(name: str) -> bool:
    """Whether what bears this name may be a secret."""
    bare = _without_accents(name[:_LONGEST_NAME])
    together = plain(bare)
    without_number = together.rstrip(_DIGITS)
    return (
        not _WORDS.isdisjoint(word.rstrip(_DIGITS) for word in words(bare).split("-"))
        or any(stem in together for stem in _STEMS)
        or (without_number.endswith(_ENDS) and not without_number.endswith(_ENDS_OF_OTHER_WORDS))
        or any(word in name.casefold() for word in _OTHER_SCRIPTS)
    )


def looks_generated(text: str) -> bool:
    """Whether a text is, or holds, what only programs write: a key, a hash, a token, a log-in inside of an address.

    The names that people give to things hold nothing like that, even if they speak of passwords.
    """
    text = text[:INSPECTED]
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
    )


def may_hold_secret(value: str) -> bool:
    """Whether a value may not be shown: it looks generated, mentions a secret, or looks like a password."""
    value = value[:INSPECTED]
    if looks_generated(value):
        return True
    bare = _without_accents(value)
    return (
        _MENTIONS.search(bare.casefold()) is not None
        or any(word in value.casefold() for word in _OTHER_SCRIPTS)
        or _OPTION.search(value) is not None
        or _STATEMENT.search(value) is not None
        or any(map(_may_be_secret_in_query, _QUERY.findall(value)))
        or _NUMBER.search(value) is not None
        or any(map(_looks_like_password, value.split()))
    )


_STROKES = str.maketrans("\u0142\u0141\u00f8\u00d8\u0111", "lLoOd")
"""Letters with a stroke, which Unicode does not take apart."""


def _without_accents(text: str) -> str:
    """Letters without their accents; case stays where words are told apart by it."""
    if text.isascii():
        return text
    letters = unicodedata.normalize("NFKD", text.translate(_STROKES))
    return "".join(letter for letter in letters if not unicodedata.combining(letter))


def _is_assigned_secret(name: str) -> bool:
    bare = name.casefold().lstrip("-")
    return bare in _ASSIGNABLE or words(name).endswith(_LAST_ASSIGNABLE) or is_secret_name(name)


def _may_be_secret_in_query(value: str) -> bool:
    return len(value) >= _SHORTEST_IN_QUERY and value.casefold() != "false"


def _is_random(run: str) -> bool:
    """Whether a run of base64 characters is no word or path: small and capital letters and digits mixed, or padded."""
    if run.startswith("/") and len(run) < _LONG_RUN:
        return False
    mixed = any(c.islower() for c in run) and any(c.isupper() for c in run) and any(c.isdigit() for c in run)
    return mixed or run.endswith("=")


def _mixes_letters_and_digits(run: str) -> bool:
    return any(c.isdigit() for c in run) and any(c.isalpha() for c in run)


def _is_grouped_code(code: str) -> bool:
    """``ABCD-1234-EFGH-5678``: groups of one length in which letters and digits mix."""
    return len({len(group) for group in code.split("-")}) == 1 and _mixes_letters_and_digits(code)


def _looks_like_password(token: str) -> bool:
    """Whether a run without blanks mixes small or capital letters, digits and symbols as only passwords do."""
    bare = token.strip("\"'.,;:()[]{}")
    if not 8 <= len(bare) <= 64 or any(mark in bare for mark in "/\\=:") or _E_MAIL.fullmatch(bare):
        return False
    kinds = (str.islower, str.isupper, str.isdigit, _SYMBOLS.__contains__)
    present = [any(map(kind, bare)) for kind in kinds]
    return present[2] and present[3] and sum(present) > 2
