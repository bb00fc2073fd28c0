"""Compares two sets of rights: does the new set give more rights?

A set is written as a number whose bits are rights, as letters, as words, or as letters or words with a sign: ``+r -w``,
``R+W-``, ``read,!delete``, ``delete=false``. In ``YNNY`` each position is a right; ``rw-r--r--`` has the rights of
user, group and others. A right that is no longer refused counts as an additional right. ``*`` and ``-1`` mean all
rights. A one-digit number may also be a level, and it is unknown whether a higher level gives more. A number with a
leading zero is octal (``0755``). Three or four octal digits without a leading zero are ambiguous and are read both
ways.
"""

from dataclasses import dataclass

from common.patterns import Whole, Within
from replication.guards.access_scales import Change, Verdict, said
from replication.guards.access_words import is_known, meanings

_ALL = frozenset({"all", "full", "everything", "fullcontrol", "any", "unlimited", "admin"})
_NOTHING = frozenset({"", "none", "nothing", "no", "noaccess", "0", "off", "false"})
_SEVERAL = {
    "readonly": frozenset({"read", "list"}),
    "readwrite": frozenset({"read", "list", "write"}),
    "writeonly": frozenset({"write"}),
    "change": frozenset({"read", "list", "write", "delete"}),
    "modify": frozenset({"read", "list", "write", "delete"}),
}
_ALL_SIGNS = Whole(r"\.*[*%][*.%]*")
_NO_SIGNS = Whole(r"[-_.\s]*")
_RUNS_OF_SIGNS = Within(r"[-_.\s]+")
_ONE_DIGIT = Whole(r"[0-9]")
_LETTERS = Whole(r"(?=[^a-zA-Z]*[a-zA-Z])(?:[A-Z_.-]{1,16}|[rwxdlcm_.-]{1,12}|[rw]o)")
_OF_LETTERS = {"ro": "r", "wo": "w"}
"""Abbreviations of *read only* and *write only*, each with the letter of its right."""
_POSITIONS = Whole(r"[dl-]?(?:[r-][w-][xsStT-]){3}|(?:[r-][w-][xsStT-]){1,2}")
_FLAGS = Whole(r"[YNyn]{2,}|[TFtf]{2,}")
_BITS = Whole(r"[01]{3,64}")
_REFUSING = Within(r"(?i)(?<![=\w])(?:no|not|never|without|deny|except)[\s-]{1,64}(?=[A-Za-z])")
_SIGN_AFTER = Whole(r"(?:[A-Za-z]+[+-])+")
_SIGN_BEFORE = Whole(r"(?:[+-][A-Za-z]+)+")
_SIGNED = Within(r"([+-])([A-Za-z]+)|(?<![A-Za-z])([A-Za-z]+)([+-])")
_ASSIGNED = Within(r"\"? ?[:=] ?\"?")
_BETWEEN = Within(r"[\s,;|/{}\[\]\"]+")
_NUMBER = Whole(r"0[xX][0-9a-fA-F]{1,16}|0[oO][0-7]{1,21}|[0-9]{1,19}")
_OCTAL = Whole(r"0[oO]?[0-7]{2,20}")
_MODE = Whole(r"[0-7]{3,4}")
"""Ambiguous between octal and decimal: ``755``."""


@dataclass(frozen=True)
class _Rights:
    """The rights that are given, None for all, and the rights that are expressly refused."""

    given: frozenset[str] | None
    refused: frozenset[str] = frozenset()

    def gives_more_than(self, other: "_Rights") -> bool:
        if other.refused - self.refused:
            return True
        if other.given is None:
            return False
        return self.given is None or not self.given <= other.given


def rights(change: Change) -> Verdict:
    """Whether a change of rights gives more rights."""
    before, after = (one.strip() if one is not None else None for one in (change.before, change.after))
    was = _rights(before or "")
    if after is None or _plain(after) in _NOTHING:
        if was.refused and not (after or ""):
            return Verdict.MAYBE
        return Verdict.MAYBE if after is None and _plain(before or "") in _NOTHING else Verdict.NO
    # In texts such as ``0110`` each position is a right.
    if len(before or "") == len(after) and all(map(_BITS.fullmatch, (before or "", after))):
        return Verdict.YES if any(old < new for old, new in zip(before or "", after, strict=True)) else Verdict.NO
    if _plain(before or "") in _NOTHING and after == _ALL_BITS:
        return Verdict.YES
    if _NUMBER.fullmatch(after) and (before is None or _NUMBER.fullmatch(before) or _plain(before) in _NOTHING):
        return _numbers(before if before and _NUMBER.fullmatch(before) else "0", after)
    return Verdict.YES if _rights(after).gives_more_than(was) else Verdict.NO


def levels(change: Change) -> Verdict:
    """Whether a change of rights gives more rights. A number of one digit may also be a level."""
    verdict = rights(change)
    sides = ((one or "").strip() for one in (change.before, change.after))
    is_level = change.is_code and all(map(_ONE_DIGIT.fullmatch, sides))
    return Verdict.MAYBE if is_level and verdict is Verdict.NO else verdict


_ALL_BITS = "-1"


def _numbers(before: str, after: str) -> Verdict:
    """Whether a number has bits that the number before it lacks, in every base in which both can be read."""
    bases = _bases(before, after)
    if bases == (8,):
        return Verdict.YES if _number(after, 8) & ~_number(before, 8) else Verdict.NO
    verdicts = {_bits(_number(before, base), _number(after, base)) for base in bases}
    return verdicts.pop() if len(verdicts) == 1 else Verdict.MAYBE


def _bases(*sides: str) -> tuple[int, ...]:
    if any(map(_OCTAL.fullmatch, sides)):
        return (8,)
    is_mode = any(map(_MODE.fullmatch, sides)) and all(_MODE.fullmatch(one) or one == "0" for one in sides)
    return (8, 10) if is_mode else (10,)


def _number(text: str, base: int) -> int:
    """The value of a number in a base, unless the number states its own base."""
    if text[1:2] in _SAYS_BASE:
        return int(text, 0)
    return int(text, base if set(text) <= _OCTAL_DIGITS else 10)


_SAYS_BASE = frozenset("xXoO")
_OCTAL_DIGITS = frozenset("01234567")


def _bits(before: int, after: int) -> Verdict:
    if not after & ~before:
        return Verdict.NO
    # Each number has bits that the other lacks, so both may be levels or octal numbers.
    return Verdict.YES if not before & ~after else Verdict.MAYBE


def _rights(text: str) -> _Rights:
    given: set[str] = set()
    refused: set[str] = set()
    everything = False
    for token in _tokens(text):
        is_given, names = _token(token)
        if names is None:
            everything = everything or is_given
        else:
            (given if is_given else refused).update(names)
    return _Rights(None if everything else frozenset(given), frozenset(refused))


def _tokens(text: str) -> list[str]:
    """The single tokens of a text, each with one sign."""
    together = _REFUSING.sub("!", _ASSIGNED.sub("=", " ".join(text.split())))
    parts = [part for part in _BETWEEN.split(together) if part]
    if len(parts) == 1 and not _is_word(text):
        if _FLAGS.fullmatch(text):
            return [str(n) for n, letter in enumerate(text.casefold()) if letter in "yt"]
        if _POSITIONS.fullmatch(text):
            return _by_position(text)
        if _LETTERS.fullmatch(text) and not _is_signed(text):
            letters = _RUNS_OF_SIGNS.sub("", text.casefold())
            return list(_OF_LETTERS.get(letters, letters))
    return [token for part in parts for token in _single(part)]


def _single(part: str) -> list[str]:
    """Split ``R+W-`` and ``-rwx`` into letters; anything else is one right."""
    if not _is_signed(part):
        return [part]
    signed = [(before or after, first or second) for before, first, second, after in _SIGNED.findall(part)]
    return [
        sign + name
        for sign, letters in signed
        for name in ([letters] if _is_word(letters) or len(letters) > _MOST_LETTERS else letters)
    ]


_MOST_LETTERS = 4


def _is_signed(part: str) -> bool:
    return bool(_SIGN_AFTER.fullmatch(part) or _SIGN_BEFORE.fullmatch(part))


def _by_position(text: str) -> list[str]:
    """Rights by position, as in ``rw-r--``: the first three as letters, later ones with the position of their owner."""
    places = text[len(text) % 3 :]
    return [f"{n // 3 or ''}{letter}" for n, letter in enumerate(places) if letter != "-"]


def _token(token: str) -> tuple[bool, frozenset[str] | None]:
    """Whether a token gives or refuses rights, and which; None for all."""
    name, _, value = token.partition("=")
    is_given = said(value) is not False if value else True
    if name[:1] in _SIGNS:
        is_given = is_given and name[0] == "+"
        name = name[1:]
    word = _plain(name)
    if word in _ALL:
        return is_given, None
    if word in _NOTHING:
        return True, frozenset()
    if value and said(value) is None:
        word = f"{word}={value.casefold()}"
    return is_given, _SEVERAL.get(word, frozenset({word}))


_SIGNS = frozenset("+-!~^")


def _is_word(text: str) -> bool:
    return _plain(text) in _ALL | _NOTHING | _SEVERAL.keys() or all(map(is_known, meanings(text)))


def _plain(text: str) -> str:
    """The letters and digits of a text; without any, the meaning of its signs, or the signs."""
    if letters := "".join(filter(str.isalnum, text.casefold())):
        return letters
    return "all" if _ALL_SIGNS.fullmatch(text) else "" if _NO_SIGNS.fullmatch(text) else text
