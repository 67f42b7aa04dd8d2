"""Numbers for the words of a text that comes in pieces, however it was cut and whatever the case of its letters.

A head keeps, of each piece of the vocabulary, a row of small numbers that every precision of weights holds: the hash of
its letters in eight bytes, their number, and how it stands to the piece before. Which letters they are is not known
here (`rondo_services.training.piece_table`).
"""

import torch
from torch import Tensor

from ..backbone import length_mask

GOES_ON, BEGINS, STANDS_ALONE = 0, 1, 2
"""A piece goes on with the word before it, begins one, or is one, such as a punctuation mark."""

LETTER_BASE = 0x5851F42D4C957F2D
"""The hash of letters is a polynomial of it modulo 2^64, so that pieces' hashes add up to their word's."""

PIECE_COLUMNS = 10
MOST_LETTERS = 63
_MODULUS = 2_147_483_647


def _powers() -> Tensor:
    powers = [pow(LETTER_BASE, n, 2**64) for n in range(MOST_LETTERS + 1)]
    return torch.tensor([power - 2**64 if power >= 2**63 else power for power in powers])


_POWERS = _powers()


def words_of(ids: Tensor, lengths: Tensor, pieces: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Words instead of pieces.

    Args:
        ids: (batch, time).
        lengths: (batch,).
        pieces: (vocabulary, 10).

    Returns:
        a number for each word (batch, time), padded; the number of words (batch,); and which word each piece is of
        (batch, time), where there is a piece.
    """
    mask = length_mask(lengths, ids.shape[1])
    own = pieces[ids].long()  # (batch, time, 10)
    hashes = (own[..., :8] << torch.arange(0, 64, 8, device=ids.device)).sum(dim=-1)
    num_letters, kinds = own[..., 8], own[..., 9]
    begins = kinds != GOES_ON
    begins[:, 1:] &= (num_letters[:, :-1] > 0) | (kinds[:, :-1] != BEGINS)  # a space alone is of the word after it
    begins[:, 1:] |= kinds[:, :-1] == STANDS_ALONE
    begins[:, 0] = True
    begins &= mask
    word = begins.long().cumsum(dim=1) - 1
    before = num_letters.cumsum(dim=1) - num_letters
    nothing = torch.zeros_like(ids)
    starts = nothing.scatter_add(1, word, torch.where(begins, before, 0))
    places = (before - starts.gather(1, word)).clamp(max=MOST_LETTERS)
    terms = torch.where(mask, hashes * _POWERS.to(ids.device)[places], 0)
    numbers = nothing.scatter_add(1, word, terms)
    return (numbers ^ (numbers >> 31)) % _MODULUS, begins.sum(dim=1), word
