"""Names of secrets and possible secrets: words in several languages.

A name with *auth* or *code* may denote a log-in or a log-in method. For such a name the value decides: few words name a
method.
"""

import unicodedata
from functools import lru_cache

from common.patterns import Within
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
    | {
        "hmac",
        "ikm",
        "sandi",
        "losung",
        "tajne",
        "tkn",
        "wpa",
        "assertion",
        "ha1",
        "verifier",
        "sesame",
        "keyring",
        "vault",
        "llave",
    }
    | {"webhooks", "wep", "encrypted", "dpapi", "crypt", "ciphertext", "unlock"}
)
"""Words that make a name the name of a secret if they are a whole word in it. A trailing number is ignored."""
IN_LANGUAGES = (
    *("kennwort", "passwort", "losungswort", "schlussel", "schluessel", "geheim", "kennw", "zugangsdat", "zugangscode"),
    *(
        "anmeldedat",
        "freischaltcode",
        "identifiants",
        "motdepasse",
        "contrasen",
        "credencial",
        "wachtwoord",
        "losenord",
    ),
    *("kodeord", "katasandi", "matkhau", "adgangskode", "salasana", "haslo", "heslo", "jelszo", "parola", "lozinka"),
    *("zaporka", "slaptazod"),
)
"""Parts of names and texts that denote secrets in languages other than English, without accents."""
_STEMS = (
    *IN_LANGUAGES,
    *("antwort", "respuesta"),
    *("password", "passwd", "passphrase", "passcode", "secret", "credential", "private", "token", "salt"),
    *("twofactor", "2fa", "authenticator", "recoverycode", "backupcode", "scratchcode", "registrationcode"),
    *("activationcode", "securitycode", "securityanswer", "securityquestion", "accesscode", "unlockcode"),
    *("verificationcode", "pincode", "serialnumber", "sessionid", "sessionkey", "sessid", "apikey"),
    *("passwrd", "psswd", "connectionstring", "connstring", "sharedaccess", "authstring", "basicauth", "proxyauth"),
    *("maidenname", "memorableword", "codeword", "watchword", "magicword", "keyphrase", "keydata", "keymaterial"),
    *("keyblob", "twostep", "2step", "authcode", "invitecode", "invitationcode", "productcode", "regcode", "resetcode"),
    *("confirmationcode", "logincode", "licensecode", "licencecode", "googleauth"),
)
"""Texts that make a name the name of a secret if they are anywhere in it, without punctuation, case and accents."""
_ENDS = ("key", "keys", "pw", "pwd", "pswd", "passw", "hash", "pass", "phrase")
"""Endings that make a name the name of a secret. A trailing number is ignored."""
_ENDS_OF_OTHER_WORDS = ("compass", "bypass", "donkey", "hockey", "jockey", "monkey", "turkey", "whiskey")
_OTHER_SCRIPTS = (
    *("парол", "ключ", "секрет", "κωδικ", "סיסמ", "كلمة", "密码", "密碼", "パスワード", "비밀번호"),
    *("口令", "暗証", "暗号", "รหัส", "비번", "암호", "رمز", "گذرواژه", "पासवर्ड"),
)
_DIGITS = "0123456789"


@lru_cache(maxsize=8192)
def is_secret_name(name: str) -> bool:
    """Whether a value with this name may be secret."""
    bare = without_accents(name[:_LONGEST_NAME])
    together = plain(bare)
    alike = plain(bare.translate(LOOKALIKES))
    without_number = together.rstrip(_DIGITS)
    return (
        not _WORDS.isdisjoint(word.rstrip(_DIGITS) for word in words(bare).split("-"))
        or any(stem in together or stem in alike for stem in _STEMS)
        or (without_number.endswith(_ENDS) and not without_number.endswith(_ENDS_OF_OTHER_WORDS))
        or mentions_other_script(name)
    )


def mentions_other_script(text: str) -> bool:
    """Whether a text contains a word for a secret in a non-Latin script."""
    return not text.isascii() and any(word in text.casefold() for word in _OTHER_SCRIPTS)


@lru_cache(maxsize=8192)
def is_log_in_name(name: str) -> bool:
    """Whether a value with this name may be used for logging in, or name a log-in method."""
    bare = without_accents(name[:_LONGEST_NAME])
    together = plain(bare)
    return together in _CODES or together.endswith(_AUTH) or _LOG_IN_DATA.search(together) is not None


def is_word_of_log_in(value: str) -> bool:
    """Whether a value is a log-in method, or too short to be a secret."""
    text = value.strip()
    if len(text) <= _SHORTEST:
        return True
    pieces = [piece for piece in _BETWEEN.split(text) if piece]
    return all(plain(piece) in _WAYS for piece in pieces)


_CODES = frozenset({"code", "codigo", "codice", "kode", "kod"})
_AUTH = "auth"
_LOG_IN_DATA = Within(r"(?:auth|login|logon|signin)(?:data|info|string|value|line|text|blob|params?)$")
_BETWEEN = Within(r"[\s,;|+/]")
_SHORTEST = 3
_WAYS = frozenset(
    {"true", "false", "yes", "no", "on", "off", "none", "never", "always", "auto", "default", "any", "all", "both"}
    | {"either", "required", "optional", "enabled", "disabled", "basic", "digest", "plain", "login", "ntlm", "ntlmv2"}
    | {"kerberos", "negotiate", "oauth", "oauth2", "xoauth2", "bearer", "crammd5", "scramsha1", "scramsha256"}
    | {"external", "anonymous", "ldap", "ldaps", "ad", "radius", "saml", "local", "native", "windows", "domain"}
    | {"integrated", "sspi", "password", "passwords", "publickey", "key", "certificate", "smartcard", "ssl", "tls"}
    | {"starttls", "pam", "unix", "file", "database", "sql", "token", "totp", "mfa", "simple", "sasl", "gssapi"}
)
"""Words for log-in methods, without case and punctuation."""


LOOKALIKES = str.maketrans("@$01345", "asoieas")
"""Symbols and digits that people write instead of letters."""
_STROKES = str.maketrans("\u0142\u0141\u00f8\u00d8\u0111", "lLoOd") | str.maketrans(
    "\u0430\u0435\u043e\u0440\u0441\u0443\u0445\u0456\u0455\u0410\u0415\u041e\u0420\u0421\u0423\u0425\u0406\u0405",
    "aeopcyxisAEOPCYXIS",
)
"""Letters with a stroke, which Unicode does not decompose, and Cyrillic letters that look like Latin ones."""


def without_accents(text: str) -> str:
    """The text without accents; case is kept, because words are split by it."""
    if text.isascii():
        return text
    letters = unicodedata.normalize("NFKD", text.translate(_STROKES))
    return "".join(letter for letter in letters if not unicodedata.combining(letter))
