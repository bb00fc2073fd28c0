"""MIME mappings: pairs of a file extension and a media type, compared by extension."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator

from replication.documents import canonical
from replication.documents.items import Item, by_unique_key, record_items
from replication.model import PartName, Policy
from replication.parts.base import Part
from replication.ports import MimeMapping, ReadableServer, WritableServer

type Mappings = tuple[MimeMapping, ...]


class MimeMappings(Part[Mappings]):
    """The part that uses GetMimeMappings and SaveMimeMappings."""

    name = PartName.MIME_MAPPINGS

    def read(self, server: ReadableServer) -> Mappings:
        return server.mime_mappings()

    def validate(self, state: Mappings) -> None:
        """Nothing to check: typed values were checked when they were read."""

    def blanks(self, state: Mappings) -> frozenset[str]:
        return frozenset() if state else frozenset({"list"})

    def same(self, left: Mappings, right: Mappings, policy: Policy) -> bool:
        return _by_extension(left) == _by_extension(right)

    def fingerprint(self, state: Mappings, policy: Policy) -> str:
        return canonical.digest(str(sorted(_by_extension(state).items())))

    def seal(self, state: Mappings, policy: Policy) -> str:
        """A digest that also covers the case of extensions, which is not a difference but is written."""
        return canonical.digest(self.fingerprint(state, policy) + str(_as_written(state)))

    def items(self, own: Mappings, desired: Mappings) -> Iterator[Item]:
        return record_items(_records(own), _records(desired))

    def emptied(self, own: Mappings, desired: Mappings) -> int:
        return 0 if desired else len(own)

    def dump(self, state: Mappings) -> str:
        return json.dumps([[mapping.extension, mapping.type] for mapping in state])

    def load(self, text: str, server: str) -> Mappings:
        return tuple(MimeMapping(extension, type_) for extension, type_ in json.loads(text))

    def write(self, server: WritableServer, own: Mappings, desired: Mappings, policy: Policy) -> None:
        server.write_mime_mappings(desired)


def _by_extension(mappings: Mappings) -> dict[str, list[str]]:
    """Media types by extension; for a repeated extension, all its types in order, with the extension as written."""
    alike = canonical.grouped(mappings, lambda mapping: canonical.folded(mapping.extension))
    return {
        extension: [one.type for one in several] if len(several) == 1 else [str(_as_written([one])) for one in several]
        for extension, several in alike.items()
    }


def _as_written(mappings: Iterable[MimeMapping]) -> list[tuple[str, str]]:
    return sorted((mapping.extension, mapping.type) for mapping in mappings)


def _records(mappings: Mappings) -> dict[str, dict[str, object]]:
    extensions = [canonical.folded(mapping.extension) for mapping in mappings]
    occurrences = Counter(extensions)
    return by_unique_key(
        (mapping.extension if occurrences[folded] > 1 else folded, {"type": mapping.type})
        for folded, mapping in zip(extensions, mappings, strict=True)
    )
