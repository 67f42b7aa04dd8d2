"""A Transformer encoder (Vaswani et al. 2017, arXiv:1706.03762): what the recurrent encoder is measured against.

It sees a text as a whole. So it can't go on from a state, nor read a text in parts, and nothing is written with it:
that remains the forward stack's.
"""

import math

import torch
from torch import Tensor, nn


def positions(time: int, size: int, like: Tensor) -> Tensor:
    """(time, size) sines and cosines of each place, for texts of any length, as values like those of `like`."""
    places = torch.arange(time, device=like.device, dtype=torch.float32)[:, None]
    rates = torch.exp(torch.arange(0, size, 2, device=like.device) * (-math.log(10_000.0) / size))
    waves = torch.stack([torch.sin(places * rates), torch.cos(places * rates)], dim=-1)  # (time, ceil(size / 2), 2)
    return waves.flatten(1)[:, :size].to(like.dtype)


class TransformerEncoder(nn.Module):
    """`num_layers` layers of self-attention, normalised before each part (Xiong et al. 2020, arXiv:2002.04745)."""

    def __init__(self, size: int, num_layers: int, num_heads: int, feedforward_size: int, dropout: float) -> None:
        super().__init__()
        layer = nn.TransformerEncoderLayer(
            size, num_heads, feedforward_size, dropout, batch_first=True, norm_first=True
        )
        self.layers = nn.TransformerEncoder(layer, num_layers, nn.LayerNorm(size), enable_nested_tensor=False)
        for parameter in self.layers.parameters():
            if parameter.dim() > 1:  # the library copies one layer, so that all would begin alike
                nn.init.xavier_uniform_(parameter)

    def forward(self, inputs: Tensor, mask: Tensor) -> Tensor:
        """(batch, time, size) of which `mask` (batch, time) says where there is a token → (batch, time, size).

        What stands where there is no token means nothing, but is finite.
        """
        placed = inputs + positions(inputs.shape[1], inputs.shape[2], inputs)
        outputs: Tensor = self.layers(placed, src_key_padding_mask=~mask)
        return outputs
