"""`POST /tokenize`, `POST /detokenize` and `GET /tokenizer_info`, as vLLM has them beside the OpenAI API.

Clients need them to send token ids, to bias tokens by their ids, and, as lm-eval does, to know how many tokens a text
has. They run on a thread, since a text may be long.
"""

from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel, Field
from starlette.concurrency import run_in_threadpool

from rondo_tokenizers.vocabulary import END, PAD, START, UNKNOWN

from ....errors import InvalidInput
from ....releases.fleet import Fleet
from ....schema import ModelText, Schema, Text
from ....text import encode_text
from .errors import documented
from .schema import TokenIds


class TokenizeRequest(Schema):
    """A text; `<s>` or `</s>` alone is that symbol, so that its id can be found out."""

    model: ModelText | None = Field(None, description="All models of a bundle have the same vocabulary.")
    prompt: Text = Field(examples=["The film"])
    add_special_tokens: bool = Field(True, description="Begin with the start symbol, as a model does.")


class TokenizeReply(BaseModel):
    """Ids of a text. No model has a longest text of its own: `max_model_len` is the server's limit."""

    count: int
    max_model_len: int
    tokens: list[int]


class DetokenizeRequest(Schema):
    """Ids of a text."""

    model: ModelText | None = Field(None, description="All models of a bundle have the same vocabulary.")
    tokens: TokenIds = Field(examples=[[1, 300]])


class DetokenizeReply(BaseModel):
    """Their text; symbols have none."""

    prompt: str


class TokenizerInfo(BaseModel):
    """Symbols of the vocabulary, and its size."""

    tokenizer_class: Literal["SentencePieceProcessor"] = "SentencePieceProcessor"
    vocab_size: int
    bos_token: str = START
    eos_token: str = END
    pad_token: str = PAD
    unk_token: str = UNKNOWN
    chat_template: None = None


def router(fleet: Fleet, max_text_tokens: int) -> APIRouter:
    """Routes of the vocabulary.

    Args:
        max_text_tokens: longer texts are refused elsewhere.
    """
    routes = APIRouter(tags=["openai"])

    @routes.post("/tokenize", responses=documented(400, 404, 413, 415, "4XX"))
    async def tokenize(request: TokenizeRequest) -> TokenizeReply:
        """Text to ids."""
        tokenizer = fleet.suite_for(None, request.model).tokenizer
        symbol = {START: tokenizer.start_id, END: tokenizer.end_id}.get(request.prompt)
        ids = await run_in_threadpool(encode_text, tokenizer, request.prompt) if symbol is None else (symbol,)
        if request.add_special_tokens:
            ids = (tokenizer.start_id, *ids)
        return TokenizeReply(count=len(ids), max_model_len=max_text_tokens, tokens=list(ids))

    @routes.post("/detokenize", responses=documented(400, 404, 413, 415, "4XX"))
    async def detokenize(request: DetokenizeRequest) -> DetokenizeReply:
        """Ids to text."""
        tokenizer = fleet.suite_for(None, request.model).tokenizer
        if (largest := max(request.tokens, default=0)) >= tokenizer.size:
            raise InvalidInput(f"tokens: {largest} is no id; they go up to {tokenizer.size - 1}", field="tokens")
        return DetokenizeReply(prompt=await run_in_threadpool(tokenizer.decode, request.tokens))

    @routes.get("/tokenizer_info", responses=documented("4XX"))
    async def tokenizer_info() -> TokenizerInfo:
        """What else there is to know."""
        return TokenizerInfo(vocab_size=fleet.suite_for(None).tokenizer.size)

    return routes
