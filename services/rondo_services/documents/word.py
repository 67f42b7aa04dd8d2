"""Word documents: paragraphs of the body, of tables, text boxes, headers, footers, footnotes and endnotes.

Deleted text, comments and fields (page numbers, references, tables of contents) stay as they are.
"""

import io
import zipfile
from collections.abc import Sequence

from docx import Document as open_document
from docx.document import Document as OpenDocument
from docx.opc.constants import CONTENT_TYPE as CT
from docx.opc.part import PartFactory, XmlPart
from docx.oxml.ns import qn

from ..errors import InvalidInput
from .document import LONGEST_PASSAGE, Passage
from .inline import InlineText, read_inline

MOST_UNPACKED_BYTES = 64_000_000
MOST_XML_BYTES = 8_000_000
"""Once it is parsed, it takes up to 75 times as much memory."""

MOST_FILES = 4000

_STORIES = frozenset((CT.WML_DOCUMENT_MAIN, CT.WML_HEADER, CT.WML_FOOTER, CT.WML_FOOTNOTES, CT.WML_ENDNOTES))

for _notes in (CT.WML_FOOTNOTES, CT.WML_ENDNOTES):
    PartFactory.part_type_for.setdefault(_notes, XmlPart)  # python-docx has no class for them, and keeps bytes


class WordDocument:
    """A .docx file."""

    def __init__(self, document: OpenDocument, paragraphs: Sequence[InlineText]) -> None:
        self._document = document
        self._paragraphs = paragraphs
        self.passages = [Passage(paragraph.markup, "html") for paragraph in paragraphs]

    def written(self, translations: Sequence[str]) -> bytes:
        """As `Document.written`.

        Raises:
            ValueError: a translation has not the tags of its source.
        """
        for paragraph, translation in zip(self._paragraphs, translations, strict=True):
            paragraph.write(translation)
        output = io.BytesIO()
        self._document.save(output)
        return output.getvalue()


def read_word_document(data: bytes) -> WordDocument:
    """Read a .docx file.

    Raises:
        InvalidInput: it is none, is larger than the limits once unpacked, or a paragraph is too long.
    """
    _check_package(data)
    try:
        document = open_document(io.BytesIO(data))
        parts = [part for part in document.part.package.iter_parts() if isinstance(part, XmlPart)]
    except Exception as error:  # python-docx, lxml and zipfile have a dozen errors for what is broken
        raise InvalidInput(f"the file is no Word document: {error}", field="file") from error
    paragraphs = []
    for part in parts:
        if part.element.getroottree().docinfo.internalDTD is not None:
            raise InvalidInput(f"the file is no Word document: {part.partname} has a DTD", field="file")
        if part.content_type in _STORIES:
            read = (read_inline(paragraph) for paragraph in part.element.iter(qn("w:p")))
            paragraphs += [paragraph for paragraph in read if paragraph.says_something]
    if any(len(paragraph.markup) > LONGEST_PASSAGE for paragraph in paragraphs):
        raise InvalidInput(f"a paragraph is longer than {LONGEST_PASSAGE} characters", field="file")
    return WordDocument(document, paragraphs)


def _check_package(data: bytes) -> None:
    """Look at what a package says of its contents; more than that is never unpacked."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as package:
            files = package.infolist()
    except (zipfile.BadZipFile, NotImplementedError, ValueError) as error:
        raise InvalidInput(f"the file is no Word document: {error}", field="file") from error
    if len(files) > MOST_FILES:
        raise InvalidInput(f"the Word document has {len(files)} parts; at most {MOST_FILES}", field="file")
    xml = sum(file.file_size for file in files if file.filename.lower().endswith((".xml", ".rels")))
    for size, most, what in (
        (sum(file.file_size for file in files), MOST_UNPACKED_BYTES, "bytes"),
        (xml, MOST_XML_BYTES, "bytes of XML"),
    ):
        if size > most:
            raise InvalidInput(f"the Word document has {size} {what} once unpacked; at most {most}", field="file")
