"""Fake quantization: float tensors moved to the grid of the integer network (docs/model.md, section 3).

Every function rounds in the forward pass and passes the gradient straight through in the backward pass, as if it
had not rounded; values beyond the grid are clipped and get no gradient.
"""

import math
from dataclasses import dataclass
from typing import Optional

import torch

INT8 = 127  # the largest int8 of the integer network; -128 never occurs
MARGIN = 1.1  # room above the largest value met, as in src/trainer/quantize.ts


@dataclass(frozen=True)
class Rounding:
    """What a forward pass rounds.

    bits: of a weight, 8, 7 or 6.
    exact: also round inside the recurrence (the int8 state), the attention weights and the sums between layers. That
    needs a step loop instead of cuDNN's LSTM and is many times slower on a GPU.
    reach: the largest normalized value that int8 activations have room for; None: in each channel what the segment needs.
    """

    bits: int = 7
    exact: bool = False
    reach: Optional[float] = None

    def channel_steps(self, n: torch.Tensor) -> torch.Tensor:
        """[d]: the steps of the int8 of normalized vectors n [..., d]."""
        with torch.no_grad():
            most = largest(n) if self.reach is None else torch.full_like(n[(0,) * (n.dim() - 1)], self.reach)
            return steps_up_to(MARGIN * most)

    def operands(self, n: torch.Tensor, weight: torch.Tensor, step: torch.Tensor) -> tuple:
        """n and the matrix that reads it as int8 by int8: the steps of the channels are in the columns."""
        return round_to(n, step), round_weight(weight * step, self.bits) / step

    def state(self, h: torch.Tensor) -> torch.Tensor:
        """The recurrent state: int8, Q0.7."""
        return round_to(h, 2.0**-7)

    def total(self, x: torch.Tensor) -> torch.Tensor:
        """A sum that only a normalization reads: int16, with as many fractional bits, up to 9, as the largest leaves."""
        if not self.exact:
            return x
        shift = max(1, math.ceil(math.log2(MARGIN * x.detach().abs().max().item() * 1024 / 32767 + 1e-9)))
        return round_to(x, 2.0 ** (shift - 10), 32767)

    def boom(self, x: torch.Tensor) -> torch.Tensor:
        """The boom layer's sums: int16, Q7.8."""
        return round_to(x, 2.0**-8, 32767) if self.exact else x


def steps_up_to(most: torch.Tensor) -> torch.Tensor:
    """Steps whose int8 reach `most`, as integer scales (Q0.15 of values in Q5.10) can say them."""
    return 32 / (32 * INT8 / most.clamp(min=1e-3)).round().clamp(1, 32767)


def largest(x: torch.Tensor) -> torch.Tensor:
    """[d]: the largest magnitude of each channel of x [..., d]."""
    return x.detach().abs().flatten(0, -2).amax(0)


def round_to(x: torch.Tensor, step, limit: int = INT8) -> torch.Tensor:
    """x on the grid of multiples of `step` (a number or a tensor) up to limit * step."""
    reach = limit * step if torch.is_tensor(step) else torch.tensor(limit * step, dtype=x.dtype, device=x.device)
    clipped = torch.minimum(torch.maximum(x, -reach), reach)
    return clipped + ((clipped / step).round() * step - clipped).detach()


def row_steps(weight: torch.Tensor, limit: int) -> torch.Tensor:
    """[rows, 1]: the step of each row's weights. Clipping the few largest can lower the squared error of all:
    the same candidates as in src/trainer/quantize.ts."""
    top = weight.abs().amax(1, keepdim=True).clamp(min=1e-9)
    best, best_error = top / limit, torch.full_like(top, float("inf"))
    for clip in range(100, 45, -5):
        step = top * (clip / 100 / limit)
        error = ((weight / step).round().clamp(-limit, limit) * step - weight).square().sum(1, keepdim=True)
        best = torch.where(error < best_error, step, best)
        best_error = torch.minimum(error, best_error)
    return best


def round_weight(weight: torch.Tensor, bits: int) -> torch.Tensor:
    """One step per row. Clipped weights keep their gradient, so that they can come back."""
    limit = 2 ** (bits - 1) - 1
    with torch.no_grad():
        step = row_steps(weight, limit)
        rounded = (weight / step).round().clamp(-limit, limit) * step
    return weight + (rounded - weight).detach()
