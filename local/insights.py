"""CloudWatch Logs Insights with the commands that the dashboard's queries use; any other input is an error.

After "CloudWatch Logs Insights language query syntax" and "Supported logs and discovered fields": nested fields are
named with dots, elements of a list by their index.
"""

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

type Row = dict[str, Any]


def ask(query: str, lines: Iterable[str]) -> list[Row]:
    """The rows of a query's result, from the lines of one log in order. Raises ValueError for an unsupported
    command.
    """
    rows = [_discovered(number, line) for number, line in enumerate(lines)]
    for command in query.split(" | "):
        word, _, rest = command.strip().partition(" ")
        match word:
            case "SOURCE":
                pass
            case "filter":
                rows = [row for row in rows if all(_holds(part, row) for part in rest.split(" and "))]
            case "fields":
                rows = [{name: row.get(name) for name in _names(rest)} for row in rows]
            case "stats":
                rows = list(_stats(rest, rows))
            case "sort":
                field, direction = rest.split()
                rows = sorted(rows, key=lambda row: row[field], reverse=direction == "desc")
            case "limit":
                rows = rows[: int(rest)]
            case _:
                raise ValueError(f"unknown command {word}")
    return rows


def _discovered(number: int, line: str) -> Row:
    row: Row = {"@timestamp": number, "@message": line}
    try:
        content = json.loads(line)
    except ValueError:
        return row
    return row | dict(_flat("", content))


def _flat(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else None
    if inner is None:
        yield name, value
        return
    for key, each in inner:
        yield from _flat(f"{name}.{key}" if name else str(key), each)


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",")]


def _holds(condition: str, row: Row) -> bool:
    if match := re.fullmatch(r"ispresent\(([\w.@]+)\)", condition):
        return match[1] in row
    if match := re.fullmatch(r'([\w.@]+) (=|!=) "([^"]*)"', condition):
        name, operator, value = match.groups()
        return name in row and (row[name] == value) == (operator == "=")
    raise ValueError(f"unknown condition {condition}")


def _stats(text: str, rows: list[Row]) -> Iterator[Row]:
    aggregates, _, by = text.partition(" by ")
    groups: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        groups.setdefault(tuple(row.get(name) for name in _names(by)), []).append(row)
    for key, members in groups.items():
        yield dict(zip(_names(by), key, strict=True)) | {
            label: _aggregate(expression, members)
            for expression, label in (each.split(" as ") for each in _names(aggregates))
        }


def _aggregate(expression: str, rows: list[Row]) -> Any:
    if expression == "count(*)":
        return len(rows)
    if match := re.fullmatch(r"latest\(([\w.@]+)\)", expression):
        return next((row[match[1]] for row in reversed(rows) if match[1] in row), None)
    raise ValueError(f"unknown aggregate {expression}")
