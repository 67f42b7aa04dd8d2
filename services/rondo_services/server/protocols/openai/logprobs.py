"""Log-probabilities of tokens as the OpenAI API tells them."""

import codecs
from collections.abc import Sequence

from rondo_tokenizers.vocabulary import Tokenizer

from ....generation.schema import TokenLogprob
from .schema import Logprobs

_CONTINUATION_BYTES = range(0x80, 0xC0)


class LogprobsTeller:
    """Tells of the tokens of one text, all at once or a few at a time.

    Args:
        begins: the tokens begin a text, which is without the space that its first word has in the vocabulary.
        tells_start: begin with the start symbol, which then is the only one without a log-probability.
    """

    def __init__(self, tokenizer: Tokenizer, *, begins: bool, tells_start: bool = False) -> None:
        self._tokenizer = tokenizer
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._begins = begins
        self._tells_start = tells_start
        self._offset = 0

    def tell(self, prompt: Sequence[TokenLogprob], written: Sequence[TokenLogprob]) -> Logprobs:
        """Of the tokens that come next; the first of a prompt has no log-probability, as if nothing stood before."""
        told = Logprobs(tokens=[], token_logprobs=[], top_logprobs=[], text_offset=[])
        if self._tells_start:
            self._tells_start = False
            prompt = [self._start(), *prompt]
        for number, token in enumerate([*prompt, *written]):
            spelling = self._tokenizer.spelling(token.id)
            shown = self._shown(token.id)
            if self._begins and spelling:
                self._begins = False
                spelling, shown = spelling.removeprefix(b" "), shown.removeprefix(" ")
            if spelling and spelling[0] not in _CONTINUATION_BYTES:
                self._offset += len(self._decoder.decode(b"", final=True))  # of a character that never was completed
            told.tokens.append(shown)
            told.text_offset.append(self._offset)
            is_first = number == 0 and bool(prompt)
            told.token_logprobs.append(None if is_first else token.logprob)
            told.top_logprobs.append(None if is_first else self._likeliest(token, shown))
            self._offset += len(self._decoder.decode(spelling))
        return told

    def _start(self) -> TokenLogprob:
        identifier = self._tokenizer.start_id
        return TokenLogprob(id=identifier, token=self._tokenizer.name(identifier), logprob=0, top=[])

    def _likeliest(self, token: TokenLogprob, shown: str) -> dict[str, float]:
        """The one that was taken and the likeliest tokens; of those that look alike, the first."""
        likeliest = {shown: token.logprob}
        for other in token.top:
            likeliest.setdefault(self._shown(other.id), other.logprob)
        return likeliest

    def _shown(self, identifier: int) -> str:
        spelling = self._tokenizer.spelling(identifier)
        if not spelling:
            return self._tokenizer.name(identifier)
        try:
            return spelling.decode("utf-8")
        except UnicodeDecodeError:
            return "bytes:" + "".join(f"\\x{value:02x}" for value in spelling)
