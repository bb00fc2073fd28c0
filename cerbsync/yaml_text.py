"""YAML in the few forms that a fleet file needs, with the line of every value, and bounded.

This module is separate from ``fleet_file``, because it knows YAML and nothing of a fleet. PyYAML reads YAML 1.1, in
which ``no`` is a truth value and ``12:30`` is a number. Here only ``true``, ``false``, ``null`` and plain numbers are
not text.
"""

import re
from collections.abc import Iterator
from typing import Any

import yaml

LARGEST = 1_000_000
"""Characters. A fleet file with 1,000 backups, each with its lists, has about half of it."""
_DEEPEST = 8

type Path = tuple[str | int, ...]


class YamlError(Exception):
    """The text is not a document that a fleet file may be. ``line`` counts from 1, and is 0 if none is to blame."""

    def __init__(self, message: str, line: int = 0) -> None:
        super().__init__(message)
        self.message = message
        self.line = line


class _Loader(yaml.SafeLoader):
    """A safe loader, with the truth values and numbers of YAML 1.2 alone."""


_Loader.yaml_implicit_resolvers = {}
for _tag, _pattern, _first in (
    ("bool", r"true|false", "tf"),
    ("null", r"null|~|", "n~"),
    ("int", r"[-+]?[0-9]{1,15}", "-+0123456789"),
    ("float", r"[-+]?[0-9]{1,15}\.[0-9]{1,15}", "-+0123456789"),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(f"^(?:{_pattern})$"), list(_first))
_Loader.yaml_implicit_resolvers.setdefault("", []).append(("tag:yaml.org,2002:null", re.compile("^$")))


def parsed(text: str) -> tuple[Any, dict[Path, int]]:
    """The document, and the line of each of its values by path. Raises YamlError."""
    if len(text) > LARGEST:
        raise YamlError(f"it has more than {LARGEST:,} characters")
    try:
        for event in yaml.parse(text, Loader=_Loader):
            if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
                line = event.start_mark.line + 1 if event.start_mark else 0
                raise YamlError("anchors and aliases (& and *) are not supported", line)
        root = yaml.compose(text, Loader=_Loader)
        if root is None:
            raise YamlError("it is empty")
        lines = dict(_lines(root, (), 0))
        return yaml.load(text, Loader=_Loader), lines  # noqa: S506 # the loader is a SafeLoader
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise YamlError(error.problem or "it is not YAML", mark.line + 1 if mark else 0) from None
    except (yaml.YAMLError, RecursionError, ValueError, OverflowError):
        raise YamlError("it is not YAML, or holds characters that YAML does not allow") from None


def _lines(node: yaml.Node, path: Path, depth: int) -> Iterator[tuple[Path, int]]:
    line = node.start_mark.line + 1
    if depth > _DEEPEST:
        raise YamlError(f"it is nested more than {_DEEPEST} levels deep", line)
    yield path, line
    if isinstance(node, yaml.MappingNode):
        seen = set()
        for key, value in node.value:
            at = key.start_mark.line + 1
            if not isinstance(key, yaml.ScalarNode):
                raise YamlError("a key has to be a text", at)
            if key.value in seen:
                raise YamlError(f"{key.value} is there twice", at)
            seen.add(key.value)
            yield (*path, key.value), at
            for deeper, number in _lines(value, (*path, key.value), depth + 1):
                if deeper != (*path, key.value):
                    yield deeper, number
    elif isinstance(node, yaml.SequenceNode):
        for number, entry in enumerate(node.value):
            yield from _lines(entry, (*path, number), depth + 1)


class _Dumper(yaml.SafeDumper):
    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        """Indent the entries of a list below its key, as people write them."""
        del indentless
        super().increase_indent(flow, False)


def _text_node(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    """A text as the loader above reads it back: quoted where it would be no text, a block where it has lines."""
    style = "|" if "\n" in value else None
    if style is None and (value == "" or any(_reads_otherwise(value, pattern) for pattern in _PATTERNS)):
        style = '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


_PATTERNS = (re.compile(r"^(?:true|false|null|~)$"), re.compile(r"^[-+]?[0-9][0-9.]*$"))


def _reads_otherwise(value: str, pattern: re.Pattern[str]) -> bool:
    return pattern.match(value) is not None


_Dumper.add_representer(str, _text_node)


def dumped(document: object) -> str:
    """The document as YAML, in the order of its keys."""
    return yaml.dump(document, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100, default_flow_style=False)
