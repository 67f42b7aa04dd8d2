"""Requests and replies of the Open Inference Protocol."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from ....schema import Schema

Datatype = Literal[
    "BOOL",
    "UINT8",
    "UINT16",
    "UINT32",
    "UINT64",
    "INT8",
    "INT16",
    "INT32",
    "INT64",
    "FP16",
    "FP32",
    "FP64",
    "BF16",
    "BYTES",
]
Parameter = bool | int | float | str
Count = Annotated[int, Field(ge=0, lt=2**63)]


class InputParameters(Schema):
    """How an input comes."""

    binary_data_size: Count | None = Field(None, description="Its bytes after the JSON, instead of `data`.")


class InputTensor(Schema):
    """An input: text, or an option of the model."""

    name: str
    shape: list[Count] = Field(min_length=1, max_length=8)
    datatype: Datatype
    parameters: InputParameters | None = None
    data: list[Any] | None = Field(None, description="Its elements, in row-major order; nested lists are taken too.")


class OutputParameters(Schema):
    """How an output is wanted."""

    binary_data: bool | None = Field(None, description="After the JSON instead of in it.")
    classification: int | None = Field(
        None, ge=1, description="Of scores: so many of the highest, as BYTES `score:index:label`."
    )


class RequestedOutput(Schema):
    """An output that is wanted."""

    name: str
    parameters: OutputParameters | None = None


class InferRequest(Schema):
    """Tensors for a model."""

    model_config = ConfigDict(protected_namespaces=())

    id: str | None = Field(None, description="Comes back in the reply.")
    model_name: str | None = Field(None, description="If it is there, as in the path.")
    parameters: dict[str, Parameter] | None = Field(
        None, description="Options of the model, and `binary_data_output`: all outputs after the JSON."
    )
    inputs: list[InputTensor] = Field(min_length=1, max_length=64)
    outputs: list[RequestedOutput] | None = Field(None, description="The outputs that are wanted; all by default.")


class OutputTensor(BaseModel):
    """An output; its elements come after the JSON if `parameters` has `binary_data_size`."""

    name: str
    shape: list[int]
    datatype: Datatype
    parameters: dict[str, Parameter] | None = None
    data: list[Any] | None = None


class InferReply(BaseModel):
    """What a model makes of its inputs."""

    model_config = ConfigDict(protected_namespaces=())

    model_name: str
    model_version: str
    id: str | None = None
    outputs: list[OutputTensor]


class ServerMetadata(BaseModel):
    """What the server is."""

    name: str
    version: str
    extensions: list[str]


class ServerHealth(BaseModel):
    """State of the server."""

    live: bool
    ready: bool


class ModelReady(BaseModel):
    """State of a model."""

    name: str
    ready: bool


class TensorMetadata(BaseModel):
    """A tensor of a model; -1 stands for any size."""

    name: str
    datatype: Datatype
    shape: list[int]


class ModelMetadata(BaseModel):
    """What a model takes and gives."""

    name: str
    versions: list[str]
    platform: str
    inputs: list[TensorMetadata]
    outputs: list[TensorMetadata]


class ConfigTensor(BaseModel):
    """A tensor, as Triton's model configuration has it."""

    name: str
    data_type: str
    dims: list[int]
    optional: bool | None = None


class ConfigParameter(BaseModel):
    """A value, as Triton's model configuration has it."""

    string_value: str


class ModelConfig(BaseModel):
    """Triton's model configuration, as far as it says something here."""

    name: str
    platform: str
    backend: str
    max_batch_size: int
    input: list[ConfigTensor]
    output: list[ConfigTensor]
    parameters: dict[str, ConfigParameter]


class IndexRequest(BaseModel):
    """Which models to list."""

    model_config = ConfigDict(extra="forbid", strict=True)

    ready: bool = Field(False, description="Only those that are ready.")


class IndexEntry(BaseModel):
    """A model of the repository."""

    name: str
    version: str
    state: Literal["READY", "UNAVAILABLE"]
    reason: str


class Duration(BaseModel):
    """How often something was, and how many nanoseconds it took together."""

    count: int
    ns: int


class InferStatistics(BaseModel):
    """Durations of requests and of their parts; there is no response cache."""

    success: Duration
    fail: Duration
    queue: Duration
    compute_input: Duration
    compute_infer: Duration
    compute_output: Duration
    cache_hit: Duration
    cache_miss: Duration


class ModelStatistics(BaseModel):
    """What came to a model over this protocol since the server started.

    Batches are shared with other models and protocols, so a request counts as one execution, and none has a size.
    """

    name: str
    version: str
    last_inference: int = Field(description="Milliseconds since 1970; 0 if there was none.")
    inference_count: int = Field(description="Texts answered.")
    execution_count: int = Field(description="Requests answered.")
    inference_stats: InferStatistics
    batch_stats: list[Any]


class Statistics(BaseModel):
    """Of one model or of all."""

    model_stats: list[ModelStatistics]
