"""Tells of written tokens as text-generation-inference does."""

import codecs
from collections.abc import Iterable

from rondo_tokenizers.vocabulary import Tokenizer

from ....generation.schema import GenerationResult, LikelyToken, TokenLogprob, Usage
from .generation_schema import BestDetails, BestOfSequence, Details, FinishReason, Generation, PrefillToken, Token
from .order import Order


def told(order: Order, results: list[GenerationResult], tokenizer: Tokenizer) -> list[Generation]:
    """Of each prompt's candidates the one with the likeliest tokens, with details if they are asked for."""
    generations = []
    for number, beginning in enumerate(order.beginnings):
        first = number * order.num_candidates
        mine = list(enumerate(results))[first : first + order.num_candidates]
        (index, best), *others = sorted(mine, key=lambda one: -_mean_logprob(one[1]))
        generation = Generation(generated_text=beginning + best.text)
        if order.tells:
            generation.details = BestDetails(**_details(order, index, best, tokenizer).model_dump(exclude_unset=True))
            if others:
                generation.details.best_of_sequences = [
                    BestOfSequence(
                        generated_text=beginning + other.text,
                        **_details(order, index, other, tokenizer).model_dump(exclude_unset=True),
                    )
                    for index, other in others
                ]
        generations.append(generation)
    return generations


def _mean_logprob(result: GenerationResult) -> float:
    tokens = result.logprobs or []
    return sum(token.logprob for token in tokens) / max(1, len(tokens))


def _details(order: Order, number: int, result: GenerationResult, tokenizer: Tokenizer) -> Details:
    tokens = result.logprobs or []
    reason = reason_of(result.finish_reason, tokens, tokenizer)
    details = Details(
        finish_reason=reason,
        generated_tokens=num_generated(result.usage, reason),
        seed=order.seed_of(number),
        prefill=[PrefillToken(id=t.id, text=t.token, logprob=t.logprob) for t in result.prompt_logprobs or []],
        tokens=_written(tokens, tokenizer),
    )
    if order.num_top:
        details.top_tokens = [likeliest(token, tokenizer) for token in tokens]
    return details


def _written(tokens: Iterable[TokenLogprob], tokenizer: Tokenizer) -> list[Token]:
    """Tokens whose texts together are the text: of those that are one character, the last has it."""
    decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
    written = [token_of(token, decoder.decode(tokenizer.spelling(token.id)), tokenizer) for token in tokens]
    if words := [token for token in written if not token.special]:
        words[-1].text += decoder.decode(b"", final=True)
    return written


def reason_of(reason: str, tokens: Iterable[TokenLogprob], tokenizer: Tokenizer) -> FinishReason:
    """Why a text ended; `tokens` are its last ones."""
    if reason == "length":
        return "length"
    return "eos_token" if any(token.id == tokenizer.end_id for token in tokens) else "stop_sequence"


def num_generated(usage: Usage, reason: FinishReason) -> int:
    """Tokens that were written; here the end symbol counts."""
    return usage.completion_tokens + (reason == "eos_token")


def token_of(token: TokenLogprob | LikelyToken, text: str, tokenizer: Tokenizer) -> Token:
    """A token in the protocol's words."""
    return Token(id=token.id, text=text, logprob=token.logprob, special=token.id in tokenizer.control_ids)


def likeliest(token: TokenLogprob, tokenizer: Tokenizer) -> list[Token]:
    """The likeliest tokens in the place of one."""
    return [token_of(other, other.token, tokenizer) for other in token.top]
