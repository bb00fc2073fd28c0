"""What is deployed is the product alone: no double, no test, no script, nothing that only they use.

``sam build`` copies the folder ``functions`` as it is, so these tests look at that folder. What the built artifact
holds beside it is looked at where one is built, in tests/e2e/test_artifact.py.
"""

import ast
import re
import sys
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import grimp
import pytest

from local.build import FUNCTIONS, TEMPLATE

ROOMS = ("admin_api", "cerberus", "common", "fleet", "registry", "replication", "sync")
DATA = {"requirements.txt", "cerberus/Cerberus.wsdl", "cerberus/ns1.xsd", "cerberus/ns2.xsd"}
"""The files that are no program: the artifact's own list of libraries, and the description of Cerberus' service."""
MARKS = {f"{room}/py.typed" for room in ROOMS}
"""Empty files by which a type checker knows that the annotations of a package are meant for whoever imports it."""
DOUBLE = re.compile(r"_*(?:(?:Memory|Fake|Stub|Mock)(?![a-z])\w*|\w*Double)")
"""How doubles are called in this repository."""
OF_LAMBDA = {"boto3", "botocore"}
"""What the run time brings, and functions/requirements.txt leaves out."""


def files() -> dict[str, Path]:
    """All that is packaged, by its path in the artifact."""
    paths = (path for path in FUNCTIONS.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {path.relative_to(FUNCTIONS).as_posix(): path for path in sorted(paths)}


def trees() -> dict[str, ast.Module]:
    """All modules that are packaged, parsed."""
    return {name: ast.parse(path.read_text("utf-8")) for name, path in files().items() if path.suffix == ".py"}


def handlers() -> list[tuple[str, str]]:
    """Module and name of each function that Lambda calls, as the template says."""
    lines = re.findall(r"^ +Handler: (\S+)$", TEMPLATE.read_text("utf-8"), re.MULTILINE)
    return [(module, name) for module, _, name in (line.rpartition(".") for line in lines)]


def module_of(name: str) -> str:
    """The name under which the module of a file is imported."""
    return name.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


@pytest.fixture(scope="module")
def imports() -> grimp.ImportGraph:
    """What the packaged modules import when they run; what only type checkers follow is left out."""
    return grimp.build_graph(*ROOMS, include_external_packages=True, exclude_type_checking_imports=True, cache_dir=None)


def test_only_rooms_of_the_product_are_packaged_and_only_programs_in_them() -> None:
    programs = {name for name in files() if name.endswith(".py")}
    assert files().keys() - programs == DATA | MARKS
    assert {name.partition("/")[0] for name in programs} == set(ROOMS)
    assert {name: files()[name].read_text("utf-8") for name in MARKS} == dict.fromkeys(MARKS, "")


def test_no_packaged_class_is_a_double() -> None:
    classes = {
        f"{name}: {node.name}"
        for name, tree in trees().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
    }
    assert classes
    assert [name for name in classes if is_double(name.partition(": ")[2])] == []


def is_double(name: str) -> bool:
    """Whether a class of this name is a double."""
    return DOUBLE.fullmatch(name) is not None


@pytest.mark.parametrize("name", ["MemoryStore", "_FakeServer", "StubOfS3", "Mock", "Fake2", "StoreDouble"])
def test_the_name_of_a_double_is_seen(name: str) -> None:
    assert is_double(name)


@pytest.mark.parametrize("name", ["Memoryless", "DynamoStore", "StoredRun", "InMemory", "Doubled"])
def test_any_other_name_is_not(name: str) -> None:
    assert not is_double(name)


def test_no_packaged_module_is_a_program_for_a_person() -> None:
    for name, tree in trees().items():
        assert not name.endswith("__main__.py"), name
        asked = [node.lineno for node in ast.walk(tree) if isinstance(node, ast.Constant) and node.value == "__main__"]
        assert asked == [], name


def test_a_handler_needs_every_packaged_module(imports: grimp.ImportGraph) -> None:
    """So none is there for tests, for a generator of documentation or for nobody."""
    starts = {module for module, _ in handlers()}
    assert starts >= {"admin_api.app", "sync.app"}
    loaded = starts.union(*(imports.find_upstream_modules(start) for start in starts))
    loaded |= {name.rpartition(".")[0] for name in loaded}
    packaged = {module_of(name) for name in trees()}
    packages = {name for name in packaged if any(other.startswith(f"{name}.") for other in loaded)}
    assert packaged - packages - loaded == set()


def test_packaged_code_itself_uses_what_it_defines() -> None:
    """A function or class that only tests or tools use is theirs. What a decorator registers is used by it."""
    used = set(handlers())
    defined = set()
    for name, tree in trees().items():
        module = module_of(name)
        used |= set(used_elsewhere(tree))
        for node in tree.body:
            names = {inner.id for inner in ast.walk(node) if isinstance(inner, ast.Name)}
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                names.discard(node.name)
                if isinstance(node, ast.ClassDef) or not node.decorator_list:
                    defined.add((module, node.name))
            used |= {(module, name) for name in names}
    assert len(defined) > 500
    assert defined - used == set()


def used_elsewhere(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """Module and name of what a module takes from another: ``from module import name``, or ``module.name``."""
    modules = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                yield node.module, alias.name
                modules[alias.asname or alias.name] = f"{node.module}.{alias.name}"
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in modules:
            yield modules[node.value.id], node.attr


def test_packaged_code_imports_only_what_is_packaged_with_it(imports: grimp.ImportGraph) -> None:
    """So it needs no library for tests."""
    imported = {name for name in imports.modules if name.partition(".")[0] not in ROOMS}
    libraries = imported - sys.stdlib_module_names - OF_LAMBDA
    lines = (FUNCTIONS / "requirements.txt").read_text("utf-8").splitlines()
    pinned = {normalized(re.split(r"[\[=]", line)[0]) for line in lines if line and not line.startswith("#")}
    distributions = packages_distributions()
    assert libraries
    assert [name for name in libraries if pinned.isdisjoint(map(normalized, distributions.get(name, ())))] == []


def normalized(distribution: str) -> str:
    """The name of a distribution as package indexes compare it."""
    return re.sub(r"[-_.]+", "-", distribution).lower()
