"""The command line of mutmut, except that texts for people are not changed: another wording decides nothing.

Strings without a space (names, keys, reasons) are changed.
"""

from collections.abc import Iterable
from typing import Any, cast

import libcst
from mutmut.mutation import mutators


def of_a_name(node: libcst.BaseString) -> Iterable[libcst.BaseString]:
    """The changes of a string, none of a text for people."""
    if isinstance(node, libcst.SimpleString) and " " not in node.value:
        yield from mutators.operator_string(node)


if __name__ == "__main__":
    from mutmut.__main__ import cli  # it wants a project with its settings in the present folder

    operators = cast("list[Any]", mutators.mutation_operators)
    operators[:] = [(kind, of_a_name if one is mutators.operator_string else one) for kind, one in operators]
    cli()
