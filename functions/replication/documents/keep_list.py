"""The product's own keep patterns: names of settings that belong to one machine, each with its reason.

The names of settings in a server's settings document are not public, so the patterns match words that the names of
machine-specific settings usually contain. Every plan and result lists the values that a pattern keeps although they
differ, so that an unneeded pattern is noticed. A missing pattern can lock an administrator out.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Rule:
    """One pattern and the reason for it. ``but`` are patterns of names that it would match by mistake.

    An administrator's exception cannot override the product's patterns. Only for a name that matches ``may_lift`` it
    can, because the pattern may be wrong about such a name.
    """

    pattern: str
    why: str
    but: tuple[str, ...] = ()
    may_lift: tuple[str, ...] = ()


_LICENCE = "each server has its own licence"
_SOAP = "another name of the SOAP service"
_REMOTE = "remote administration is set up per machine"
_CERTIFICATE = "the server's certificate belongs to its name"
_KEY = "a private key never leaves its machine"
_PASS = "the pass phrase of a private key"  # noqa: S105 - says what a pattern is for
_CA = "certificate authorities are files of this machine"
_CRL = "revocation lists are files of this machine"
_SYNC = "the native Synchronization Manager's own list"

_TELLING_SOMEBODY = (
    *("notify*", "*-notify-*", "*notif*ation*", "alert*", "*-alert*", "warn*", "email-*", "mail-*", "send-*"),
    *("log-*", "audit-*", "*badminton*"),
)
"""Patterns of names about notifications, which an administrator receives and does not log in with."""
_DEMANDS = (
    *("require*", "*-require*", "verify-*", "validate-*", "request-*", "accept-*", "allow-*"),
    *("*concert*", "*certain*", "*certified*", "*certify*"),
)
"""Patterns of names about requirements for clients' certificates, and of other words that contain *cert*."""
_OTHER_SYNC = (
    *("time-*", "*-time-sync*", "sync-time", "sync-time-*", "*synchroni?e-time*", "*clock*", "*ntp*"),
    *("*directory*", "*ldap*", "ad-sync*", "*-ad-sync*", "sync-ad-*", "*file-sync*", "*folder-sync*", "*data-sync*"),
)
"""Patterns of names about synchronization with a clock, a directory or a disk."""

_NO_LIST = (
    *("*-mode", "*-interval", "*-interval-*", "*-delay", "*-delay-*", "*-time-out", "*-time-out-*", "*-retries"),
    *("*-retry-*", "*-limit", "*-level", "*-count", "*-size", "*-method", "*-order", "*-direction", "*-schedule"),
)
"""Patterns of names about how something is replicated. Such settings are not the list of servers with their passwords.
"""

RULES_VERSION = 3
RULES: tuple[Rule, ...] = (
    *(
        Rule(pattern, _LICENCE)
        for pattern in ("*licen[cs]*", "*product-key*", "*registration-key*", "*registration-code*")
    ),
    Rule("*activation-key*", _LICENCE),
    Rule("*serial-number*", _LICENCE),
    Rule("*soap*", "replication itself logs in through it"),
    Rule("*web-service*", _SOAP),
    Rule("*wsdl*", _SOAP),
    Rule("remote", _REMOTE),
    *(
        Rule(f"*remote-{aspect}*", _REMOTE)
        for aspect in ("settings", "access", "port", "pass", "pwd", "user", "log-in", "enable", "secur", "ssl", "tls")
    ),
    Rule("*remote-allow*", _REMOTE),
    Rule("*remote-active", _REMOTE),
    Rule("use-remote*", _REMOTE),
    Rule("enable-remote*", _REMOTE),
    Rule("allow-remote*", _REMOTE),
    *(
        Rule(f"*management-{aspect}*", _REMOTE, ("user-management*", "*-user-management*"))
        for aspect in ("pass", "pwd", "port", "user", "log-in", "interface")
    ),
    Rule(
        "*admin*",
        "web administration and the administrator's log-in, the one replication uses, are set up per machine",
        _TELLING_SOMEBODY,
    ),
    Rule("*cert*", _CERTIFICATE, _DEMANDS),
    *(Rule(pattern, _CERTIFICATE) for pattern in ("*pfx*", "*pkcs*", "p12*", "pem*", "*-pem*")),
    *(Rule(pattern, _KEY) for pattern in ("*private-key*", "*priv-key*", "*server-key", "*key-pair*", "*key-store*")),
    Rule("*host-key*", _KEY, ("*algorithm*",)),
    *(
        Rule(pattern, _KEY)
        for pattern in ("*[dr]sa-key", "ec-key", "*-ec-key", "*ss[hl]-key", "*tls-key", "*ed25519-key*")
    ),
    *(Rule(f"*ssh-key-{kind}*", _KEY) for kind in ("ed", "[dr]sa", "ecd")),
    Rule("*key-file*", "a private key's place on this machine's disk"),
    Rule("*key-path*", "a private key's place on this machine's disk"),
    *(
        Rule(pattern, _PASS)
        for pattern in ("*key-pass*", "*pass-phrase*", "*ssl-pass*", "*tls-pass*", "*ssl-pwd*", "*tls-pwd*")
    ),
    *(
        Rule(pattern, _CA)
        for pattern in ("ca", "cas", "ca-*", "*-ca", "*-cas", "*-ca-*", "*ca-file*", "*ca-path*", "*ca-list*")
    ),
    Rule("*trust-store*", _CA),
    Rule("*trusted-root*", _CA),
    # *crl[!f]* spares CRLF, the end of a line.
    *(Rule(pattern, _CRL) for pattern in ("*crl", "*crl[!f]*", "*crl-file*", "*revocation*")),
    Rule("sync", _SYNC),
    Rule("sync-*", _SYNC, _OTHER_SYNC),
    *(Rule(f"{word}-sync*", _SYNC, _OTHER_SYNC) for word in ("enable", "last", "next", "auto", "native")),
    Rule("is-sync-*", _SYNC, _OTHER_SYNC),
    Rule("*server-sync*", _SYNC, _OTHER_SYNC),
    Rule("*sync-server*", _SYNC, _OTHER_SYNC),
    Rule("*synchroni*", _SYNC, _OTHER_SYNC, may_lift=_NO_LIST),
    Rule("*backup-server*", _SYNC),
    Rule("*replicat*", _SYNC, may_lift=_NO_LIST),
)
"""The values in ``settings`` that are never replicated: licence, SOAP, remote and web administration, certificate,
private key, CA, CRL, native synchronization.
"""
