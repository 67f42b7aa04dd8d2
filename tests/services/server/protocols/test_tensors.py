"""Elements of tensors survive their way through bytes."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rondo_services.server.protocols.open_inference.schema import Datatype, InputParameters, InputTensor
from rondo_services.server.protocols.open_inference.tensors import BinaryPart, Tensor, packed, read_tensor

ELEMENTS: dict[Datatype, st.SearchStrategy[Any]] = {
    "BYTES": st.text(),
    "BOOL": st.booleans(),
    "INT64": st.integers(-(2**63), 2**63 - 1),
    "FP32": st.floats(width=32, allow_nan=False),
    "FP64": st.floats(allow_nan=False),
}


@pytest.mark.parametrize("datatype", ELEMENTS)
@given(data=st.data())
def test_what_is_packed_is_read_again(datatype: Datatype, data: st.DataObject) -> None:
    elements = data.draw(st.lists(ELEMENTS[datatype], max_size=5))
    content = packed(Tensor("x", datatype, (len(elements),), elements))
    tensor = InputTensor(
        name="x",
        shape=[len(elements)],
        datatype=datatype,
        parameters=InputParameters(binary_data_size=len(content)),
    )
    binary = BinaryPart(content)
    assert read_tensor(tensor, datatype, binary).elements == elements
    binary.check_empty()
