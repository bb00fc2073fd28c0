"""What each limit on a server's answers costs: peak memory and steps of an answer that goes exactly up to it.

``python -m benchmarks.limits`` measures, and writes the table into docs/limits.md.
"""

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from xml.sax.saxutils import escape

from benchmarks.__main__ import put
from benchmarks.measuring import AS_DEPLOYED, ROOT, in_own_process, machine, peak_bytes, table
from common import budgets
from common.budgets import MEGABYTE
from common.errors import Reason
from local.fakes.hostile import GROUPS, OTHERS, USERS, HostileServer, enveloped, filled, read
from replication.parts.base import Document, ListDocument
from tests.support.steps import steps

NAME = "limits"
DOCUMENT = ROOT / "docs" / "limits.md"


@dataclass(frozen=True)
class Limit:
    """One limit: how the page says its size, its reason, and the reading of what goes exactly up to it."""

    size: str
    reason: Reason
    at_it: Callable[[], object]


def size(number: int) -> str:
    """A number as the page says it."""
    return f"{number // MEGABYTE} MB" if number >= MEGABYTE and number % MEGABYTE == 0 else f"{number:,}"


def _typed() -> object:
    padding = "x" * (budgets.TYPED_REPLY - 2000)
    body = enveloped("GetFeatures", f"<ns1:more>{padding}</ns1:more><ns1:Features/>")
    return read("GetFeatures", body, budgets.TYPED)


def _list() -> object:
    server = HostileServer({})
    names = "".join(f"<ns1:UserList>u{n}</ns1:UserList>" for n in range(budgets.LIST_REPLY // 40))
    names_read = read("GetUserList", enveloped("GetUserList", names), server.budgets.of("GetUserList"))
    return names_read, server.mime_mappings()


def _settings(kind: str, tree: int = budgets.TREE) -> object:
    """Read, compared, and taken apart by values."""
    return _documented(filled(*OTHERS[kind], replace(budgets.ONE_DOCUMENT, tree=tree)))


def _documented(text: str) -> object:
    body = enveloped("GetConfiguration", f"<ns1:data>{escape(text)}</ns1:data>")
    document = Document(read("GetConfiguration", body, budgets.ONE_DOCUMENT)["data"], "settings", "b1")
    return document.digest, document.values


def _listed(
    operation: str, content: tuple[str, Callable[[int], str], str], hint: str, *, is_plain: bool = True
) -> object:
    """Read and taken apart as a list of users or groups."""
    budget = HostileServer({}).budgets.of(operation)
    text = filled(*content, replace(budget, tree=budgets.ANY_SIZE) if is_plain else budget)
    body = enveloped(operation, f"<ns1:data>{escape(text)}</ns1:data>")
    del text
    return ListDocument(read(operation, body, budget)["data"], "users", "b1", hint, budget.tree).digest


def _nested(inner: str, depth: int = budgets.DEPTH - 1, tag: str = "a") -> str:
    return f"<{tag}>" * depth + inner + f"</{tag}>" * depth


def _long_paths() -> object:
    depth, tag = budgets.DEPTH // 2, "n" * (budgets.NAME - 2)
    each = depth * (len(tag) + 88)
    leaves = "".join(f"<v>{n}</v>" for n in range(int(0.95 * budgets.PATHS / each)))
    return _documented(_nested(leaves, depth, tag))


def _namespaces() -> object:
    address = "u" * (budgets.NAMESPACE - 4)
    declared = "".join(f" xmlns:p{n}='{address}{n}'" for n in range(8))
    count = budgets.CANONICAL // (8 * (budgets.NAMESPACE + 16))
    return _documented(f"<a{declared}>{'<v>p0: p1: p2: p3: p4: p5: p6: p7:</v>' * count}</a>")


LIMITS: dict[str, Limit] = {
    "an answer in typed fields": Limit(size(budgets.TYPED_REPLY), Reason.REPLY_TOO_LARGE, _typed),
    "a typed list: names, MIME types": Limit(size(budgets.LIST_REPLY), Reason.REPLY_TOO_LARGE, _list),
    "a document, but for users and groups": Limit(
        size(budgets.DOCUMENT), Reason.REPLY_TOO_LARGE, lambda: _settings("one text")
    ),
    "users of a backup": Limit(
        f"{size(budgets.USERS)}, or {budgets.BESIDE_PRIMARY} times the primary's",
        Reason.REPLY_TOO_LARGE,
        lambda: _listed("GetProfiles", USERS["users"], "user"),
    ),
    "groups of a backup": Limit(
        f"{size(budgets.GROUPS)}, or {budgets.BESIDE_PRIMARY} times the primary's",
        Reason.REPLY_TOO_LARGE,
        lambda: _listed("GetGroups", GROUPS, "group"),
    ),
    "users or groups in number": Limit(
        f"{size(budgets.ITEMS)}, or one for each {budgets.ITEM} bytes",
        Reason.REPLY_TOO_COMPLEX,
        lambda: _listed("GetProfiles", USERS["short users"], "user"),
    ),
    "the parser's tree of a document": Limit(size(budgets.TREE), Reason.REPLY_TOO_COMPLEX, lambda: _settings("values")),
    "the parser's tree of settings": Limit(
        size(budgets.SETTINGS_TREE), Reason.REPLY_TOO_COMPLEX, lambda: _settings("values", budgets.SETTINGS_TREE)
    ),
    "the parser's tree of a list of users or groups": Limit(
        f"{size(budgets.LIST_TREE)}, or {budgets.TREE_TO_SIZE} times the primary's",
        Reason.REPLY_TOO_COMPLEX,
        lambda: _listed("GetProfiles", USERS["no plain list"], "user", is_plain=False),
    ),
    "elements inside elements": Limit(
        size(budgets.DEPTH), Reason.REPLY_TOO_COMPLEX, lambda: _documented(_nested("<v>1</v>"))
    ),
    "attributes of one element": Limit(
        size(budgets.ATTRIBUTES),
        Reason.REPLY_TOO_COMPLEX,
        lambda: _documented(f"<a {' '.join(f'a{n}="1"' for n in range(budgets.ATTRIBUTES))}/>"),
    ),
    "characters of a name": Limit(
        size(budgets.NAME), Reason.REPLY_TOO_COMPLEX, lambda: _documented(f"<a><{'n' * budgets.NAME}/></a>")
    ),
    "characters of a namespace's address": Limit(
        size(budgets.NAMESPACE),
        Reason.REPLY_TOO_COMPLEX,
        lambda: _documented(f"<a xmlns='{'u' * budgets.NAMESPACE}'/>"),
    ),
    "namespaces declared at one place": Limit(
        size(budgets.NAMESPACES),
        Reason.REPLY_TOO_COMPLEX,
        lambda: _documented(f"<a{''.join(f' xmlns:p{n}="u"' for n in range(budgets.NAMESPACES))}/>"),
    ),
    "characters of all paths of a document": Limit(size(budgets.PATHS), Reason.REPLY_TOO_COMPLEX, _long_paths),
    "characters of the text by which it is compared": Limit(
        size(budgets.CANONICAL), Reason.REPLY_TOO_COMPLEX, _namespaces
    ),
    "comments and instructions before the first element": Limit(
        size(budgets.PROLOG),
        Reason.REPLY_TOO_COMPLEX,
        lambda: _documented("<!-- -->" * budgets.PROLOG + "<a/>"),
    ),
    "bytes of an XML declaration": Limit(
        size(budgets.DECLARATION),
        Reason.DOCUMENT_MALFORMED,
        lambda: _documented(f"<?xml version='1.0'{' ' * (budgets.DECLARATION - 30)}?><a/>"),
    ),
}


def measure() -> str:
    """The table. Raises RuntimeError when an answer at a limit is refused."""
    rows = []
    for what, limit in LIMITS.items():
        figures = in_own_process("benchmarks.limits", what, **AS_DEPLOYED)
        rows.append((what, limit.size, f"`{limit.reason}`", f"{figures['peak'] / 1e6:.0f}", f"{figures['steps']:,}"))
    heads = ("what", "limit", "beyond it", "peak MB at it", "steps at it")
    caption = (
        "The peak is what the process takes for such an answer, beyond the program: the reply, what is in it, its "
        "tree, and what is made of it to compare it. A step is a call of a function, Python's or its libraries'."
    )
    return f"{caption}\n\n{table(heads, rows)}\n\nMeasured on {machine()}."


def main() -> None:
    """In a process of its own, measure one limit; otherwise all of them, and write them down."""
    if not sys.stdin.isatty() and (asked := sys.stdin.readline()):
        limit = LIMITS[json.loads(asked)]
        read("GetProfiles", enveloped("GetProfiles", "<ns1:data>a</ns1:data>"), budgets.TYPED)
        before = peak_bytes()
        limit.at_it()
        peak = peak_bytes() - before
        print(json.dumps({"peak": peak, "steps": steps(limit.at_it)}))
        return
    content = measure()
    print(content)
    DOCUMENT.write_text(put(DOCUMENT.read_text("utf-8"), NAME, content), "utf-8")


if __name__ == "__main__":
    main()
