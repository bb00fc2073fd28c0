"""The plan in README.md is the one that the program makes of the demo's drifted backup."""

import textwrap
from collections.abc import Callable
from typing import Any

from local import demo
from local.build import ROOT
from local.cerberus import LocalServer, Machine, drift, generate

HASH = "5f70bf18a0860070" * 4
"""The hash of examples: the true one is another with every change of a keep pattern."""


def test_the_plan_in_the_readme_is_what_the_program_says(
    gateway: Any, registration: Callable[[LocalServer], dict[str, Any]]
) -> None:
    def made(name: str) -> LocalServer:
        return LocalServer(generate(1, users=demo.USERS, groups=demo.GROUPS, machine=Machine.named(name)))

    with made("primary") as primary, made(demo.DRIFTED) as backup:
        drift.everywhere(backup.state)
        gateway.call("PUT", "/primary", registration(primary))
        gateway.call("POST", "/backups", {"id": demo.DRIFTED, **registration(backup)})
        status, plan = gateway.call("GET", f"/backups/{demo.DRIFTED}/plan")
    assert status == 200, plan
    text = plan["text"].strip().replace(f"(127.0.0.1:{backup.port})", "(127.0.0.1:8443)")
    text = text.replace(plan["hash"], HASH)
    assert textwrap.indent(text, "    ") in (ROOT / "README.md").read_text(encoding="utf-8")
