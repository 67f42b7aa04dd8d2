"""The layer of the shared backbone that reads token ids, packed.

What the layer multiplies its input with is the same for each occurrence of a token. If the products of the whole
vocabulary fit into little memory, they are made once and looked up.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from .operands import Known, Rows
from .packing import Numbers, PackedWeights, ProductTable, input_products, pack_lstm, pack_recurrence

_LARGEST_TABLE_BYTES = 32 * 2**20
"""One for each direction; a vocabulary of 8,192 and 384 units make 24 MB of it."""


@dataclass(frozen=True, slots=True)
class InputLayer:
    """An LSTM of one layer over embedded tokens.

    Attributes:
        weights: of the embedding and the hidden state; of the hidden state alone if there are products.
        embedding: (vocabulary, size), to be multiplied with `scale`.
        products: of the embedded vocabulary with the input weights; None if they are made for each occurrence.
    """

    weights: PackedWeights
    embedding: Tensor
    scale: float
    products: ProductTable | None

    @staticmethod
    def of(layer: torch.nn.LSTM, embedding: Tensor, scale: float, numbers: Numbers) -> "InputLayer":
        """With products if they are no less exact than `numbers`, and not too large."""
        num_bytes = len(embedding) * 4 * layer.hidden_size * torch.int16.itemsize
        if numbers == "int16" and num_bytes <= _LARGEST_TABLE_BYTES:
            products = input_products(layer, embedding.detach() * scale)
            return InputLayer(pack_recurrence(layer, numbers), embedding, scale, products)
        return InputLayer(pack_lstm(layer, [embedding.shape[1]], numbers), embedding, scale, None)

    def vectors(self, ids: Tensor) -> Rows | Known:
        """What the kernels read where these ids are."""
        ids = ids.contiguous()
        return Rows(self.embedding, ids, self.scale) if self.products is None else Known(self.products, ids)
