"""Builds the deployed package: ``sam build``, then bytecode.

``sam build`` alone also makes a working artifact, but without bytecode, which Lambda cannot write to its read-only task
folder; every cold start would compile all libraries again. The bytecode is for the Python version that runs this
program, which is therefore the functions' runtime version.

Run it as ``python -m local.build``. The program does nothing if no source has changed since the last build.
"""

import argparse
import fcntl
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FUNCTIONS = ROOT / "functions"
TEMPLATE = ROOT / "infra" / "template.yaml"
BUILD = ROOT / ".aws-sam" / "build"
BUILT_TEMPLATE = BUILD / "template.yaml"
SAM = ROOT / ".tools" / "sam" / "bin" / "sam"

RUNTIME = f"python{sys.version_info.major}.{sys.version_info.minor}"
ARCHITECTURE = "arm64" if platform.machine() in ("aarch64", "arm64") else "x86_64"

# The file is inside BUILD. `sam build` empties that folder, so a build without
# bytecode never has this file.
_STAMP = BUILD / ".built-from"
# Packages that are not deployed: Lambda's run time has its own SDK, and libraries' test helpers are not needed.
_NOT_SHIPPED = ("boto3", "boto3-*", "botocore", "botocore-*", "s3transfer", "s3transfer-*", "*/tests", "**/__pycache__")


def build(architecture: str = ARCHITECTURE) -> Path:
    """Build both functions unless the existing build is of the same sources; return the path of the built template.

    Raises subprocess.CalledProcessError if a step fails, after its output was printed.
    """
    with build_lock(exclusive=True):
        sources = _digest(architecture)
        if _STAMP.is_file() and _STAMP.read_text() == sources:
            _say("The build is up to date.")
            return BUILT_TEMPLATE
        started = time.monotonic()
        _say(f"Building the functions for {RUNTIME} on {architecture} ...")
        _sam_build(architecture)
        for artifact in sorted(path for path in BUILD.iterdir() if path.is_dir()):
            _prune(artifact)
            _compile(artifact)
            _say(f"  {artifact.name}: {_megabytes(artifact):.0f} MB unpacked, bytecode included (Lambda takes 250)")
        _STAMP.write_text(sources)
        _say(f"Built in {time.monotonic() - started:.0f} s.")
        return BUILT_TEMPLATE


@contextmanager
def build_lock(*, exclusive: bool) -> Iterator[None]:
    """A lock for building (exclusive) or reading the build, so that no partial build is deployed."""
    BUILD.parent.mkdir(exist_ok=True)
    with (BUILD.parent / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH)
        yield


def sam_environment() -> dict[str, str]:
    """The environment for the SAM CLI: this Python is first in PATH, because the SAM CLI builds with it."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    return {**os.environ, "PATH": path, "SAM_CLI_TELEMETRY": "0"}


def _sam_build(architecture: str) -> None:
    parameters = [f"Runtime={RUNTIME}", f"Architecture={architecture}"]
    subprocess.run(
        [SAM, "build", "--template-file", TEMPLATE, "--cached", "--parallel", "--parameter-overrides", *parameters],
        cwd=ROOT,
        env=sam_environment(),
        stdin=subprocess.DEVNULL,
        check=True,
    )


def _prune(artifact: Path) -> None:
    for pattern in _NOT_SHIPPED:
        for path in list(artifact.glob(pattern)):
            shutil.rmtree(path)


def _compile(artifact: Path) -> None:
    # Unchecked bytecode, because sources cannot change in a deployed artifact. One process and a fixed seed, because
    # bytecode depends on earlier compilations in the process and on the order of sets. So the same sources give the
    # same bytes, and both functions share one upload.
    command: list[str | Path] = [sys.executable, "-m", "compileall", "-q"]
    command += ["--invalidation-mode", "unchecked-hash", "-s", artifact, "-p", "/var/task", artifact]
    subprocess.run(command, env={**os.environ, "PYTHONHASHSEED": "0"}, stdin=subprocess.DEVNULL, check=True)


def _digest(architecture: str) -> str:
    """A hash of all sources of a build."""
    digest = hashlib.sha256(f"{RUNTIME} {architecture}".encode())
    sources = (path for path in FUNCTIONS.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    for path in sorted([*sources, TEMPLATE, Path(__file__)]):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(ROOT)} {len(content)}\n".encode())
        digest.update(content)
    return digest.hexdigest()


def _megabytes(folder: Path) -> float:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 2**20


def _say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description="Build the functions: sam build, then bytecode.")
    arguments.add_argument("--architecture", choices=("x86_64", "arm64"), default=ARCHITECTURE)
    build(arguments.parse_args().architecture)
