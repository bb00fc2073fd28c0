"""A secret is in no view of a difference, wherever it stands and in whatever shape."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from itertools import batched, cycle
from typing import Any
from xml.sax.saxutils import escape, quoteattr

import pytest

from replication.guards.approval import Guard, access_warnings
from replication.guards.limits import Limits
from replication.model import PartName, Policy
from replication.plan_details import details, preview
from replication.plan_text import render, render_difference
from replication.ports import Authentication, AuthenticationSource
from replication.primary import compared
from tests.unit.replication.conftest import PlanFactory

MARKS = ("pLant7x", "zQuelle8")
"""What must not be seen: of the backup, and of the primary."""

REVEALING = (
    "password={m}", "Server=db;Pwd = {m}", "ldap://cn:{m}@dc.example/", "https://ann:{m}/er@files.example/in",
    "ann:{m}@files.example", '{{"user": "ann", "password": "{m}"}}', '{{"auth": {{"apiKey": "{m}"}}}}',
    "<login><password>{m}</password></login>", '<login user="ann" password="{m}"/>', '<f name="secret">{m}</f>',
    "psftp.exe -pw {m} ann@host", "curl -u ann:{m} https://files.example", "backup.cmd --password {m}",
    "backup.cmd /password:{m}", "Authorization: Basic {m}==", "Authorization: Bearer {m}", "Bearer {m}",
    "X-Api-Key: {m}", "https://files.example/hook?key={m}", "https://files.example/blob?sv=2020&sig={m}",
    "otpauth://totp/ann?secret={m}", "Kennwort: {m}", "das Kennwort ist {m}", "recovery codes {m} 1a2b",
    "-----BEGIN PRIVATE KEY-----{m}", "ssh-ed25519 AAAAC3{m} ann", "$2b$12${m}abcdefgh", "{{SSHA}}{m}",
    "eyJhbGciOiJIUzI1NiJ9.{m}.abc", "export DB_PASS={m}", "mysql -uroot -p{m}", "curl -ubob:{m} h", "redis-cli -a {m}",
    "IDENTIFIED BY '{m}'", "net user bob {m} /add", "sqlplus bob/{m}@orcl", "schtasks /rp {m}", "X-Auth: {m}",
    "https://files.example/?access={m}", "tool --auth {m}", "bob:{m}",
    "dom\\bob:{m}", "login bob {m}", "open h\nbob\n{m}\nput x", "p%61ssword={m}",
    "\\u0070assword={m}", "P@ssword {m}", "&lt;pw&gt;{m}", "echo {m}| plink h", "u=bob p={m}", "https://h/reset/{m}",
)  # fmt: skip
"""Values that reveal by themselves that they hold a secret."""

NAMED = (
    "password", "bindPassword", "kennwort", "twoFactor", "mfaSeed", "authenticatorKey", "recoveryCode",
    "antwort", "zugangsdaten", "contrasenia", "keyPhrase", "securityAnswer",
    "userPin", "registrationCode", "apiKey", "clientSecret", "signature", "cookie",
)  # fmt: skip
PLACES_OF_NAMES = (
    "<{n}>{t}</{n}>", "<x {n}={a}/>", "<{n} value={a}/>", "<{n} name={a}/>", "<{n} id={a}/><{n} id='2'/>",
    "<e name='{n}' value={a}/>", "<e name='{n}'>{t}</e>", "<e><key>{n}</key><value>{t}</value></e>",
    "<param title='{n}'>{t}</param>", "<param type='{n}'>{t}</param>", "<param label='{n}' data={a}/>",
    "<pair><k>{n}</k><v>{t}</v></pair>", "<f><caption>{n}</caption><content><x>{t}</x></content></f>",
    "<setting id='{n}' value={a}/>", "<setting name='{n}'>{t}</setting>", "<property name='{n}' value={a}/>",
    "<parameter name='{n}'>{t}</parameter>", "<option key='{n}' value={a}/>", "<option type='{n}'>{t}</option>",
    "<setting><id>{n}</id><value>{t}</value></setting>", "<key id='{n}' value={a}/>", "<name type='{n}'>{t}</name>",
    "<id name='{n}' value={a}/>", "<login name='{n}' value={a}/>", "<host id='{n}'>{t}</host>",
    "<{n}><![CDATA[{r}]]></{n}>", "<{n}s><of><thing name={a}>{t}</thing></of></{n}s>",
)  # fmt: skip
LABELS = (
    "Password:", "Password (bind)", "Password*", "User's password", "API key:", "Kennwort:", "Mot de passe :",
    "Secret?", "[password]", "$password", "PIN / TAN", "Password\u00a0", "password,required", "Pass\u2010phrase",
)  # fmt: skip
PLACES_OF_LABELS = (
    "<field label={n}>{t}</field>", "<field title={n} value={a}/>", "<f><caption>{l}</caption><text>{t}</text></f>",
    "<f><name>{l}</name><value>{t}</value></f>", "<field hint={n} data={a}/>", "<x>{l} <b>{t}</b></x>",
    "<x><b>{t}</b> {l}</x>", "<row><col name={n}/><col>{t}</col></row>", "<row><k><t>{l}</t></k><v>{t}</v></row>",
    "<s><name>{l}</name></s><s>{t}</s>", "<row><i kind={n}/><i><b>{t}</b></i></row>", "<!--{l}--><x>{t}</x>",
    "<args><a>-p</a><a>{t}</a></args>", "<argv><arg n='1'>--pw</arg><arg n='2'>{t}</arg></argv>",
    "<dl><dt>{l}</dt><dd>{t}</dd></dl>", "<row><i kind={n}/><i v={a}/></row>",
    "<table><tr><th>Host</th><th>{l}</th></tr><tr><td>h</td><td>x</td></tr><tr><td>h</td><td>{t}</td></tr></table>",
    "<table><thead><tr><th>{l}</th><th>Host</th></tr></thead><tbody><tr><td>{t}</td><td>h</td></tr></tbody></table>",
    "<t><columns><c name='Host'/><c name={n}/></columns><rows><r><v>h</v><v><b>{t}</b></v></r></rows></t>",
    "<f><labels><l>Host</l><l>{l}</l></labels><values><v>h</v><v>{t}</v></values></f>",
    "<f><labels><l>{l}</l><l>Host</l></labels><values><v d={a}/><v d='h'/></values><values><v d='x'/><v/></values></f>",
)  # fmt: skip
"""Where a label says of what stands in or beside its element that it is a secret."""
LOG_INS = (
    "<login {n}='password'>{t}</login>", "<login {n}='password' data={a}/>",
    "<login><{n}>password</{n}><value>{t}</value></login>", "<login {n}='Basic'><data>{t}</data></login>",
)  # fmt: skip
WAYS = ("method", "mode", "scheme", "authMethod")
NAMES_OF_LOG_INS = ("auth", "smtpAuth", "code", "authData", "login_string", "AUTH_INFO")
PLACES_OF_LOG_INS = (
    "<{n}>{t}</{n}>", "<x {n}={a}/>", "<{n} value={a}/>", "<{n}><value>{t}</value></{n}>", "<e name='{n}' value={a}/>",
    "<e name='{n}'>{t}</e>", "<e><key>{n}</key><value>{t}</value></e>", "<setting id='{n}' value={a}/>",
    "<{n}><![CDATA[{r}]]></{n}>", "<{n}>{t}</{n}><{n}>basic</{n}>",
)  # fmt: skip
"""Where a value may be what one logs in with, or a word for the way to do so."""
COMMANDS = ("--password {m}", "-pw {m}", "curl -u bob:{m} h", "net use z: {m}", "ldap://cn:{m}@dc.example/")
PLACES_OF_COMMANDS = (
    "<e name={a}>1</e>",
    "<e name={a}/><e name='b'/>",
    "<e><name>{t}</name><x>1</x></e>",
    "<k key={a} value='1'/>",
)
"""Where a command is what something is called."""
PLACES_OF_VALUES = (
    "<note>{t}</note>", "<x note={a}/>", "<e name='note' value={a}/>", "<note><![CDATA[{r}]]></note>",
    "<line>{t}</line>", "<line>{t}</line><line>other</line>",
)  # fmt: skip
WRAPPED = ("{}", "<section>{}</section>", "<list><item name='a'>{}</item><item name='b'/></list>")


def placed(template: str, name: str, value: str) -> str:
    return template.format(n=name, t=escape(value), a=quoteattr(value), r=value.replace("]]>", ""))


def every_place(mark: str) -> list[str]:
    """More than 500 elements that hold the mark as a secret."""
    named = [placed(place, name, mark) for place in PLACES_OF_NAMES for name in NAMED]
    labelled = [
        place.format(n=quoteattr(label), l=escape(label), t=escape(mark), a=quoteattr(mark))
        for place in PLACES_OF_LABELS
        for label in LABELS
    ]
    log_ins = [placed(place, way, mark) for place in LOG_INS for way in WAYS]
    by_value = [placed(place, "", value.format(m=mark)) for place in PLACES_OF_VALUES for value in REVEALING]
    log_ins += [placed(place, name, mark) for place in PLACES_OF_LOG_INS for name in NAMES_OF_LOG_INS]
    commands = [placed(place, "", value.format(m=mark)) for place in PLACES_OF_COMMANDS for value in COMMANDS]
    return [*named, *labelled, *log_ins, *commands, *by_value]


PLACES = tuple(zip(every_place(MARKS[0]), every_place(MARKS[1]), strict=True))
KINDS = ("changed", "added", "removed", "its context changed")


def contents(inner: str) -> dict[str, Any]:
    """The element in parts of every kind: values, named items, a list of entries, a list whose entries it is itself."""
    return {
        "settings": f"<s><always>1</always>{inner}</s>",
        "users": f"<u><user name='ann'><home/>{inner}</user><user name='bob'/></u>",
        "event_rules": f"<l><e name='z'>{inner}</e></l>",
        "blocked_addresses": f"<l>{inner}</l>",
        "authentication": Authentication(f"<l>{inner}</l>"),
    }


def views_of(make_plan_between: PlanFactory, before: str, after: str) -> str:
    """All that is ever shown of a plan and of the difference of two states."""
    policy = Policy(parts=frozenset(PartName), replicate_auto_block_list=True)
    plan = make_plan_between(contents(before), contents(after), policy)
    guard = Guard(Limits(0, 0, 0, 0, 0, 0), block_widened_access=True)
    shown = preview(plan, guard, access_warnings(plan, "b1"))
    guarded = guard.apply(plan)
    own = {str(part.name): part.part.dump(part.own) for part in plan.parts if part.own is not None}
    wanted = {part.name: part.own if part.desired is None else part.desired for part in plan.parts}
    source = {str(part.name): part.part.dump(wanted[part.name]) for part in plan.parts if part.own is not None}
    difference = details(compared(own, source))
    return "\n".join(
        (
            json.dumps(asdict(shown.details)),
            render(shown.details, "b1", blocks=shown.blocks, access_increases=shown.access_increases),
            f"{shown.blocks} {shown.access_increases} {guarded.warnings}",
            *(part.settled.message for part in guarded.parts if part.settled),
            render_difference(difference, "one", "other"),
            json.dumps(asdict(difference)),
        )
    )


def placed_pair(kind: str, wrapped: str, pairs: Iterable[tuple[str, str]]) -> tuple[str, str]:
    before = "" if kind == "added" else "".join(wrapped.format(own) for own, _ in pairs)
    after = "" if kind == "removed" else "".join(wrapped.format(source) for _, source in pairs)
    if kind == "its context changed":
        after = after.replace("password", "comment").replace("Kennwort", "Note")
        for mark in MARKS:  # what nothing says any more to be a secret may be shown
            after = after.replace(mark, "harmless")
    return before, after


@pytest.mark.parametrize("name", [f"ldap://cn:{MARKS[0]}@dc.example/", f"--bindpw {MARKS[0]}"])
def test_the_name_of_a_directory_source_gives_no_secret_away(make_plan_between: PlanFactory, name: str) -> None:
    def sources(*names: str, enabled: bool = True) -> dict[str, Any]:
        listed = tuple(AuthenticationSource(enabled, one, "ldap", "") for one in names)
        return {"authentication": Authentication("<l/>", listed)}

    few, more, other = sources("a"), sources("a", name, "b"), sources("a", name, "b", enabled=False)
    for own, source in ((few, more), (more, few), (more, other)):
        plan = make_plan_between(own, source)
        view = (
            render(details(plan), "b1") + json.dumps(asdict(details(plan))) + str([one.changes for one in plan.parts])
        )
        assert MARKS[0] not in view
        assert "sources/(hidden 2)" in view


@pytest.mark.parametrize("kind", KINDS)
def test_a_planted_secret_is_in_no_view(make_plan_between: PlanFactory, kind: str) -> None:
    assert len(PLACES) > 500

    def shows(pairs: Sequence[tuple[str, str]], wrapped: str) -> bool:
        view = views_of(make_plan_between, *placed_pair(kind, wrapped, pairs))
        return any(mark in view for mark in MARKS)

    for batch, wrapped in zip(batched(PLACES, 24, strict=False), cycle(WRAPPED)):
        if shows(batch, wrapped):
            assert [own for own, other in batch if shows([(own, other)], wrapped)] == ["only all together"]
