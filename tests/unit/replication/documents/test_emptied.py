"""For any list, in any wrapping: losing every entry is noticed, keeping one is not stopped."""

from dataclasses import dataclass
from functools import reduce

from hypothesis import given
from hypothesis import strategies as st

from replication.documents.emptied import emptied
from tests.support.documents import parse_text

ENTRIES = (
    "<rule name='r{0}'><to>ann</to></rule>",
    "<rule name='r{0}'/>",
    "<rule><name>r{0}</name><enabled>true</enabled><actions><action type='mail'/></actions></rule>",
    "<rule id='{0}'><to>ann</to><cc>bob</cc></rule>",
    "<rule><event>upload</event><to>ann{0}</to></rule>",
)
"""One entry of a list; its number is what tells it apart."""

WRAPPERS = (
    "<list>{0}</list>",
    "<list count='{1}'>{0}</list>",
    "<section name='rules'>{0}</section>",
    "<list><version>2</version>{0}</list>",
    "<x:list xmlns:x='urn:x'>{0}</x:list>",
    "<v>2</v><w>true</w><list>{0}</list>",
)
"""What may stand around the entries: it stays when they go."""


@dataclass(frozen=True)
class Listing:
    """A list of entries of one form inside of wrappers, the innermost first; shared among one or two sections."""

    entry: str
    wrappers: tuple[str, ...]
    sections: int

    def document(self, numbers: range) -> str:
        each = -(-len(numbers) // self.sections) if numbers else 0
        shares = [numbers[n * each : (n + 1) * each] for n in range(self.sections)]
        texts = ["".join(self.entry.format(number) for number in share) for share in shares]
        if self.sections > 1:
            texts = [f"<part name='p{n}'>{text}</part>" for n, text in enumerate(texts)]
        inside = reduce(lambda text, wrapper: wrapper.format(text, len(numbers)), self.wrappers, "".join(texts))
        return f"<rules>{inside}</rules>"


listings = st.builds(
    Listing,
    st.sampled_from(ENTRIES),
    st.lists(st.sampled_from(WRAPPERS), max_size=3).map(tuple),
    st.integers(1, 2),
)


@given(listings, st.integers(2, 40))
def test_a_list_that_loses_every_entry_is_noticed_in_any_wrapping(listing: Listing, held: int) -> None:
    own = parse_text(listing.document(range(held)))
    assert emptied(own, parse_text(listing.document(range(0)))) > 0
    assert emptied(own, parse_text("<rules/>")) > 0
    assert emptied(own, None) > 0


@given(listings, st.integers(4, 40), st.data())
def test_a_list_that_keeps_entries_is_not_stopped(listing: Listing, held: int, data: st.DataObject) -> None:
    own = parse_text(listing.document(range(held)))
    left = data.draw(st.integers(listing.sections, held))
    assert emptied(own, parse_text(listing.document(range(left)))) == 0


@given(listings)
def test_the_only_entry_counts_as_well(listing: Listing) -> None:
    own = parse_text(Listing(listing.entry, listing.wrappers, 1).document(range(1)))
    assert emptied(own, parse_text("<rules/>")) > 0


@given(listings, st.integers(0, 40))
def test_what_holds_nothing_cannot_be_emptied(listing: Listing, held: int) -> None:
    assert emptied(parse_text("<rules/>"), parse_text(listing.document(range(held)))) == 0
    assert emptied(parse_text("<rules><version>2</version><x>1</x></rules>"), None) == 0
