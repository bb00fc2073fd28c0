"""Generates the whole state of a server from a seed.

Content (users, groups, settings, rules, lists) depends only on the seed and the counts; machine-specific values depend
on the Machine. Two servers with the same seed and counts therefore differ only in machine-specific values and run-time
values. The inner structure of the documents is modelled (see ``documents``).
"""

import hashlib
from random import Random
from typing import Any

from local.cerberus import documents
from local.cerberus.contract import COMMON
from local.cerberus.machine import Machine, Secrets
from local.cerberus.state import EDITIONS, ServerState
from local.cerberus.values import escape, escape_attribute

_FIRST = ("Anna", "Björn", "Chloé", "David", "Eva", "Farid", "Grace", "Hiro", "Ines", "Jürgen", "Kofi", "Lucía")
_LAST = ("Meyer", "O'Neil", "Svensson", "Nakamura", "Okafor", "Rossi", "Dupont", "Kowalska", "Silva", "Brandt")
_DESCRIPTIONS = ("", "Invoices & receipts", "<external partner>", "Büro Süd", "日次バッチ", "line one\nline two")
_AREAS = ("inbound", "outbound", "archive", "exchange", "reports", "statements")
_PERMISSIONS = (
    "allowListFile",
    "allowListDir",
    "allowDownload",
    "allowUpload",
    "allowRename",
    "allowDelete",
    "allowDirectoryCreation",
    "allowDisplayHidden",
    "allowZip",
    "allowUnzip",
    "allowShare",
)
VERSION = (12, 11, 6, 0)
EDITION = "Enterprise"
_HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n'
_OPEN = f'xmlns:ns1="{COMMON}"'


def generate(
    seed: int = 1,
    *,
    users: int = 50,
    groups: int = 5,
    machine: Machine | None = None,
    secrets: Secrets | None = None,
    version: tuple[int, int, int, int] = VERSION,
    edition: str = EDITION,
) -> ServerState:
    """Generate the state of a server. The result is deterministic: the same arguments give the same state, byte for
    byte.

    An edition (see ``state.EDITIONS``) without directories has no authentication sources.
    """
    machine = machine or Machine.named("server")
    secrets = secrets or Secrets()
    directories = EDITIONS[edition] >= EDITIONS["Professional"]
    group_names = [f"Group {_AREAS[n % len(_AREAS)]} {n:03}" for n in range(groups)]
    return ServerState(
        machine=machine,
        documents={
            "profiles": _users(seed, users, group_names, machine, secrets),
            "groups": _groups(seed, group_names),
            "settings": _settings(seed, machine, edition),
            "authentication": _authentication(secrets) if directories else documents.empty("authentication"),
            "event_rules": _event_rules(seed, group_names),
            "ip_block_list": _ip_block_list(seed),
            "auto_block_list": _auto_block_list(machine),
            "requested_accounts": _requested_accounts(seed),
        },
        sources=_sources() if directories else [],
        mime=_mime_mappings(),
        interfaces=_interfaces(machine, secrets),
        version=version,
        edition=edition,
    )


def _users(seed: int, count: int, groups: list[str], machine: Machine, secrets: Secrets) -> str:
    content = Random(f"{seed}/users")  # noqa: S311  repeatable on purpose
    run_time = Random(f"{machine.name}/log-ins")  # noqa: S311  repeatable on purpose
    out = [f"{_HEAD}<ns1:users {_OPEN}>"]
    out.extend(_user(number, content, run_time, groups, secrets) for number in range(count))
    out.append("</ns1:users>")
    return "\n".join(out)


def _user(number: int, content: Random, run_time: Random, groups: list[str], secrets: Secrets) -> str:
    first, last = content.choice(_FIRST), content.choice(_LAST)
    name = user_name(number)
    digest = hashlib.sha256(f"{name}/{content.random()}".encode()).hexdigest().upper()
    member = content.sample(groups, k=min(len(groups), content.randrange(3)))
    roots = content.randrange(4) // 2 if member else 1
    by_group = "group" if member else "user"
    area = content.choice(_AREAS)
    keys = (
        f'<ns1:sshKeys><ns1:publicKey ns1:name="{name} laptop">ssh-ed25519 AAAAC3{digest[:40]}</ns1:publicKey>'
        "</ns1:sshKeys>"
        if number % 3 == 0
        else ""
    )
    seen = (
        f"<ns1:lastLoginTime>{_moment(run_time)}</ns1:lastLoginTime>"
        f"<ns1:lastLoginIP>198.51.100.{run_time.randrange(1, 255)}</ns1:lastLoginIP>"
        if run_time.random() < 0.7
        else ""
    )
    return (
        f'<ns1:user ns1:name="{name}" ns1:fname="{escape_attribute(first)}" ns1:sname="{escape_attribute(last)}"'
        f' ns1:email="{name.lower()}@partner.example" ns1:desc="{escape_attribute(content.choice(_DESCRIPTIONS))}">'
        f'<ns1:password ns1:value="{secrets.password_hash}{digest}" ns1:type="{_hash_kind(number)}"'
        f' ns1:noExpire="{_bool(number % 7 == 0)}" ns1:lastChange="{_moment(content)}"/>'
        f'<ns1:isAllowPasswordChange ns1:value="true" ns1:priority="{by_group}"/>'
        f'<ns1:isAnonymous ns1:value="false" ns1:priority="user"/>'
        f'<ns1:isSimpleDirectoryMode ns1:value="{_bool(roots == 1)}" ns1:priority="user"/>'
        f'<ns1:isDisabled ns1:value="{_bool(number % 25 == 24)}" ns1:priority="user"/>'
        f'<ns1:maxLoginsAllowed ns1:value="{content.randrange(11)}" ns1:priority="{by_group}"/>'
        f'<ns1:requireSecureControl ns1:value="true" ns1:priority="{by_group}"/>'
        f'<ns1:requireSecureData ns1:value="true" ns1:priority="{by_group}"/>'
        f'<ns1:authMethod ns1:method="{("password", "public_key")[number % 3 == 0]}" ns1:priority="user"/>'
        f'<ns1:protocols ns1:priority="{by_group}" ns1:ftp="false" ns1:ftps="true" ns1:sftp="true"'
        f' ns1:http="false" ns1:https="true"/>'
        f"<ns1:groupList>{''.join(f'<ns1:group ns1:name="{group}"/>' for group in member)}</ns1:groupList>"
        f"<ns1:rootList>{''.join(_root(area, f'{area}{r}', name, content) for r in range(roots))}</ns1:rootList>"
        f"{keys}{seen}</ns1:user>"
    )


def user_name(number: int) -> str:
    """The name of the generated user ``number``, counted from 0. Every fifth name has capitals."""
    return f"{'User' if number % 5 == 0 else 'user'}{number:06}"


def _hash_kind(number: int) -> str:
    """The hash kind of a user's password; some kinds are only in newer servers and not in the contract."""
    return ("sha256", "sha512", "pbkdf2_sha256")[number % 3]


def _root(area: str, name: str, owner: str, content: Random) -> str:
    granted = content.getrandbits(len(_PERMISSIONS))
    permissions = "".join(
        f"<ns1:{permission}>{_bool(bool(granted >> bit & 1))}</ns1:{permission}>"
        for bit, permission in enumerate(_PERMISSIONS)
    )
    return (
        f"<ns1:root><ns1:name>{name}</ns1:name><ns1:path>D:\\ftp\\{area}\\{owner}</ns1:path>"
        f"<ns1:permissions>{permissions}</ns1:permissions></ns1:root>"
    )


def _groups(seed: int, names: list[str]) -> str:
    content = Random(f"{seed}/groups")  # noqa: S311  repeatable on purpose
    out = [f"{_HEAD}<ns1:groups {_OPEN}>"]
    for number, name in enumerate(names):
        out.append(
            f'<ns1:group ns1:name="{name}" ns1:desc="{escape_attribute(content.choice(_DESCRIPTIONS))}"'
            f' ns1:isAllowPasswordChange="true" ns1:isAnonymous="false" ns1:isSimpleDirectoryMode="false"'
            f' ns1:isDisabled="false" ns1:maxLoginsAllowed="{content.randrange(1, 9)}" ns1:requireSecureControl="true"'
            f' ns1:requireSecureData="true">'
            f'<ns1:authMethod ns1:method="password"/><ns1:protocols ns1:ftp="false" ns1:ftps="true" ns1:sftp="true"'
            f' ns1:http="false" ns1:https="true"/>'
            f"<ns1:rootList>{_root(_AREAS[number % len(_AREAS)], f'shared{number}', 'shared', content)}</ns1:rootList>"
            f"</ns1:group>"
        )
    out.append("</ns1:groups>")
    return "\n".join(out)


def _settings(seed: int, machine: Machine, edition: str) -> str:
    content = Random(f"{seed}/settings")  # noqa: S311  repeatable on purpose
    sections = (
        _general(content, machine, edition),
        _protocols(content, machine),
        _logging(content),
        _security(content, machine),
        _remote(machine),
        _user_manager(content),
        _sync_manager(machine),
        _advanced(content, machine),
    )
    text = f"{_HEAD}<ns1:settings {_OPEN}>\n" + "\n".join(sections) + "\n</ns1:settings>"
    if not machine.absent:
        return text
    root = documents.parse(text)
    for section in machine.absent:
        for path in documents.MACHINE_SETTINGS[section]:
            documents.remove(root, path)
    return documents.render(root)


def _general(content: Random, machine: Machine, edition: str) -> str:
    return (
        f'<ns1:general ns1:language="en"><ns1:welcomeMessage>Welcome &amp; be brief.&#xD;\n'
        f"Use of this server is logged.</ns1:welcomeMessage>"
        f"<ns1:maxConnections>{content.randrange(50, 500)}</ns1:maxConnections>"
        f"<ns1:idleTimeoutSeconds>{content.randrange(60, 600)}</ns1:idleTimeoutSeconds>"
        f'<ns1:license ns1:edition="{edition}"><ns1:key>{machine.license_key}</ns1:key>'
        f"<ns1:name>{escape(machine.name)}</ns1:name><ns1:companyName>Example Ltd</ns1:companyName>"
        f"<ns1:issued>{machine.issued}</ns1:issued><ns1:installed>{machine.installed}</ns1:installed>"
        f"<ns1:daysValid>{machine.days_valid}</ns1:daysValid></ns1:license>"
        f'<ns1:mail ns1:enabled="true"><ns1:from>files@example.com</ns1:from>'
        f"<ns1:subject>Transfer report</ns1:subject></ns1:mail></ns1:general>"
    )


def _protocols(content: Random, machine: Machine) -> str:
    return (
        f'<ns1:protocols><ns1:ftp ns1:allowFxp="false" ns1:modeZ="true"><ns1:passiveTimeoutSeconds>'
        f"{content.randrange(10, 60)}</ns1:passiveTimeoutSeconds></ns1:ftp>"
        f'<ns1:sftp ns1:maxChannels="{content.randrange(2, 12)}">'
        f"<ns1:keyExchange>curve25519-sha256</ns1:keyExchange>"
        f"<ns1:keyExchange>ecdh-sha2-nistp384</ns1:keyExchange><ns1:macs>hmac-sha2-512,hmac-sha2-256</ns1:macs></ns1:sftp>"
        f'<ns1:http ns1:sessionTimeoutMinutes="{content.randrange(5, 60)}">'
        f'<ns1:clientVerification ns1:required="false">'
        f"<ns1:authority><ns1:depth>3</ns1:depth><ns1:caFile>{escape(machine.ca_path)}</ns1:caFile>"
        f"<ns1:crlFile>{escape(machine.crl_path)}</ns1:crlFile></ns1:authority></ns1:clientVerification></ns1:http>"
        f"</ns1:protocols>"
    )


def _logging(content: Random) -> str:
    return (
        f'<ns1:logging ns1:level="info"><ns1:maxFiles>{content.randrange(5, 30)}</ns1:maxFiles>'
        f"<ns1:maxFileSizeKb>{content.randrange(1000, 9000)}</ns1:maxFileSizeKb>"
        f'<ns1:syslog ns1:enabled="false" ns1:facility="local{content.randrange(8)}"/></ns1:logging>'
    )


def _security(content: Random, machine: Machine) -> str:
    return (
        f"<ns1:security><ns1:policy><ns1:minimumPasswordLength>{content.randrange(8, 20)}</ns1:minimumPasswordLength>"
        f"<ns1:lockoutAttempts>{content.randrange(3, 10)}</ns1:lockoutAttempts>"
        f"<ns1:pbkdf2Rounds>{content.randrange(5_000, 90_000)}</ns1:pbkdf2Rounds></ns1:policy>"
        f'<ns1:tls ns1:minimumVersion="1.2" ns1:certificateFile="{escape_attribute(machine.certificate_path)}"'
        f' ns1:privateKeyFile="{escape_attribute(machine.private_key_path)}"'
        f' ns1:caFile="{escape_attribute(machine.ca_path)}"'
        f' ns1:crlFile="{escape_attribute(machine.crl_path)}"><ns1:cipherList>HIGH:!aNULL:!eNULL</ns1:cipherList>'
        f"<ns1:preferServerOrder>true</ns1:preferServerOrder></ns1:tls>"
        f"<ns1:serverCertificate>{machine.certificate}</ns1:serverCertificate>"
        f'<ns1:privateKey ns1:type="{machine.key_type}" ns1:bits="{machine.key_bits}">'
        f"{machine.private_key}</ns1:privateKey>"
        f"<ns1:caCertificate>{machine.ca}</ns1:caCertificate><ns1:crl>{machine.crl}</ns1:crl></ns1:security>"
    )


def _remote(machine: Machine) -> str:
    return (
        f'<ns1:remote><ns1:soap ns1:enabled="true" ns1:secure="{_bool(machine.soap_secure)}">'
        f"<ns1:port>{machine.soap_port}</ns1:port>"
        f"<ns1:allowRemoteAccess>{_bool(machine.remote_access)}</ns1:allowRemoteAccess></ns1:soap>"
        f'<ns1:remoteAdmin ns1:enabled="true"><ns1:account ns1:user="{escape_attribute(machine.admin_user)}"'
        f' ns1:passwordHash="{machine.admin_hash}"/></ns1:remoteAdmin>'
        f'<ns1:webAdmin ns1:enabled="true"><ns1:host>{escape(machine.host)}</ns1:host>'
        f"<ns1:port>{machine.web_admin_port}</ns1:port></ns1:webAdmin></ns1:remote>"
    )


def _user_manager(content: Random) -> str:
    return (
        f'<ns1:userManager><ns1:requests ns1:enabled="true" ns1:expireDays="{content.randrange(5, 30)}"/>'
        f'<ns1:passwordPolicy ns1:history="{content.randrange(1, 12)}" ns1:maxAgeDays="{content.randrange(30, 365)}"/>'
        f'<ns1:shares ns1:enabled="true">'
        f"<ns1:defaultDurationHours>{content.randrange(1, 99)}</ns1:defaultDurationHours>"
        f"</ns1:shares></ns1:userManager>"
    )


def _sync_manager(machine: Machine) -> str:
    return (
        f'<ns1:syncManager ns1:enable="false" ns1:syncIntervalMinutes="60" ns1:syncOnServerChange="false">'
        f'<ns1:server ns1:name="{escape_attribute(machine.sync_host)}"><ns1:host>{escape(machine.sync_host)}</ns1:host>'
        f"<ns1:port>10001</ns1:port><ns1:useSSL>true</ns1:useSSL><ns1:username>admin</ns1:username>"
        f"<ns1:password>{machine.sync_password}</ns1:password><ns1:enableSync>true</ns1:enableSync></ns1:server>"
        f"</ns1:syncManager>"
    )


def _advanced(content: Random, machine: Machine) -> str:
    """Settings entries, half of them with attributes and half with children."""
    by_attribute = {
        "TransferThreads": content.randrange(2, 32),
        "SoapPort": machine.soap_port,
        "ServerCertificateFile": machine.certificate_path,
        "PrivateKeyFile": machine.private_key_path,
        "DirectoryCacheSeconds": content.randrange(1, 60),
    }
    by_child = {
        "LicenseKey": machine.license_key,
        "StatisticsRetentionDays": content.randrange(10, 400),
        "SoapSecure": _bool(machine.soap_secure),
        "WebAdminPort": machine.web_admin_port,
        "CaCertificateFile": machine.ca_path,
        "CrlFile": machine.crl_path,
        "SyncIntervalMinutes": 10 + machine.days_valid,
        "ZipCompressionLevel": content.randrange(1, 10),
    }
    return (
        "<ns1:advanced>"
        + "".join(
            f'<ns1:entry ns1:name="{k}" ns1:value="{escape_attribute(str(v))}"/>' for k, v in by_attribute.items()
        )
        + "".join(
            f"<ns1:entry><ns1:key>{k}</ns1:key><ns1:value>{escape(str(v))}</ns1:value></ns1:entry>"
            for k, v in by_child.items()
        )
        + "</ns1:advanced>"
    )


def _authentication(secrets: Secrets) -> str:
    return (
        f'{_HEAD}<ns1:authenticationSources {_OPEN}><ns1:directory ns1:name="Corporate AD"'
        f' ns1:type="ActiveDirectory" ns1:enabled="true"><ns1:domain>corp.example</ns1:domain>'
        f'<ns1:mapping ns1:group="Domain Users"/></ns1:directory>'
        f'<ns1:directory ns1:name="Partners" ns1:type="LDAP" ns1:enabled="false">'
        f"<ns1:server>ldap.partner.example</ns1:server>"
        f"<ns1:baseDn>ou=partners,dc=example</ns1:baseDn><ns1:bindUser>cn=reader</ns1:bindUser>"
        f"<ns1:bindPassword>{secrets.bind_password}</ns1:bindPassword></ns1:directory></ns1:authenticationSources>"
    )


def _sources() -> list[dict[str, Any]]:
    return [
        {"enabled": True, "name": "Corporate AD", "type": "ActiveDirectory", "description": "Head office"},
        {"enabled": False, "name": "Partners", "type": "LDAP", "description": "Partner directory"},
    ]


def _event_rules(seed: int, groups: list[str]) -> str:
    content = Random(f"{seed}/rules")  # noqa: S311  repeatable on purpose
    rules = "".join(
        f'<ns1:rule ns1:name="Rule {n}" ns1:enabled="{_bool(n % 2 == 0)}"><ns1:trigger>fileUploaded</ns1:trigger>'
        f"<ns1:condition>{escape(content.choice(groups) if groups else 'any')}</ns1:condition>"
        f"<ns1:action>notify</ns1:action><ns1:action>move</ns1:action></ns1:rule>"
        for n in range(4)
    )
    return f"{_HEAD}<ns1:eventRules {_OPEN}>{rules}</ns1:eventRules>"


def _ip_block_list(seed: int) -> str:
    content = Random(f"{seed}/addresses")  # noqa: S311  repeatable on purpose
    entries = "".join(ip_entry(f"192.0.2.{n * 20 + content.randrange(20)}", note="scanner") for n in range(5))
    return f"{_HEAD}<ns1:ipBlockList {_OPEN}>{entries}</ns1:ipBlockList>"


def _auto_block_list(machine: Machine) -> str:
    content = Random(f"{machine.name}/blocked")  # noqa: S311  repeatable on purpose
    entries = "".join(ip_entry(f"198.51.100.{n * 50 + content.randrange(50)}", minutes=30) for n in range(3))
    return f"{_HEAD}<ns1:autoBlockList {_OPEN}>{entries}</ns1:autoBlockList>"


def ip_entry(first: str, last: str = "", *, note: str = "", minutes: int = 0) -> str:
    """One entry of a block list, for one address or a range; ``minutes`` 0 blocks permanently."""
    kind = "range" if last else "single"
    return (
        f'<ns1:ipEntry ns1:blockedSince="2026-01-02T03:04:05Z" ns1:blockForMinutes="{minutes}">'
        f'<ns1:entry ns1:type="{kind}"><ns1:addressFrom>{escape(first)}</ns1:addressFrom>'
        f"<ns1:addressTo>{escape(last)}</ns1:addressTo></ns1:entry><ns1:note>{escape(note)}</ns1:note></ns1:ipEntry>"
    )


def _requested_accounts(seed: int) -> str:
    content = Random(f"{seed}/requests")  # noqa: S311  repeatable on purpose
    requests = "".join(
        f'<ns1:request ns1:guid="{content.getrandbits(64):016x}" ns1:requested="{_moment(content)}">'
        f"<ns1:userName>applicant{n}</ns1:userName><ns1:email>applicant{n}@partner.example</ns1:email></ns1:request>"
        for n in range(3)
    )
    return f"{_HEAD}<ns1:requestedAccounts {_OPEN}>{requests}</ns1:requestedAccounts>"


def _mime_mappings() -> list[dict[str, Any]]:
    kinds = {
        "csv": "text/csv",
        "edi": "application/EDIFACT",
        "pdf": "application/pdf",
        "txt": "text/plain",
        "xml": "application/xml",
        "zip": "application/zip",
    }
    return [{"ext": extension, "type": kind} for extension, kind in kinds.items()]


def _interfaces(machine: Machine, secrets: Secrets) -> list[dict[str, Any]]:
    """One listener for each protocol. The ids depend on the machine, as on a real server."""
    first = 1 + machine.days_valid
    ports = ((0, 21), (2, 22), (3, 443))
    return [
        {
            "id": first + number,
            "ipAddress": machine.address,
            "type": protocol,
            "options": {
                "isActive": True,
                "allowLogin": True,
                "listenPort": port,
                "connectionLimit": 100 + number,
                "passiveSettings": {
                    "ipAddress": machine.passive_address,
                    "dnsAddress": machine.host,
                    "dontUseExternalIPForLocal": True,
                    "mode": "DirectIP",
                },
                "requiresSecureControl": True,
                "requiresSecureData": True,
                "logoPath": "C:\\ProgramData\\branding\\logo.png",
                "loginIconPath": "C:\\ProgramData\\branding\\icon.png",
                "companyName": "Example & Söhne",
                "allowWebAccountRequest": protocol == 3,
                "showWelcomeMsg": True,
                "redirectToHttps": True,
                "defaultWebDirList": 50,
                "showTimezone": True,
                "showLocalTime": False,
                "allowUpdate": False,
                "useHSTS": True,
                "captchaPrivKey": secrets.captcha_private_key,
                "captchaPubKey": "captcha-public",
                "captchaShowLogin": False,
                "captchaShowReq": True,
            },
        }
        for number, (protocol, port) in enumerate(ports)
    ]


def _moment(random: Random) -> str:
    return (
        f"2026-{random.randrange(1, 13):02}-{random.randrange(1, 29):02}"
        f"T{random.randrange(24):02}:{random.randrange(60):02}:{random.randrange(60):02}Z"
    )


def _bool(value: bool) -> str:
    return "true" if value else "false"
