"""The server's settings, in which the backup keeps machine-specific values."""

from collections.abc import Iterator, Mapping

from lxml import etree

from common import budgets
from common.errors import Failure, Reason
from common.safe_xml import declaration
from replication.documents.diff import differences, root_step, show
from replication.documents.items import Item, value_items
from replication.documents.merge import merge
from replication.documents.unused_patterns import unused_warnings
from replication.model import PartName, Policy
from replication.parts.base import Document, DocumentPart
from replication.ports import ReadableServer, WritableServer


class Settings(DocumentPart):
    """The part that uses GetConfiguration and SaveConfiguration."""

    name = PartName.SETTINGS
    lists_items = False

    def read(self, server: ReadableServer) -> Document:
        return Document(server.settings(), "settings", server.label, budgets.SETTINGS_TREE)

    def desired(self, primary: Document, own: Document, policy: Policy) -> Document:
        if policy.exact or primary.data == own.data:
            return primary
        source, held = primary.parse(), own.parse()
        if source is None or held is None:
            # Without its own settings, the backup would lose every kept value, such as its keys and its SOAP access.
            raise Failure(Reason.DOCUMENT_MALFORMED, "its settings are empty", server=own.server)
        if source.tag != held.tag:
            raise Failure(
                Reason.DOCUMENT_MALFORMED,
                "its settings have another root element than the primary's, so its machine-specific values "
                "cannot be recognised",
                server=own.server,
            )
        merged = merge(source, held, policy.rules)
        return Document(declaration(primary.data) + etree.tostring(merged, encoding="utf-8"), own.what, own.server)

    def warnings(self, primary: Document, own: Document, policy: Policy) -> tuple[str, ...]:
        if policy.exact or not policy.rules.additions:
            return ()
        documents = (state.parse() for state in (primary, own))
        return unused_warnings(policy.rules, (document for document in documents if document is not None))

    def kept_differences(self, primary: Document, desired: Document, policy: Policy) -> tuple[str, ...]:
        """The paths at which the desired settings still differ from the primary's.

        An element that only one side has is listed as a whole.
        """
        if primary.data == desired.data:
            return ()
        source, held = primary.parse(), desired.parse()
        if source is None or held is None:
            return ()
        differing = differences(held, source, root_step(source))
        return tuple(dict.fromkeys(show(difference.steps[: difference.new_from + 1]) for difference in differing))

    def items(self, own: Document, desired: Document) -> Iterator[Item]:
        before, after = own.parse(), desired.parse()
        return value_items(before, after) if before is not None and after is not None else iter(())

    def counts(self, state: Document, label: str) -> Mapping[str, int]:
        # A root element without children counts as no document.
        if not state.with_tree(len, empty=0):
            raise Failure(Reason.PRIMARY_EMPTY, "it answered with empty settings", server=label)
        return {str(self.name): len(state.values)}

    def write(self, server: WritableServer, own: Document, desired: Document, policy: Policy) -> None:
        server.write_settings(desired.data)
