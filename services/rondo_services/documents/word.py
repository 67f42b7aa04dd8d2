"""Word documents: paragraphs of the body, of tables, text boxes, headers, footers, footnotes and endnotes.

Deleted text, comments and fields (page numbers, references, tables of contents) stay as they are.
"""

import io
import re
import zipfile
import zlib
from collections.abc import Sequence
from functools import partial

from docx import Document as open_document
from docx.document import Document as OpenDocument
from docx.opc.constants import CONTENT_TYPE as CT
from docx.opc.part import PartFactory, XmlPart

from ..errors import InvalidInput
from .document import LONGEST_PASSAGE, Passage
from .fields import paragraphs_with_depth
from .inline import InlineText, read_inline

MOST_UNPACKED_BYTES = 64_000_000
MOST_XML_BYTES = 8_000_000
"""Once it is parsed, it takes up to 75 times as much memory."""

MOST_FILES = 4000
_PIECE_BYTES = 65_536
_XML = re.compile(rb"[\xef\xbb\xbf\xfe\xff\0 \t\r\n]*+(?:<|\x4c\x6f\xa7\x94)")
"""What may be parsed as XML, whatever its name: in any encoding, also EBCDIC, it begins with `<`."""

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
    package = _unpacked(data)
    try:
        document = open_document(package)
        parts = [part for part in document.part.package.iter_parts() if isinstance(part, XmlPart)]
    except Exception as error:  # python-docx, lxml and zipfile have a dozen errors for what is broken
        raise InvalidInput(f"the file is no Word document: {error}", field="file") from error
    paragraphs = []
    for part in parts:
        if part.element.getroottree().docinfo.internalDTD is not None:
            raise InvalidInput(f"the file is no Word document: {part.partname} has a DTD", field="file")
        if part.content_type in _STORIES:
            read = (read_inline(paragraph, depth) for paragraph, depth in paragraphs_with_depth(part.element))
            paragraphs += [paragraph for paragraph in read if paragraph.says_something]
    if any(len(paragraph.markup) > LONGEST_PASSAGE for paragraph in paragraphs):
        raise InvalidInput(f"a paragraph is longer than {LONGEST_PASSAGE} characters", field="file")
    return WordDocument(document, paragraphs)


def _unpacked(data: bytes) -> io.BytesIO:
    """The same package without compression, in no more memory than its contents, which are within the limits, take."""
    unpacked = io.BytesIO()
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as package, zipfile.ZipFile(unpacked, "w") as plain:
            files = package.infolist()
            _check_sizes(files)
            num_xml = 0
            for file in {own.filename: own for own in files}.values():
                content = _content(package, file)
                num_xml += len(content) if _XML.match(content) else 0
                _check(num_xml, MOST_XML_BYTES, "bytes of XML once unpacked")
                plain.writestr(file.filename, content)
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError, ValueError) as error:
        raise InvalidInput(f"the file is no Word document: {error}", field="file") from error
    unpacked.seek(0)
    return unpacked


def _check_sizes(files: Sequence[zipfile.ZipInfo]) -> None:
    """By what a package says of itself; no more than that is unpacked."""
    _check(len(files), MOST_FILES, "parts")
    _check(sum(file.file_size for file in files), MOST_UNPACKED_BYTES, "bytes once unpacked")


def _check(number: int, most: int, what: str) -> None:
    if number > most:
        raise InvalidInput(f"the Word document has {number} {what}; at most {most}", field="file")


def _content(package: zipfile.ZipFile, file: zipfile.ZipInfo) -> bytes:
    """Of a part, unpacked piece by piece: at once, a part that is larger than it says would be unpacked as a whole."""
    if file.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ValueError(f"{file.filename} is compressed by another method than deflate")
    with package.open(file) as opened:
        return b"".join(iter(partial(opened.read, _PIECE_BYTES), b""))
