"""py3langid's answers from a compiled function, in a tenth of the time. Its model is taken out of the library."""

import ctypes
import unicodedata
from pathlib import Path

import numpy as np
from py3langid.langid import LanguageIdentifier

from .libraries import opened

_LIBRARY = Path(__file__).with_name("_languages.so")
_P, _N = ctypes.c_void_p, ctypes.c_int64


class NativeScorer:
    """What `LanguageIdentifier.rank` says, not in order.

    Args:
        identifier: makes probabilities, and has no two columns for one language.

    Attributes:
        languages: codes, in the order of the probabilities.
    """

    def __init__(self, library: ctypes.PyDLL, identifier: LanguageIdentifier) -> None:
        self.languages: list[str] = list(identifier.nb_classes)
        assert len(set(self.languages)) == len(self.languages)
        self._moves = np.frombuffer(identifier.tk_nextmove, np.uint32)
        self._rows = np.array(identifier.tk_row, np.int32)
        self._features = np.array(identifier.tk_output, np.int32)
        self._table = np.ascontiguousarray(identifier.nb_ptc, np.float32)
        self._prior = np.ascontiguousarray(identifier.nb_pc, np.float32)
        arrays = (self._moves, self._rows, self._features, self._table, self._prior)
        self._model = [array.ctypes.data for array in arrays]
        self._probabilities = ctypes.c_float * len(self.languages)
        self._run = library.rondo_language_probabilities
        self._run.argtypes = [ctypes.c_char_p, _N, *[_P] * 5, _N, _P]
        self._run.restype = None

    def probabilities(self, text: str) -> list[float]:
        """That the text is in each of the languages."""
        if text.isupper():
            text = text.lower()
        content = unicodedata.normalize("NFC", text).encode("utf-8", "surrogatepass")
        out = self._probabilities()
        self._run(content, len(content), *self._model, len(out), out)
        return list(out)


def native_scorer(identifier: LanguageIdentifier) -> NativeScorer | None:
    """A scorer with an identifier's model; None if it was not compiled, or is broken."""
    if not _LIBRARY.exists():
        return None
    library = opened(_LIBRARY, ctypes.PyDLL)  # which keeps the lock of Python: it takes some µs
    return None if library is None else NativeScorer(library, identifier)
