"""Words that show whether a name is the name of a setting or one that people have given.

This module is separate from ``replication.documents.possible_names``, because these words serve ``keep_labels`` too.
"""

from replication.documents.keep_patterns import words

ENTRIES = frozenset(
    {"e", "entry", "param", "parameter", "setting", "option", "property", "pref", "preference", "add", "key", "var"}
    | {"variable", "item", "field", "attribute", "config", "int", "bool", "string", "dword", "value"}
)
"""Tags of entries. The name in such an element is the name of a setting, even if the element has no value."""
THINGS = frozenset(
    {"policy", "job", "role", "task", "rule", "event", "trigger", "action", "schedule", "partner", "customer"}
    | {"vendor", "company", "department", "team", "site", "folder", "share", "template", "report", "notification"}
    | {"contact", "recipient", "zone", "tenant", "project", "workflow", "person", "member", "owner", "organization"}
    | {"office", "branch", "location", "agreement", "contract", "campaign", "mailbox"}
)
"""Last words of the tags of things that people create and name. ``account`` is not included, because an account may be
the administrator's own.
"""
_WORDS_OF_SETTINGS = frozenset(
    {"a", "access", "account", "address", "admin", "administration", "administrator", "allow", "and", "api", "auth"}
    | {"authentication", "authority", "authorities", "backup", "bind", "ca", "cas", "cert", "certificate"}
    | {"certificates", "certs", "chain", "client", "code", "config", "configuration", "console", "control", "crl"}
    | {"crls", "data", "default", "directory", "enable", "enabled", "engine", "file", "files", "folder", "for", "ftp"}
    | {"ftps", "general", "host", "http", "https", "id", "in", "info", "information", "interface", "ip", "is", "key"}
    | {"keys", "licence", "license", "licensing", "list", "listen", "listener", "local", "log", "login", "manage"}
    | {"management", "manager", "mode", "name", "native", "number", "of", "on", "option", "options", "pair", "pass"}
    | {"passphrase", "password", "path", "pem", "pfx", "pkcs", "policy", "port", "ports", "private", "product"}
    | {"public", "pwd", "registration", "remote", "replication", "revocation", "root", "roots", "secure", "security"}
    | {"serial", "server", "servers", "service", "services", "session", "setting", "settings", "setup", "sftp", "soap"}
    | {"ssh", "ssl", "store", "sync", "synchronization", "synchronisation", "system", "the", "timeout", "tls", "trust"}
    | {"trusted", "url", "use", "user", "username", "web", "wsdl", "activation", "enabling"}
)
"""The words that occur in the names of settings and of groups of settings."""


def is_title(name: str) -> bool:
    """Whether a name may be a setting's: it is one word, or consists of words that names of settings use."""
    return " " not in name.strip() or all(
        word in _WORDS_OF_SETTINGS or word.isdigit() for word in words(name).split("-")
    )


def ends_like_setting(name: str) -> bool:
    """Whether the last word of a name occurs in the names of settings."""
    return words(name).rpartition("-")[2].rstrip("0123456789") in _WORDS_OF_SETTINGS
