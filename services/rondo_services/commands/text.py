"""`rondo sentiment`, `translate`, `summarize` and `generate`: their options, and how each asks its service.

An option that is not given is left to the service's own default.
"""

from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..command_errors import errors_as_messages
from .glossary import read_glossary

if TYPE_CHECKING:
    from ..sentiment.schema import SentimentResult

Texts = Annotated[list[str] | None, typer.Argument(help="Texts; without any, files or standard input.")]
Inputs = Annotated[
    list[Path] | None, typer.Option("--input", help="File to read, line by line; may be repeated; - is standard input.")
]
Whole = Annotated[bool, typer.Option("--whole", help="A file, or all of standard input, is one text.")]
OutputFile = Annotated[Path | None, typer.Option("--output", help="File to write instead of standard output.")]
AsJson = Annotated[bool, typer.Option("--json", help="Write each result as a JSON object on a line.")]
Server = Annotated[
    str, typer.Option(envvar="RONDO_SERVER", help="Ask this server, as http://HOST:PORT, instead of a bundle here.")
]
Key = Annotated[str, typer.Option(envvar="RONDO_API_KEY", help="The server's key.")]
Bundle = Annotated[Path | None, typer.Option(help="Bundle folder; by default the one that comes with Rondo.")]
BeamSize = Annotated[int | None, typer.Option(help="Hypotheses kept; 1 is greedy and fastest.")]


def sentiment(
    texts: Texts = None,
    language: Annotated[str | None, typer.Option(help="auto, en, de, ko or fr.")] = None,
    explain: Annotated[
        bool, typer.Option("--explain", help="Add a tab, and what each token has to do with the label.")
    ] = False,
    inputs: Inputs = None,
    whole: Whole = False,
    output: OutputFile = None,
    as_json: AsJson = False,
    server: Server = "",
    api_key: Key = "",
    bundle: Bundle = None,
) -> None:
    """Say whether texts are positive or negative: label, tab, probability; a line each."""
    from .answering import Request, Service, answer

    options = _given(language=language, explain=explain or None)
    service = Service(
        "sentiment",
        lambda client, texts, first: client.sentiment(texts, **options),
        _label_and_reasons,
    )
    answer(Request(texts or (), inputs or (), whole, output, as_json, server, api_key, bundle), service)


def _label_and_reasons(result: "SentimentResult") -> str:
    fields = [result.label, f"{result.score:.4f}"]
    if result.tokens is not None:
        fields.append(" ".join(f"{token.text.strip() or '␣'}({token.saliency:+.2f})" for token in result.tokens))
    return "\t".join(fields)


def translate(
    texts: Texts = None,
    to: Annotated[str, typer.Option("--to", help="en, de, ko or fr, as the bundle has them.")] = ...,  # type: ignore[assignment]
    source: Annotated[str | None, typer.Option("--from", help="auto, en, de, ko or fr.")] = None,
    beam_size: BeamSize = None,
    rerank: Annotated[float | None, typer.Option(help="Weight of the model that translates back.")] = None,
    markup: Annotated[
        str | None, typer.Option("--format", help="text, or html: tags go with the words they were around.")
    ] = None,
    glossary: Annotated[
        Path | None, typer.Option(help="How to translate terms: TERM, tab, TRANSLATION a line, or a .json object.")
    ] = None,
    explain: Annotated[
        bool, typer.Option("--explain", help="With --json: which source tokens each token was written for.")
    ] = False,
    inputs: Inputs = None,
    whole: Whole = False,
    output: OutputFile = None,
    as_json: AsJson = False,
    server: Server = "",
    api_key: Key = "",
    bundle: Bundle = None,
) -> None:
    """Translate texts, a line each."""
    from .answering import Request, Service, answer

    if explain and not as_json:
        raise typer.BadParameter("is shown with --json only", param_hint="--explain")
    with errors_as_messages():
        terms = None if glossary is None else read_glossary(glossary)
    options = _given(
        target=to,
        source=source,
        beam_size=beam_size,
        rerank=rerank,
        format=markup,
        glossary=terms,
        explain=explain or None,
    )
    service = Service(
        "translation",
        lambda client, texts, first: client.translate(texts, **options),
        lambda result: result.translation,
    )
    answer(Request(texts or (), inputs or (), whole, output, as_json, server, api_key, bundle), service)


def summarize(
    texts: Texts = None,
    method: Annotated[
        str | None,
        typer.Option(
            help="write: in new words (the default); choose: the text's best sentence; extract: some of its own words."
        ),
    ] = None,
    max_tokens: Annotated[int | None, typer.Option(help="Longest summary that is written, in tokens.")] = None,
    beam_size: BeamSize = None,
    inputs: Inputs = None,
    whole: Whole = False,
    output: OutputFile = None,
    as_json: AsJson = False,
    server: Server = "",
    api_key: Key = "",
    bundle: Bundle = None,
) -> None:
    """Say in a few words what texts are about, a line each."""
    from .answering import Request, Service, answer

    options = _given(method=method, max_tokens=max_tokens, beam_size=beam_size)
    service = Service(
        "compression" if method == "extract" else "summarization",
        lambda client, texts, first: client.summarize(texts, **options),
        lambda result: result.summary,
    )
    answer(Request(texts or (), inputs or (), whole, output, as_json, server, api_key, bundle), service)


def generate(
    prompts: Annotated[list[str] | None, typer.Argument(help="Prompts; without any, files or standard input.")] = None,
    max_tokens: Annotated[int | None, typer.Option(help="Most tokens to write.")] = None,
    temperature: Annotated[float | None, typer.Option(help="0 always takes the likeliest token.")] = None,
    top_k: Annotated[int | None, typer.Option(help="Only the k likeliest tokens; 0 all.")] = None,
    top_p: Annotated[float | None, typer.Option(help="Only the likeliest with this probability together.")] = None,
    seed: Annotated[int | None, typer.Option(help="Same seed, same text; each prompt has the next one.")] = None,
    stop: Annotated[list[str] | None, typer.Option(help="End before this text; may be repeated.")] = None,
    inputs: Inputs = None,
    whole: Whole = False,
    output: OutputFile = None,
    as_json: AsJson = False,
    server: Server = "",
    api_key: Key = "",
    bundle: Bundle = None,
) -> None:
    """Go on from prompts; a single one is answered word by word as it is written."""
    from .answering import Request, Service, answer

    given = _given(max_tokens=max_tokens, temperature=temperature, top_k=top_k, top_p=top_p, stop=stop or None)

    def options(first: int) -> dict[str, Any]:
        return given if seed is None else {**given, "seed": seed + first}

    def pieces(client: Any, prompt: str, first: int) -> Generator[str, None, None]:
        for piece in client.generate_stream(prompt, **options(first)):
            yield piece.text

    service = Service(
        "generation",
        lambda client, prompts, first: client.generate(prompts, **options(first)),
        lambda result: result.text,
        pieces,
    )
    answer(Request(prompts or (), inputs or (), whole, output, as_json, server, api_key, bundle), service)


def add_text_commands(app: typer.Typer) -> None:
    """Add the commands to `rondo`."""
    for command in (sentiment, translate, summarize, generate):
        app.command()(command)


def _given(**options: Any) -> dict[str, Any]:
    """The options that were given."""
    return {name: value for name, value in options.items() if value is not None}
