"""The session in docs/api.md, typed as it stands there."""

import json
import re
import subprocess
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from common.version import VERSION
from local.build import ROOT
from local.cloud import LocalCloud
from local.fleet import PRIMARY, password_of, start_servers

GUIDE = ROOT / "docs" / "api.md"
BACKUP = "guide-backup"


def test_every_command_of_the_guide_does_what_it_says(cloud: LocalCloud, tmp_path: Path) -> None:
    commands = re.findall(r"^```sh\n(.*?)^```", GUIDE.read_text(), re.DOTALL | re.MULTILINE)
    assert len(commands) == 8
    outputs = cloud.deploy("guide", {"AllowedNetworks": "127.0.0.0/8", "SyncEnabled": "false"})
    with ExitStack() as stack:
        servers = start_servers(stack, (BACKUP,), users=5, groups=2)
        primary, backup = servers.primary, servers.backups[BACKUP]
        backup.drift("set_mime", extension="pdf", kind="text/plain")
        environment = {
            **cloud.environment,
            "PATH": "/usr/bin:/bin",
            "API": f"{cloud.endpoint}/restapis/{outputs['ApiId']}/v1/_user_request_",
            "PRIMARY_HOST": primary.host,
            "PRIMARY_PORT": str(primary.port),
            "PRIMARY_PASSWORD": password_of(PRIMARY),
            "PRIMARY_FINGERPRINT": primary.fingerprint,
            "BACKUP_HOST": backup.host,
            "BACKUP_PORT": str(backup.port),
            "BACKUP_PASSWORD": password_of(BACKUP),
            "BACKUP_FINGERPRINT": backup.fingerprint,
        }
        script = "set -e\n" + 'printf "\\0"\n'.join(commands)
        done = subprocess.run(  # noqa: S603 # the guide's own commands
            ["/bin/bash", "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert servers.differences(BACKUP) == []
    answers = [_documents(text) for text in done.stdout.split("\0")]
    health, seen, pinned, registered, dry, run, settings, imported = answers
    assert health == [{"status": "ok", "version": VERSION}]
    assert seen[0]["check"]["certificate"]["fingerprint"] == primary.fingerprint
    assert not seen[0]["check"]["passed"]
    assert pinned[0]["check"]["passed"]
    assert registered[0]["check"]["passed"]
    assert registered[1]["passed"]
    assert dry[0]["results"][0]["status"] == "drifted"
    assert run[0]["results"][0]["status"] == "updated"
    assert run[1]["last_result"]["verified_at"]
    assert (settings[0]["enabled"], settings[0]["interval_minutes"]) == (True, 10)
    assert imported[0]["backups"][0]["action"] == "needs_password"


def _documents(text: str) -> list[Any]:
    """The JSON documents of an output, one after the other."""
    decoder, documents, position = json.JSONDecoder(), [], 0
    while position < len(text.rstrip()):
        document, position = decoder.raw_decode(text, position + len(text[position:]) - len(text[position:].lstrip()))
        documents.append(document)
    return documents
