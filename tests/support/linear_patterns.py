"""Whether a regular expression takes a time that grows no faster than the text it runs over, by its parsed form.

A backtracking matcher is linear where every choice is settled by the next
character: whether a repetition goes on, which branch is taken. Outside of
repetitions a choice may be open where it is bounded; ``work`` is how many ways
that makes at the most. An expression that is looked for within a text begins
anew at every character, so there no repetition may be without a bound, unless
what it takes is not looked at again from a later beginning.
"""

import re
import re._constants as codes  # type: ignore[import-not-found]
import re._parser as parser  # type: ignore[import-not-found]
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

_SAMPLE = frozenset(map(chr, [*range(0x250), 0x3C2, 0x430, 0x5D0, 0x660, 0x4E2D, 0x2028, 0x212A, 0xFEFF, 0x1F600]))
"""Characters that stand for all: what two sets have in common is among these."""
_CLASSES = {
    codes.CATEGORY_DIGIT: r"\d",
    codes.CATEGORY_NOT_DIGIT: r"\D",
    codes.CATEGORY_SPACE: r"\s",
    codes.CATEGORY_NOT_SPACE: r"\S",
    codes.CATEGORY_WORD: r"\w",
    codes.CATEGORY_NOT_WORD: r"\W",
}

MOST_WORK = 5_000
"""Open choices, multiplied, that an expression may have from one beginning."""
LONGEST_TRY = 1_100
"""Characters that one which is looked for within a text may read from one beginning."""

type Node = tuple[Any, Any]
type Chars = frozenset[str]


class NotLinear(Exception):
    """The expression can take more than linear time; the text says by what."""


def check_linear(pattern: re.Pattern[str] | re.Pattern[bytes], *, within: bool) -> int:
    """The open choices of an expression. ``within``: it is looked for anywhere in a text. Raises NotLinear."""
    expression = pattern.pattern if isinstance(pattern.pattern, str) else pattern.pattern.decode("latin-1")
    flags = pattern.flags & ~re.UNICODE if isinstance(pattern.pattern, bytes) else pattern.flags
    judge = _Judge(flags)
    nodes = list(parser.parse(expression, flags))
    work = judge.check_work(judge.work(nodes, frozenset(), in_loop=False))
    if within:
        judge.check_beginnings(nodes)
    return work


@dataclass(frozen=True)
class _Start:
    """The characters something may begin with, and whether it may be empty."""

    chars: Chars
    may_be_empty: bool


class _Judge:
    def __init__(self, flags: int) -> None:
        self._flags = flags
        self._sets: dict[tuple[Any, str], Chars | None] = {}

    # Sets of characters

    def _set(self, node: Node) -> Chars | None:
        """The characters of a node for exactly one; None for any other."""
        code, value = node
        if code in (codes.IN, codes.LITERAL, codes.NOT_LITERAL):
            key = (code, str(value))
            if key not in self._sets:
                self._sets[key] = self._made_set(node)
            return self._sets[key]
        return self._made_set(node)

    def _made_set(self, node: Node) -> Chars | None:
        code, value = node
        if code is codes.LITERAL:
            return self._cased(frozenset(chr(value)))
        if code is codes.NOT_LITERAL:
            return _SAMPLE - self._cased(frozenset(chr(value)))
        if code is codes.ANY:
            return _SAMPLE if self._flags & re.DOTALL else _SAMPLE - {"\n"}
        if code is codes.IN:
            chosen: set[str] = set()
            is_negated = False
            for kind, one in value:
                if kind is codes.NEGATE:
                    is_negated = True
                elif kind is codes.LITERAL:
                    chosen.add(chr(one))
                elif kind is codes.RANGE:
                    chosen |= {char for char in _SAMPLE if one[0] <= ord(char) <= one[1]}
                else:
                    form = re.compile(_CLASSES[one], self._flags & re.ASCII)
                    chosen |= {char for char in _SAMPLE if form.match(char)}
            cased = self._cased(frozenset(chosen))
            return _SAMPLE - cased if is_negated else cased
        return None

    def _cased(self, chars: Chars) -> Chars:
        if not self._flags & re.IGNORECASE:
            return chars
        return chars | {other for char in chars for other in (char.lower(), char.upper()) if len(other) == 1}

    def _start(self, nodes: Sequence[Node]) -> _Start:
        chars: Chars = frozenset()
        for node in nodes:
            one = self._start_of(node)
            chars |= one.chars
            if not one.may_be_empty:
                return _Start(chars, may_be_empty=False)
        return _Start(chars, may_be_empty=True)

    def _start_of(self, node: Node) -> _Start:
        code, value = node
        if (chars := self._set(node)) is not None:
            return _Start(chars, may_be_empty=False)
        if code in _REPEATS:
            inner = self._start(value[2])
            return _Start(inner.chars, may_be_empty=value[0] == 0 or inner.may_be_empty)
        if code is codes.BRANCH:
            starts = [self._start(branch) for branch in value[1]]
            return _Start(frozenset().union(*(one.chars for one in starts)), any(one.may_be_empty for one in starts))
        if code in (codes.SUBPATTERN, codes.ATOMIC_GROUP):
            return self._start(_inside(node))
        if code in (codes.AT, codes.ASSERT, codes.ASSERT_NOT):
            return _Start(frozenset(), may_be_empty=True)
        return _Start(_SAMPLE, may_be_empty=True)  # what an earlier group held

    def _read(self, nodes: Sequence[Node]) -> Chars:
        """All characters that may be read in any of the nodes."""
        chars: Chars = frozenset()
        for node in nodes:
            code, value = node
            if (own := self._set(node)) is not None:
                chars |= own
            elif code in _REPEATS:
                chars |= self._read(value[2])
            elif code is codes.BRANCH:
                chars = chars.union(*(self._read(branch) for branch in value[1]))
            elif code in (codes.SUBPATTERN, codes.ATOMIC_GROUP):
                chars |= self._read(_inside(node))
            elif code is codes.ASSERT or code is codes.ASSERT_NOT:
                chars |= self._read(value[1])
            elif code is not codes.AT:
                chars = _SAMPLE
        return chars

    # Choices

    def check_work(self, work: int) -> int:
        """The same; raises NotLinear for too many open choices."""
        if work > MOST_WORK:
            raise NotLinear(f"{work} ways from one beginning")
        return work

    def work(self, nodes: Sequence[Node], follow: Chars, *, in_loop: bool) -> int:
        """How many ways there are through the nodes at the most, where ``follow`` may come behind them."""
        work = 1
        for position, node in enumerate(nodes):
            rest = self._start(nodes[position + 1 :])
            after = rest.chars | follow if rest.may_be_empty else rest.chars
            work *= self._work_of(node, after, in_loop=in_loop)
        return work

    def _work_of(self, node: Node, after: Chars, *, in_loop: bool) -> int:
        code, value = node
        if code in _REPEATS:
            return self._work_of_repeat(node, after, in_loop=in_loop)
        if code is codes.BRANCH:
            return self._work_of_branches(value[1], after, in_loop=in_loop)
        if code is codes.ATOMIC_GROUP:  # what it has taken is not looked at again
            self.check_work(self.work(_inside(node), frozenset(), in_loop=False))
            return 1
        if code is codes.SUBPATTERN:
            return self.work(_inside(node), after, in_loop=in_loop)
        if code in (codes.ASSERT, codes.ASSERT_NOT):
            return self.work(value[1], frozenset(), in_loop=in_loop)
        return 1

    def _work_of_repeat(self, node: Node, after: Chars, *, in_loop: bool) -> int:
        code, (least, most, body) = node
        start = self._start(body)
        is_loop, is_choice = most > 1, least < most
        if is_loop and start.may_be_empty:
            raise NotLinear("what repeats may be empty")
        is_possessive = code is codes.POSSESSIVE_REPEAT
        behind = (start.chars if is_loop else frozenset()) | after
        inner = self.work(body, behind, in_loop=(in_loop or is_loop) and not is_possessive)
        if is_loop and inner > 1 and not is_possessive:
            raise NotLinear("a repetition inside of another one leaves open where it ends")
        if not is_choice or is_possessive or not start.chars & after:
            return inner
        if most is codes.MAXREPEAT:
            raise NotLinear("a repetition without a bound overlaps with what follows")
        if in_loop:
            raise NotLinear("a repetition inside of another one overlaps with what follows")
        return int(inner * (most - least + 1))

    def _work_of_branches(self, branches: Sequence[Sequence[Node]], after: Chars, *, in_loop: bool) -> int:
        works = [self.work(branch, after, in_loop=in_loop) for branch in branches]
        starts = [self._start(branch) for branch in branches]
        reached = [start.chars | after if start.may_be_empty else start.chars for start in starts]
        is_open = any(one & other for one, other in combinations(reached, 2))
        if is_open and in_loop:
            raise NotLinear("branches inside of a repetition begin alike")
        return sum(works) if is_open else max(works)

    # Beginnings

    def check_beginnings(self, nodes: Sequence[Node]) -> None:
        """Raise NotLinear if what was read from one beginning may be read again from many later ones."""
        if len(nodes) == 1 and nodes[0][0] is codes.BRANCH:
            for branch in nodes[0][1][1]:
                self.check_beginnings(list(branch))
            return
        last = max((n for n, node in enumerate(nodes) if _is_unbounded([node])), default=-1)
        if last < 0:
            if (longest := _longest(nodes)) > LONGEST_TRY:
                raise NotLinear(f"{longest} characters are read from one beginning")
            return
        if last == len(nodes) - 1 and not _is_unbounded(nodes[:last]) and _cannot_fail(nodes[last]):
            return
        taken = self._read(nodes[: last + 1])
        guard = next((node for node in nodes[:1] if node[0] is codes.ASSERT_NOT and node[1][0] < 0), None)
        if guard is not None and taken <= self._read(guard[1][1]):
            return  # it begins once in each run of such characters
        first = self._set(nodes[0])
        if first is not None and not first & self._read(nodes[1 : last + 1]):
            return  # it reads on to the next place where it could begin, and no further
        raise NotLinear("a repetition without a bound is begun anew at every character")


_REPEATS = (codes.MAX_REPEAT, codes.MIN_REPEAT, codes.POSSESSIVE_REPEAT)


def _inside(node: Node) -> Sequence[Node]:
    code, value = node
    return list(value[3] if code is codes.SUBPATTERN else value)


def _parts(node: Node) -> list[Sequence[Node]]:
    code, value = node
    if code in _REPEATS:
        return [list(value[2])]
    if code is codes.BRANCH:
        return [list(branch) for branch in value[1]]
    if code in (codes.SUBPATTERN, codes.ATOMIC_GROUP):
        return [_inside(node)]
    if code in (codes.ASSERT, codes.ASSERT_NOT):
        return [list(value[1])]
    return []


def _cannot_fail(node: Node) -> bool:
    """Whether a last repetition ends the match once one character of it has been read."""
    while node[0] is codes.SUBPATTERN and len(_inside(node)) == 1:
        node = _inside(node)[0]
    return node[0] in _REPEATS and node[1][0] <= 1 and not _is_unbounded(node[1][2])


def _is_unbounded(nodes: Sequence[Node]) -> bool:
    return any(
        (node[0] in _REPEATS and node[1][1] is codes.MAXREPEAT) or any(map(_is_unbounded, _parts(node)))
        for node in nodes
    )


def _longest(nodes: Sequence[Node]) -> int:
    """Characters that the nodes read at the most, where nothing in them is without a bound."""
    total = 0
    for node in nodes:
        inner = max((_longest(part) for part in _parts(node)), default=1)
        total += inner * node[1][1] if node[0] in _REPEATS else inner
    return total
