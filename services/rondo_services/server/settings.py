"""What a server, a worker and the commands for keys can be told; `settings_sources` says how, `configuration` by whom.

A setting is a field here and nothing else: its variable, its key in the file and `rondo config show` follow from it.
"""

from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from platformdirs import user_state_path
from pydantic import BeforeValidator, Field, SecretStr, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, InitSettingsSource, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict

from .settings_sources import PREFIX, from_home, settings_sources

DEFAULT_BUNDLE = "rondo-base"
OPENABLE = ("metrics", "docs")
STATE_OF_SERVICES = Path("/var/lib/rondo")


def default_bundle() -> Path:
    """The bundle that comes with Rondo: beside an installed package or in the repository."""
    here = Path(__file__).resolve()
    for root in here.parents:
        candidate = root / "bundles" / DEFAULT_BUNDLE
        if candidate.is_dir():
            return candidate
    return Path("bundles") / DEFAULT_BUNDLE


def default_state_dir() -> Path:
    """The user's; for one without a home, as containers may have, that of the unit and the image in deploy/."""
    try:
        return user_state_path("rondo").expanduser()
    except RuntimeError:
        return STATE_OF_SERVICES


def _joined(value: Any) -> Any:
    """A list, as a file may have it, as the text that a variable has."""
    if isinstance(value, list) and all(isinstance(part, str) for part in value):
        return ",".join(value)
    return value


Listing = Annotated[str, BeforeValidator(_joined)]
"""Names, separated by commas; in a file, also a list."""


def _by_name(value: Any) -> Any:
    """The text that a variable has, as the table that a file has."""
    if not isinstance(value, str):
        return value
    pairs = [part.partition("=") for part in _listed(value)]
    if wrong := ["".join(pair) for pair in pairs if not (pair[0] and pair[2])]:
        raise ValueError(f"further bundles are given as NAME=FOLDER, not {wrong[0]!r}")
    if len({name for name, _, _ in pairs}) < len(pairs):
        raise ValueError("a name is there twice")
    return {name.strip(): folder.strip() for name, _, folder in pairs}


FoldersByName = Annotated[dict[str, Path], NoDecode, BeforeValidator(_by_name)]
"""NAME=FOLDER, separated by commas; in a file, a table."""


class ServerSettings(BaseSettings):
    """Each can be set as RONDO_ and its name in capitals, by its name in a file, and some by flags of their own."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_ignore_empty=True, extra="forbid", allow_inf_nan=False)

    config: Path | None = Field(None, description="File of settings (TOML); stronger than variables.")
    host: str = Field("127.0.0.1", min_length=1, description="Address to listen on; also the variable HOST.")
    port: int = Field(8000, ge=0, le=65_535, description="Port to listen on, 0 any; also the variable PORT.")
    bundle: Path = Field(default_factory=default_bundle, description="Folder of the bundle to serve.")
    bundle_name: str = Field("", description="Name under which it is served; empty: its own.")
    bundles: FoldersByName = Field(
        {}, description="Further bundles to serve, each as NAME=FOLDER, separated by commas; memory for each."
    )
    bundles_dir: Path | None = Field(
        None, description="Folder below which administrators may name bundles over HTTP; none: only those served."
    )
    services: Listing = Field("", description="Services to offer, separated by commas; empty: all in the bundle.")
    max_waiting: int = Field(1024, ge=1, description="Texts that may wait; more are answered 429.")
    max_waiting_tokens: int = Field(400_000, ge=1, description="Tokens that may wait; costs memory.")
    tokens_per_cut: int = Field(
        4096,
        ge=1,
        description="Tokens encoded between two decoding steps; more: throughput, less: even streams.",
    )
    chunk_tokens: int = Field(
        512, ge=1, description="Tokens of one long text or prompt that are read between two decoding steps."
    )
    cached_prompts: int = Field(
        1024, ge=0, description="States of prompts that are kept for the next time, a few KB each; 0 keeps none."
    )
    state_key: SecretStr = Field(
        SecretStr(""), description="Key of the states that clients go on from; empty: drawn at the start."
    )
    max_text_tokens: int = Field(
        20_000, ge=1, description="Longer texts are answered 422: one costs about 3 KB a token while it is read."
    )
    max_rows: int = Field(512, ge=16, description="Sequences written at the same time; costs memory.")
    batch_rows: int = Field(
        4,
        ge=1,
        description="Sequences of batch requests and jobs that are written at the same time while others ask, too: "
        "more is throughput of jobs, less is latency of others.",
    )
    max_wait_ms: float = Field(
        2.0,
        ge=0,
        description="How long an idle engine waits at most for as many as came last time, but no more than 16.",
    )
    precision: Literal["auto", "float32", "mixed", "bfloat16", "int16"] = Field(
        "auto",
        description="float32: plain PyTorch; mixed: compiled kernels, nearly float32, or bfloat16 to classify where "
        "there are none; int16: kernels with 16-bit integers, which change about one translation in 1,900; "
        "bfloat16: for all reading; auto: the fastest here of int16, mixed and float32.",
    )
    engine: Literal["process", "inprocess"] = Field(
        "process",
        description="Where the engine runs: in a supervised process of its own, or on a thread of the server.",
    )
    hang_s: float = Field(
        30.0, gt=0, description="An engine process without a sign of life for so long is killed and started anew."
    )
    start_timeout_s: float = Field(
        60.0, gt=0, description="An engine process that is not ready so long after its start is killed."
    )
    threads: int = Field(1, ge=1, description="Threads of the matrix kernels; leave a core for HTTP.")
    timeout_s: float = Field(60.0, gt=0, description="A request that takes longer ends with 504.")
    file_timeout_s: float = Field(600.0, gt=0, description="A file whose translation takes longer ends with 504.")
    files_kept_s: float = Field(1800.0, gt=0, description="How long translated files can be fetched.")
    max_body_bytes: int = Field(8_000_000, ge=1, description="Larger request bodies are answered 413.")
    jobs: Literal["on", "off"] = Field(
        "on", description="on: batch jobs are done here, on a thread; off: only taken, for `rondo worker` to do."
    )
    database_url: str = Field(
        "", description="Database of the jobs, as postgresql://user@host/name; empty: a file in state_dir."
    )
    files_url: str = Field("", description="Where the files of jobs are, as s3://bucket/folder; empty: state_dir.")
    jobs_kept_s: float = Field(
        604_800.0, gt=0, description="How long jobs that have ended, and files that name no time, are kept."
    )
    max_file_bytes: int = Field(200_000_000, ge=1, description="Larger uploads to /v1/files are answered 413.")
    max_files_bytes: int = Field(
        10_000_000_000, ge=1, description="Uploads and outputs of batches that are kept at once; more are answered 413."
    )
    max_owner_bytes: int = Field(
        2_000_000_000, ge=1, description="The same of one key, so that it can't take the room of all others."
    )
    data: Path | None = Field(None, description="Folder of named data sets (docs/data.md); jobs may ask for them.")
    grace_s: float = Field(20.0, ge=0, description="How long running requests may finish at shutdown.")
    state_dir: Path = Field(
        default_factory=default_state_dir, description="Folder of the keys and of what they have used."
    )
    require_key: Literal["auto", "always", "never"] = Field(
        "auto", description="Whether requests need a key; auto: unless only this machine can reach the server."
    )
    open_to_all: Listing = Field(
        "", description="What needs no key besides health: metrics, docs, or both separated by a comma."
    )
    cors_origins: Listing = Field(
        "", description="Sites whose pages may use the server, as https://shop.example, separated by commas; * all."
    )
    max_json_depth: int = Field(64, ge=1, description="JSON that is nested deeper is answered 400.")
    max_json_values: int = Field(
        500_000,
        ge=1,
        description="JSON with more values, as long lists have, is answered 400: parsing holds up others.",
    )
    access_log: Literal["off", "json", "text"] = Field(
        "off", description="A line for each request, without its text; json: all of the log is JSON."
    )
    ssl_certfile: Path | None = Field(
        None, description="Certificate chain in PEM format; with it the server speaks TLS."
    )
    ssl_keyfile: Path | None = Field(None, description="Its private key, if that is not in the same file.")
    ssl_keyfile_password: SecretStr = Field(SecretStr(""), description="Of the private key, if it is encrypted.")
    proxy_headers: bool = Field(
        False, description="Believe X-Forwarded-For and X-Forwarded-Proto of the proxies in forwarded_allow_ips."
    )
    forwarded_allow_ips: Listing = Field("127.0.0.1", description="Addresses of proxies, separated by commas; * all.")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments, the file, the environment; the strongest first."""
        assert isinstance(init_settings, InitSettingsSource)
        return settings_sources(settings_cls, init_settings.init_kwargs)

    @property
    def opened(self) -> list[str]:
        """What needs no key besides health."""
        return _listed(self.open_to_all)

    @property
    def origins(self) -> list[str]:
        """Sites whose pages may use the server."""
        return _listed(self.cors_origins)

    @field_validator("open_to_all")
    @classmethod
    def _can_be_opened(cls, value: str) -> str:
        if unknown := set(_listed(value)) - set(OPENABLE):
            raise ValueError(f"{', '.join(sorted(unknown))} can't be opened; choose among {', '.join(OPENABLE)}")
        return value

    @field_validator("cors_origins")
    @classmethod
    def _are_origins(cls, value: str) -> str:
        for origin in _listed(value):
            if origin != "*" and not _is_origin(origin):
                raise ValueError(
                    "an origin is like https://shop.example or http://localhost:3000, in small letters and without a "
                    f"path, a standard port or * for a part, not {origin!r}"
                )
        return value

    @field_validator("*", mode="before")
    @classmethod
    def _is_the_number_that_it_is_written_as(cls, value: Any, info: ValidationInfo) -> Any:
        """A file says of each value what it is; pydantic would take true for 1 and 8000.0 for 8000."""
        assert info.field_name is not None
        wanted = cls.model_fields[info.field_name].annotation
        if wanted in (int, float) and isinstance(value, bool):
            raise ValueError("a number is wanted")
        if wanted is int and isinstance(value, float):
            raise ValueError("a whole number is wanted")
        return value

    @field_validator("*", mode="after")
    @classmethod
    def _begins_at_home(cls, value: Any) -> Any:
        """Paths in variables may begin with ~, as those in the file and those that a shell has expanded."""
        if isinstance(value, Path):
            return from_home(value)
        if isinstance(value, dict):
            return {name: from_home(folder) for name, folder in value.items()}
        return value


def _is_origin(text: str) -> bool:
    parts = urlsplit(text)
    standard_port = {"http": ":80", "https": ":443"}.get(parts.scheme)
    return (
        standard_port is not None
        and bool(parts.hostname)
        and f"{parts.scheme}://{parts.netloc}" == text == text.lower()
        and not parts.netloc.endswith(standard_port)
        and "*" not in text
        and "@" not in text
    )


def _listed(value: str) -> list[str]:
    return [part.strip() for part in value.split(",") if part.strip()]
