"""What a secret, or what may be one, is called: words in several languages.

What is called *auth* or *code* may be what somebody logs in with, and may say
how: there the value tells, because the words for ways to log in are few.
"""

import re
import unicodedata
from functools import lru_cache

from replication.documents.canonical import plain
from replication.documents.keep_patterns import words

_LONGEST_NAME = 200

_WORDS = frozenset(
    {"answer", "answers", "authorization", "bearer", "bind", "clave", "cookie", "cookies", "cred", "creds", "geheim"}
    | {"hash", "hashes", "hint", "key", "keys", "mfa", "nonce", "otp", "parola", "pass", "passe", "passes", "pin"}
    | {"pins", "priv", "private", "psk", "pw", "pwd", "recovery", "salt", "sas", "secret", "secrets", "seed", "senha"}
    | {"sid", "sig", "signature", "signatures", "token", "tokens", "totp", "chave", "cle", "clef", "community", "cvv"}
    | {"dsn", "jwt", "mdp", "mnemonic", "otpauth", "parool", "psw", "puk", "pword", "sifre", "ssn", "webhook"}
    | {"antwoord", "risposta", "resposta", "tfa", "tok", "phrase", "phrases", "csrf", "xsrf"}
    | {"hmac", "ikm", "sandi", "losung", "tajne", "tkn", "wpa", "assertion", "ha1", "verifier", "sesame"}
    | {"webhooks", "wep", "encrypted", "dpapi", "crypt", "ciphertext", "unlock"}
)
"""Single words of a name, without a number behind them."""
_STEMS = (
    *("password", "passwd", "passphrase", "passcode", "secret", "credential", "private", "token", "salt"),
    *("twofactor", "2fa", "authenticator", "recoverycode", "backupcode", "scratchcode", "registrationcode"),
    *("activationcode", "securitycode", "securityanswer", "securityquestion", "accesscode", "unlockcode"),
    *("verificationcode", "pincode", "serialnumber", "sessionid", "sessionkey", "sessid", "apikey"),
    *("passwrd", "psswd", "connectionstring", "connstring", "sharedaccess", "authstring", "basicauth", "proxyauth"),
    *("maidenname", "memorableword", "codeword", "watchword", "magicword", "keyphrase", "keydata", "keymaterial"),
    *("keyblob", "twostep", "2step", "authcode", "invitecode", "invitationcode", "productcode", "regcode", "resetcode"),
    *("confirmationcode", "logincode", "licensecode", "licencecode", "googleauth"),
    *(
        "kennwort",
        "passwort",
        "losungswort",
        "schlussel",
        "schluessel",
        "geheim",
        "kennw",
        "antwort",
        "respuesta",
        "zugangsdat",
        "anmeldedat",
        "identifiants",
        "credencial",
        "kodeord",
        "katasandi",
        "matkhau",
        "zugangscode",
        "motdepasse",
        "contrasen",
        "wachtwoord",
        "losenord",
    ),
    *("adgangskode", "salasana", "haslo", "heslo", "jelszo", "parola", "lozinka", "zaporka", "slaptazod"),
)
"""Parts of a name, without punctuation, case and accents."""
_ENDS = ("key", "keys", "pw", "pwd", "pswd", "passw", "hash", "pass", "phrase")
"""What a name ends with, without a number behind it."""
_ENDS_OF_OTHER_WORDS = ("compass", "bypass", "donkey", "hockey", "jockey", "monkey", "turkey", "whiskey")
_OTHER_SCRIPTS = (
    *("парол", "ключ", "секрет", "κωδικ", "סיסמ", "كلمة", "密码", "密碼", "パスワード", "비밀번호"),
    *("口令", "暗証", "暗号", "รหัส", "비번", "암호", "رمز", "گذرواژه", "पासवर्ड"),
)
_DIGITS = "0123456789"


@lru_cache(maxsize=8192)
def is_secret_name(name: str) -> bool:
    """Whether what bears this name may be a secret."""
    bare = without_accents(name[:_LONGEST_NAME])
    together = plain(bare)
    without_number = together.rstrip(_DIGITS)
    return (
        not _WORDS.isdisjoint(word.rstrip(_DIGITS) for word in words(bare).split("-"))
        or any(stem in together for stem in _STEMS)
        or (without_number.endswith(_ENDS) and not without_number.endswith(_ENDS_OF_OTHER_WORDS))
        or mentions_other_script(name)
    )


def mentions_other_script(text: str) -> bool:
    """Whether a text holds a word for a secret in another script than Latin."""
    return not text.isascii() and any(word in text.casefold() for word in _OTHER_SCRIPTS)


@lru_cache(maxsize=8192)
def is_log_in_name(name: str) -> bool:
    """Whether what bears this name may be what somebody logs in with, or a word for the way to do so."""
    bare = without_accents(name[:_LONGEST_NAME])
    together = plain(bare)
    return together in _CODES or together.endswith(_AUTH) or _LOG_IN_DATA.search(together) is not None


def is_word_of_log_in(value: str) -> bool:
    """Whether a value says how somebody logs in, or is too short to be a secret."""
    text = value.strip()
    if len(text) <= _SHORTEST:
        return True
    pieces = [piece for piece in re.split(r"[\s,;|+/]", text) if piece]
    return all(plain(piece) in _WAYS for piece in pieces)


_CODES = frozenset({"code", "codigo", "codice", "kode", "kod"})
_AUTH = "auth"
_LOG_IN_DATA = re.compile(r"(?:auth|login|logon|signin)(?:data|info|string|value|line|text|blob|params?)$")
_SHORTEST = 3
_WAYS = frozenset(
    {"true", "false", "yes", "no", "on", "off", "none", "never", "always", "auto", "default", "any", "all", "both"}
    | {"either", "required", "optional", "enabled", "disabled", "basic", "digest", "plain", "login", "ntlm", "ntlmv2"}
    | {"kerberos", "negotiate", "oauth", "oauth2", "xoauth2", "bearer", "crammd5", "scramsha1", "scramsha256"}
    | {"external", "anonymous", "ldap", "ldaps", "ad", "radius", "saml", "local", "native", "windows", "domain"}
    | {"integrated", "sspi", "password", "passwords", "publickey", "key", "certificate", "smartcard", "ssl", "tls"}
    | {"starttls", "pam", "unix", "file", "database", "sql", "token", "totp", "mfa", "simple", "sasl", "gssapi"}
)
"""Words for ways to log in, without case and punctuation."""


_STROKES = str.maketrans("\u0142\u0141\u00f8\u00d8\u0111", "lLoOd")
"""Letters with a stroke, which Unicode does not take apart."""


def without_accents(text: str) -> str:
    """Letters without their accents; case stays where words are told apart by it."""
    if text.isascii():
        return text
    letters = unicodedata.normalize("NFKD", text.translate(_STROKES))
    return "".join(letter for letter in letters if not unicodedata.combining(letter))
