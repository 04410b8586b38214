"""Fake quantization: float tensors moved to the grid of the integer network (docs/model.md, section 3).

Every function rounds in the forward pass and passes the gradient straight through in the backward pass, as if it
had not rounded; values beyond the grid are clipped and get no gradient.
"""

from dataclasses import dataclass

import torch

INT8 = 127  # the largest int8 of the integer network; -128 never occurs


@dataclass(frozen=True)
class Rounding:
    """What a forward pass rounds.

    shift: fractional bits of every normalized int8 activation (`shacomp quantize` later tries 4, 5 and 6 per site).
    exact: also round inside the recurrence (the int8 state), the attention weights and the sums between layers. That
    needs a step loop instead of cuDNN's LSTM and is many times slower on a GPU.
    """

    shift: int = 5
    exact: bool = False


def round_to(x: torch.Tensor, step, limit: int = INT8) -> torch.Tensor:
    """x on the grid of multiples of `step` (a number or a tensor) up to limit * step."""
    reach = limit * step if torch.is_tensor(step) else torch.tensor(limit * step, dtype=x.dtype, device=x.device)
    clipped = torch.minimum(torch.maximum(x, -reach), reach)
    return clipped + ((clipped / step).round() * step - clipped).detach()


def round_activation(x: torch.Tensor, bits: int) -> torch.Tensor:
    """int8 with `bits` fractional bits."""
    return round_to(x, 2.0**-bits)


def row_steps(weight: torch.Tensor) -> torch.Tensor:
    """[rows, 1]: the step of each row's int8 weights. Clipping the few largest can lower the squared error of all:
    the same candidates as in src/trainer/quantize.ts."""
    top = weight.abs().amax(1, keepdim=True).clamp(min=1e-9)
    best, best_error = top / INT8, torch.full_like(top, float("inf"))
    for clip in range(100, 50, -5):
        step = top * (clip / 100 / INT8)
        error = ((weight / step).round().clamp(-INT8, INT8) * step - weight).square().sum(1, keepdim=True)
        best = torch.where(error < best_error, step, best)
        best_error = torch.minimum(error, best_error)
    return best


def round_weight(weight: torch.Tensor) -> torch.Tensor:
    """int8 per row. Clipped weights keep their gradient, so that they can come back."""
    with torch.no_grad():
        step = row_steps(weight)
        rounded = (weight / step).round().clamp(-INT8, INT8) * step
    return weight + (rounded - weight).detach()
