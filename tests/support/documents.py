"""XML documents as tests write them down: text in, tree out."""

from lxml import etree

from common.safe_xml import XmlMalformed, parse_document


def parse_text(text: str) -> etree._Element:
    """The tree of a document that is text. Raises as ``parse_document`` does."""
    try:
        return parse_document(text.encode("utf-8"))
    except UnicodeEncodeError:
        raise XmlMalformed("it holds a lone surrogate") from None
