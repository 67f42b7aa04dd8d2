"""Word documents: paragraphs of the body, of tables, text boxes, headers, footers, footnotes and endnotes.

Deleted text, comments and fields (page numbers, references, tables of contents) stay as they are. Little is kept of a
paragraph: what is in it is read anew when its translation is written.
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
from .document import LONGEST_PASSAGE, Passage, check_count
from .fields import Element, paragraphs_with_depth
from .inline import read_inline

MOST_UNPACKED_BYTES = 32_000_000
MOST_XML_BYTES = 8_000_000
MOST_XML_MARKS = 300_000
"""Elements and attributes: for each up to a thousand bytes are held while a document is read or written."""

MOST_FILES = 4000
_PIECE_BYTES = 65_536
_XML = re.compile(rb"[\xef\xbb\xbf\xfe\xff\0 \t\r\n]*+(?:<|\x4c\x6f\xa7\x94)")
"""What may be parsed as XML, whatever its name: in any encoding, also EBCDIC, it begins with `<`."""

_OTHER_ENCODING = re.compile(
    rb"""\x4c\x6f\xa7\x94|(?:\xef\xbb\xbf)?<\?xml\b[^>]*?encoding\s*=\s*["']
    (?!(?:utf-?8|utf-?16|(?:us-)?ascii|iso-8859-[0-9]+|windows-125[0-9])["'])""",
    re.IGNORECASE | re.VERBOSE,
)
"""In which a `<` might not be seen; Office Open XML has only UTF-8 and UTF-16."""

_STORIES = frozenset((CT.WML_DOCUMENT_MAIN, CT.WML_HEADER, CT.WML_FOOTER, CT.WML_FOOTNOTES, CT.WML_ENDNOTES))

for _notes in (CT.WML_FOOTNOTES, CT.WML_ENDNOTES):
    PartFactory.part_type_for.setdefault(_notes, XmlPart)  # python-docx has no class for them, and keeps bytes


class WordDocument:
    """A .docx file."""

    def __init__(self, document: OpenDocument, places: Sequence[tuple[Element, int]], texts: Sequence[str]) -> None:
        self._document = document
        self._places = places
        self.passages = [Passage(text, "html") for text in texts]

    def written(self, translations: Sequence[str]) -> bytes:
        """As `Document.written`.

        Raises:
            ValueError: a translation has not the tags of its source.
        """
        for place, translation in zip(self._places, translations, strict=True):
            read_inline(*place).write(translation)
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
    places, texts = [], []
    for part in parts:
        if part.element.getroottree().docinfo.internalDTD is not None:
            raise InvalidInput(f"the file is no Word document: {part.partname} has a DTD", field="file")
        if part.content_type in _STORIES:
            for place in paragraphs_with_depth(part.element):
                paragraph = read_inline(*place)
                if len(paragraph.markup) > LONGEST_PASSAGE:
                    raise InvalidInput(f"a paragraph is longer than {LONGEST_PASSAGE} characters", field="file")
                if paragraph.says_something:
                    places.append(place)
                    texts.append(paragraph.markup)
    return WordDocument(document, places, texts)


def bytes_unpacked(data: bytes) -> int:
    """What a package says of the size of its parts; 0 for what is none."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as package:
            return sum(file.file_size for file in package.infolist())
    except (zipfile.BadZipFile, ValueError, NotImplementedError, RuntimeError, EOFError):
        return 0


def _unpacked(data: bytes) -> io.BytesIO:
    """The same package without compression, in no more memory than its contents, which are within the limits, take."""
    unpacked = io.BytesIO()
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as package, zipfile.ZipFile(unpacked, "w") as plain:
            files = package.infolist()
            _check_sizes(files)
            num_xml = num_marks = 0
            for file in {own.filename: own for own in files}.values():
                content = _content(package, file)
                if _XML.match(content):
                    num_xml += len(content)
                    check_count(num_xml, MOST_XML_BYTES, "bytes of XML once unpacked")
                    if _OTHER_ENCODING.match(content):
                        raise ValueError(f"{file.filename} is in another encoding than UTF-8 or UTF-16")
                    num_marks += content.count(b"<") - content.count(b"</") + content.count(b"=")
                    check_count(num_marks, MOST_XML_MARKS, "elements and attributes")
                plain.writestr(file.filename, content)
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError, ValueError) as error:
        raise InvalidInput(f"the file is no Word document: {error}", field="file") from error
    unpacked.seek(0)
    return unpacked


def _check_sizes(files: Sequence[zipfile.ZipInfo]) -> None:
    """By what a package says of itself; no more than that is unpacked."""
    check_count(len(files), MOST_FILES, "parts")
    check_count(sum(file.file_size for file in files), MOST_UNPACKED_BYTES, "bytes once unpacked")


def _content(package: zipfile.ZipFile, file: zipfile.ZipInfo) -> bytes:
    """Of a part, unpacked piece by piece: at once, a part that is larger than it says would be unpacked as a whole."""
    if file.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ValueError(f"{file.filename} is compressed by another method than deflate")
    with package.open(file) as opened:
        return b"".join(iter(partial(opened.read, _PIECE_BYTES), b""))
