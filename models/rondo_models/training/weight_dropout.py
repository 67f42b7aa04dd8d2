"""Dropout of the matrices that lead from one state to the next (DropConnect on them: Merity et al. 2018, "Regularizing
and Optimizing LSTM Language Models", arXiv:1708.02182).

The same entries are missing at all steps of a batch, so that the library's fast layers still run.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn
from torch.nn import functional

from ..normalized import NormalizedLayer


def recurrent_layers(module: nn.Module) -> list[nn.RNNBase | NormalizedLayer]:
    """All layers with such matrices.

    Raises:
        ValueError: there are none.
    """
    layers = [own for own in module.modules() if isinstance(own, nn.RNNBase | NormalizedLayer)]
    if not layers:
        raise ValueError("weight_dropout is for cells with a matrix from state to state: rnn, lstm and gru")
    return layers


@contextmanager
def dropped_recurrent_weights(module: nn.Module, share: float) -> Iterator[None]:
    """A context in which a newly drawn `share` of the entries is zero, and the others are larger to make up for it.

    Gradients computed from what happens inside reach the weights themselves.

    Raises:
        ValueError: there are no such matrices.
    """
    if share == 0:
        yield
        return
    whole = [
        (layers, name, weight)
        for layers in recurrent_layers(module)
        for name, weight in layers.named_parameters(recurse=False)
        if name.startswith("weight_hh")
    ]
    try:
        for layers, name, weight in whole:
            layers._parameters[name] = functional.dropout(weight, share)  # type: ignore[assignment]  # as functional_call
        yield
    finally:
        for layers, name, weight in whole:
            layers._parameters[name] = weight
