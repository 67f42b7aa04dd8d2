"""From an inference request to the native one, and from results to tensors."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

from fastapi.responses import JSONResponse, Response
from pydantic_core import from_json

from ....errors import InvalidInput
from ....schema import Schema
from ..native import native
from .body import JSON_LENGTH
from .models import TEXT, Model, Option, Output
from .schema import InferRequest, InputTensor, OutputParameters
from .tensors import BinaryPart, Tensor, packed, read_tensor

_BINARY_OUTPUT = "binary_data_output"
_NOT_HERE = {
    "sequence_id": "there are no sequences here; to go on with a text, use return_state and state",
    "sequence_start": "there are no sequences here",
    "sequence_end": "there are no sequences here",
    "priority": "send the header X-Priority: batch instead",
    "timeout": "send the header X-Request-Timeout-Ms instead",
}


class Order:
    """What one inference request asks of a model.

    Attributes:
        native: the request that the service knows.
        shape: of the texts, [n] or [n, 1].

    Raises:
        InvalidInput: a tensor, parameter or output is missing, unknown, given twice or wrong.
        RequestValidationError: the service does not take a value.
    """

    def __init__(self, model: Model, request: InferRequest, binary: BinaryPart) -> None:
        self._model = model
        self._options = {option.name: option for option in model.options}
        parameters = dict(request.parameters or {})
        wants_binary = parameters.pop(_BINARY_OUTPUT, False)
        if not isinstance(wants_binary, bool):
            raise InvalidInput(f"{_BINARY_OUTPUT} must be true or false", field=_BINARY_OUTPUT)
        for name in parameters:
            self._check_parameter(name)
        fields: dict[str, Any] = {name: _read(self._options[name], value) for name, value in parameters.items()}
        names = [given.name for given in request.inputs]
        for name in names:
            if names.count(name) > 1 or name in parameters:
                raise InvalidInput(f"{name!r} is given twice", field=name)
        if TEXT not in names:
            raise InvalidInput(f"the input {TEXT!r} is missing", field=TEXT)
        for given in request.inputs:
            if given.name == TEXT:
                tensor = self._texts(given, binary)
                self.shape = tensor.shape
                fields[model.field] = list(tensor.elements)
            else:
                fields[given.name] = self._option(given, binary)
        binary.check_empty()
        self.native: Schema = native(model.request, fields, {model.field: TEXT})
        self._wanted = list(self._wanted_outputs(request, wants_binary))

    def _check_parameter(self, name: str) -> None:
        if name in _NOT_HERE:
            raise InvalidInput(f"{name}: {_NOT_HERE[name]}", field=name)
        if name not in self._options:
            known = ", ".join([*self._options, _BINARY_OUTPUT])
            raise InvalidInput(f"unknown parameter {name!r}; choose among {known}", field=name)

    def _texts(self, given: InputTensor, binary: BinaryPart) -> Tensor:
        if len(given.shape) > 2 or given.shape[1:] not in ([], [1]):
            raise InvalidInput(f"input {TEXT!r}: shape {given.shape}; it must be [n] or [n, 1]", field=TEXT)
        return read_tensor(given, "BYTES", binary)

    def _option(self, given: InputTensor, binary: BinaryPart) -> Any:
        option: Option | None = self._options.get(given.name)
        if option is None:
            known = ", ".join([TEXT, *self._options])
            raise InvalidInput(f"unknown input {given.name!r}; choose among {known}", field=given.name)
        tensor = read_tensor(given, option.datatype, binary)
        if option.many:
            return list(tensor.elements)
        if len(tensor.elements) != 1:
            raise InvalidInput(f"input {option.name!r}: shape {given.shape}; it must be [1]", field=option.name)
        return _read(option, tensor.elements[0])

    def _wanted_outputs(self, request: InferRequest, binary: bool) -> Iterator[tuple[Output, OutputParameters]]:
        offered = {
            output.name: output
            for output in self._model.outputs
            if output.asked_by is None or getattr(self.native, output.asked_by)
        }
        if not request.outputs:
            yield from ((output, OutputParameters(binary_data=binary)) for output in offered.values())
            return
        names = [wanted.name for wanted in request.outputs]
        for wanted in request.outputs:
            output = offered.get(wanted.name)
            if output is None:
                late = next((o.asked_by for o in self._model.outputs if o.name == wanted.name), None)
                hint = f"it needs {late}" if late is not None else f"choose among {', '.join(offered)}"
                raise InvalidInput(f"there is no output {wanted.name!r}; {hint}", field=wanted.name)
            if names.count(wanted.name) > 1:
                raise InvalidInput(f"output {wanted.name!r} is asked for twice", field=wanted.name)
            parameters = wanted.parameters or OutputParameters()
            if parameters.classification is not None and not output.labelled:
                raise InvalidInput(f"output {wanted.name!r} has no labels to classify by", field=wanted.name)
            if parameters.binary_data is None:
                parameters = parameters.model_copy(update={"binary_data": binary})
            yield output, parameters

    def outputs(self, results: Sequence[Any], labels: Sequence[str]) -> list[tuple[Tensor, bool]]:
        """The tensors that are wanted, and whether each is to come after the JSON."""
        return [
            (self._tensor(output, results, parameters.classification, labels), bool(parameters.binary_data))
            for output, parameters in self._wanted
        ]

    def _tensor(self, output: Output, results: Sequence[Any], best: int | None, labels: Sequence[str]) -> Tensor:
        rows = [output.row(result) for result in results]
        if not output.wide:
            return Tensor(output.name, output.datatype, self.shape, rows)
        datatype = output.datatype
        if best is not None:
            datatype, rows = "BYTES", [_classified(row, labels)[:best] for row in rows]
        width = getattr(self.native, output.asked_by) if output.asked_by is not None else len(rows[0])
        elements = [element for row in rows for element in (*row, *[""] * (width - len(row)))]
        return Tensor(output.name, datatype, (len(rows), width), elements)


def _read(option: Option, value: Any) -> Any:
    """What the service takes, of what was given."""
    if not option.in_json:
        return value
    try:
        return from_json(value if isinstance(value, str) else b"")
    except ValueError as error:
        raise InvalidInput(f"{option.name!r} must be JSON", field=option.name) from error


def _classified(scores: Sequence[float], labels: Sequence[str]) -> list[str]:
    """Triton's classification extension: `score:index:label`, the highest first."""
    order = sorted(range(len(scores)), key=lambda index: -scores[index])
    return [f"{scores[index]:.6f}:{index}:{labels[index]}" for index in order]


def reply_of(head: dict[str, Any], outputs: Sequence[tuple[Tensor, bool]]) -> Response:
    """The reply: JSON, followed by the elements of the outputs that are to come after it."""
    described, parts = [], []
    for tensor, binary in outputs:
        own: dict[str, Any] = {"name": tensor.name, "datatype": tensor.datatype, "shape": list(tensor.shape)}
        if binary:
            parts.append(packed(tensor))
            own["parameters"] = {"binary_data_size": len(parts[-1])}
        else:
            own["data"] = list(tensor.elements)
        described.append(own)
    content = {**head, "outputs": described}
    if not parts:
        return JSONResponse(content)
    start = json.dumps(content, ensure_ascii=False).encode()
    return Response(b"".join([start, *parts]), 200, {JSON_LENGTH: str(len(start))}, "application/octet-stream")
