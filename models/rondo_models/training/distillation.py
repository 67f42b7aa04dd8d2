"""Knowledge distillation: a model learns what others, larger ones or several, think of its training texts."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from ..loss import Layer, Thoughts
from ..model import RondoModel


@dataclass(frozen=True, slots=True)
class Lesson:
    """What a data set's task learns from teachers (Hinton et al. 2015, arXiv:1503.02531; of pairs, for each target
    token: Kim & Rush 2016, arXiv:1606.07947).

    Attributes:
        teachers: models with a head of the same name and the same classes, over the same vocabulary; what they think
            is the mean of their probabilities.
        weight: of the divergence from that in the objective; the rest has what the data say.
        temperature: that softens both sides' probabilities; the divergence is multiplied by its square.
    """

    teachers: Sequence[RondoModel]
    weight: float
    temperature: float = 1.0

    def thoughts(self, ask: Callable[[RondoModel], Layer], readings: int = 1) -> Thoughts:
        """For `output_loss`, which never holds the probabilities of a whole vocabulary for all rows.

        Args:
            ask: a teacher's output layer with its rows, read without noise.
            readings: how many of the same rows follow each other.
        """
        with torch.no_grad():
            layers = [ask(teacher) for teacher in self.teachers]
        repeated = [(hidden.repeat(readings, 1), weight, bias) for hidden, weight, bias in layers]
        return Thoughts(repeated, self.weight, self.temperature)

    def objective(self, labelled: Tensor, logits: Tensor, ask: Callable[[RondoModel], Tensor]) -> Tensor:
        """What to minimise.

        Args:
            labelled: scalar, the objective by the data's own labels.
            logits: (rows, classes) of the model that learns; several readings of the same rows may follow each other.
            ask: the logits (rows, classes) of a teacher, which reads without noise.

        Returns:
            a scalar.
        """
        with torch.no_grad():
            thoughts = [(ask(teacher).float() / self.temperature).softmax(dim=-1) for teacher in self.teachers]
            wanted = torch.stack(thoughts).mean(dim=0)
            wanted = wanted.repeat(len(logits) // len(wanted), 1)
        own = (logits.float() / self.temperature).log_softmax(dim=-1)
        divergence = functional.kl_div(own, wanted, reduction="batchmean") * self.temperature**2
        return torch.lerp(labelled.float(), divergence, self.weight)
