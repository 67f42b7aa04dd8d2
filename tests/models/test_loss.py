"""The chunked output loss against the library's own."""

import pytest
import torch
from torch.nn import functional
from torch.nn.functional import kl_div

from rondo_models.loss import CPU_ROWS, Thoughts, divergence, output_loss


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("rows", [1, CPU_ROWS, CPU_ROWS + 3])
def test_value_and_gradients_equal_linear_and_cross_entropy(smoothing: float, rows: int) -> None:
    torch.manual_seed(0)
    targets = torch.randint(0, 11, (rows,))
    scale = torch.rand(rows)
    leaves = [torch.randn(rows, 6), torch.randn(11, 6), torch.randn(11)]
    ours = [leaf.clone().requires_grad_() for leaf in leaves]
    theirs = [leaf.clone().requires_grad_() for leaf in leaves]
    loss, log_likelihood = output_loss(ours[0], ours[1], ours[2], targets, smoothing=smoothing, low_precision=False)
    torch.autograd.backward((loss * scale).sum())
    logits = functional.linear(*theirs)
    expected = functional.cross_entropy(logits, targets, label_smoothing=smoothing, reduction="none")
    torch.autograd.backward((expected * scale).sum())
    torch.testing.assert_close(loss, expected, atol=1e-4, rtol=1e-4)
    plain = -functional.cross_entropy(logits, targets, reduction="none")
    torch.testing.assert_close(log_likelihood, plain.detach(), atol=1e-4, rtol=1e-4)
    for mine, reference in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine.grad, reference.grad, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("temperature", [1.0, 2.0])
def test_with_teachers_value_and_gradients_equal_the_librarys(smoothing: float, temperature: float) -> None:
    torch.manual_seed(0)
    rows = CPU_ROWS + 3
    targets, scale = torch.randint(0, 11, (rows,)), torch.rand(rows)
    leaves = [torch.randn(rows, 6), torch.randn(11, 6), torch.randn(11)]
    teachers = [(torch.randn(rows, size), torch.randn(11, size), torch.randn(11)) for size in (4, 7)]
    ours, theirs = ([leaf.clone().requires_grad_() for leaf in leaves] for _ in range(2))
    thoughts = Thoughts(teachers, 0.3, temperature)
    loss, log_likelihood = output_loss(
        ours[0], ours[1], ours[2], targets, smoothing=smoothing, low_precision=False, thoughts=thoughts
    )
    torch.autograd.backward((loss * scale).sum())
    logits = functional.linear(*theirs)
    labelled = functional.cross_entropy(logits, targets, label_smoothing=smoothing, reduction="none")
    wanted = torch.stack([(functional.linear(*teacher) / temperature).softmax(-1) for teacher in teachers]).mean(0)
    apart = kl_div((logits / temperature).log_softmax(-1), wanted, reduction="none").sum(-1) * temperature**2
    expected = 0.7 * labelled + 0.3 * apart
    torch.autograd.backward((expected * scale).sum())
    torch.testing.assert_close(loss, expected, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(log_likelihood, logits.log_softmax(-1).gather(1, targets[:, None])[:, 0].detach())
    for mine, reference in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine.grad, reference.grad, atol=1e-4, rtol=1e-4)


def test_low_precision_stays_near() -> None:
    torch.manual_seed(0)
    hidden, weight, bias = torch.randn(50, 16), torch.randn(30, 16) * 0.3, torch.zeros(30)
    targets = torch.randint(0, 30, (50,))
    exact, _ = output_loss(hidden, weight, bias, targets, smoothing=0.0, low_precision=False)
    near, _ = output_loss(hidden, weight, bias, targets, smoothing=0.0, low_precision=True)
    assert float((exact - near).abs().max()) < 0.05


def test_divergence_is_half_the_sum_of_both_ways() -> None:
    torch.manual_seed(0)
    first, second, weight, bias = torch.randn(5, 6), torch.randn(5, 6), torch.randn(9, 6), torch.randn(9)
    one, other = ((hidden @ weight.T + bias).log_softmax(-1) for hidden in (first, second))
    there, back = (kl_div(a, b, log_target=True, reduction="none").sum(-1) for a, b in ((one, other), (other, one)))
    torch.testing.assert_close(divergence(first, second, weight, bias), (there + back) / 2)
