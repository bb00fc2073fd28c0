"""The lists of blocked addresses. One call writes the manual and the automatic list; the automatic one is replicated
only if chosen.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass

from common.errors import Reason, suppressed
from replication.documents import canonical
from replication.documents.items import Item
from replication.model import PartName, Policy
from replication.parts.base import Document, Part, listed, sealed
from replication.ports import ReadableServer, WritableServer


@dataclass(frozen=True)
class BlockLists:
    """``manual`` is the administrator's list; the server itself fills ``automatic``."""

    manual: Document
    automatic: Document


class IpBlockLists(Part[BlockLists]):
    """The part that uses GetIPBlockList, GetAutoBlockList and SaveBlockList."""

    name = PartName.IP_BLOCK_LISTS

    def read(self, server: ReadableServer) -> BlockLists:
        return BlockLists(
            manual=Document(server.blocked_addresses(), "list of blocked addresses", server.label),
            automatic=_automatic(server),
        )

    def validate(self, state: BlockLists) -> None:
        state.manual.digest  # noqa: B018 - reading it is the check
        # Failed log-ins of strangers fill the automatic list. If it is too large, only runs that compare it fail.
        with suppressed(Reason.REPLY_TOO_COMPLEX):
            state.automatic.digest  # noqa: B018

    def blanks(self, state: BlockLists) -> frozenset[str]:
        both = {"manual": state.manual, "automatic": state.automatic}
        return frozenset(name for name, document in both.items() if document.is_empty)

    def desired(self, primary: BlockLists, own: BlockLists, policy: Policy) -> BlockLists:
        return primary if policy.replicate_auto_block_list else BlockLists(primary.manual, own.automatic)

    def same(self, left: BlockLists, right: BlockLists, policy: Policy) -> bool:
        return left.manual.same(right.manual) and (
            not policy.replicate_auto_block_list or left.automatic.same(right.automatic)
        )

    def fingerprint(self, state: BlockLists, policy: Policy) -> str:
        automatic = state.automatic.digest if policy.replicate_auto_block_list else ""
        return canonical.digest(f"{state.manual.digest}{automatic}")

    def seal(self, state: BlockLists, policy: Policy) -> str:
        sent = (state.manual, state.automatic) if policy.replicate_auto_block_list else (state.manual,)
        return sealed(self.fingerprint(state, policy), *sent)

    def items(self, own: BlockLists, desired: BlockLists) -> Iterator[Item]:
        yield from listed(own.manual, desired.manual)
        # If the automatic list is not replicated, both sides have the same one here.
        yield from listed(own.automatic, desired.automatic, "automatic")

    def stable(self, before: BlockLists, after: BlockLists) -> BlockLists:
        return BlockLists(after.manual, before.automatic)

    def dump(self, state: BlockLists) -> str:
        return json.dumps({"manual": state.manual.text, "automatic": state.automatic.text})

    def load(self, text: str, server: str) -> BlockLists:
        data = json.loads(text)
        return BlockLists(
            Document(data["manual"], "list of blocked addresses", server),
            Document(data["automatic"], "list of automatically blocked addresses", server),
        )

    def write(self, server: WritableServer, own: BlockLists, desired: BlockLists, policy: Policy) -> None:
        # The automatic list changes during the push, so the server's list is read again just before the write.
        automatic = desired.automatic if policy.replicate_auto_block_list else _automatic(server)
        server.write_block_lists(desired.manual.data, automatic.data)


def _automatic(server: ReadableServer) -> Document:
    return Document(server.auto_blocked_addresses(), "list of automatically blocked addresses", server.label)
