"""Muon, LAMB in the variant that SHA-RNN was trained with, the learning-rate schedule, the average of weights."""

import math

import torch


class LAMB(torch.optim.Optimizer):
    """You et al. 2019 (arXiv:1904.00962) without bias correction; the norm of a weight counts at most 10 and a step is
    scaled by no less than 0.25 (Merity 2019's published code)."""

    def __init__(self, params, lr, betas=(0.9, 0.999), eps=1e-6, weight_decay=0.0):
        super().__init__(params, dict(lr=lr, betas=betas, eps=eps, weight_decay=weight_decay))

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            beta1, beta2 = group["betas"]
            for p in group["params"]:
                state = self.state[p]
                if not state:
                    state["mean"], state["square"] = torch.zeros_like(p), torch.zeros_like(p)
                mean, square = state["mean"], state["square"]
                mean.lerp_(p.grad, 1 - beta1)
                square.mul_(beta2).addcmul_(p.grad, p.grad, value=1 - beta2)
                step = mean / (square.sqrt() + group["eps"]) + group["weight_decay"] * p
                weight_norm, step_norm = p.norm().clamp(max=10), step.norm()
                trust = torch.where((weight_norm > 0) & (step_norm > 0), weight_norm / step_norm, 1.0)
                p.sub_(group["lr"] * trust.clamp(min=0.25) * step)


def orthogonalize(x: torch.Tensor) -> torch.Tensor:
    """x [n][d][d] with the singular values of each matrix brought near 1: five Newton-Schulz steps, with the
    coefficients of Jordan et al. 2024, in bfloat16 on a GPU."""
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-12)
    x = x.bfloat16() if x.is_cuda else x
    for _ in range(5):
        square = x @ x.transpose(1, 2)
        x = 3.4445 * x + (-4.775 * square + 2.0315 * square @ square) @ x
    return x.float()


class Muon(torch.optim.AdamW):
    """Jordan et al. 2024, for the groups with a `momentum`; the others are AdamW's.

    A matrix [n d][d] is n of [d][d], gates or chunks. As cpp/train/muon.h: steps are as large as AdamW's (Liu et al.
    2025, arXiv:2502.16982), so that one rate serves both."""

    @torch.no_grad()
    def step(self, closure=None):
        every = self.param_groups
        self.param_groups = [group for group in every if "momentum" not in group]
        super().step()
        self.param_groups = every
        for group in every:
            for p in group["params"] if "momentum" in group else ():
                keep, state, d = group["momentum"], self.state[p], p.shape[1]
                if not state:  # AdamW reads every parameter's `step` when a state is loaded
                    state["mean"], state["step"] = torch.zeros_like(p), torch.zeros(())
                mean = state["mean"].lerp_(p.grad, 1 - keep)
                step = orthogonalize(p.grad.lerp(mean, keep).view(-1, d, d)).view_as(p)
                p.mul_(1 - group["lr"] * group["weight_decay"]).sub_(group["lr"] * 0.2 * math.sqrt(d) * step)


def make_optimizer(kind: str, model, lr: float, decay: float):
    """Weight decay acts on matrices only. Muon steps those of the layers."""
    matrices = [p for p in model.parameters() if p.dim() == 2]
    vectors = [p for p in model.parameters() if p.dim() == 1]
    groups = [dict(params=matrices, weight_decay=decay), dict(params=vectors, weight_decay=0.0)]
    if kind == "lamb":
        return LAMB(groups, lr=lr)
    if kind == "muon":
        embedding = model.embedding.weight
        groups[0]["params"] = [embedding]
        layers = [p for p in matrices if p is not embedding]
        groups.append(dict(params=layers, weight_decay=decay, momentum=0.95))
        return Muon(groups, lr=lr, betas=(0.9, 0.99))
    return torch.optim.AdamW(groups, lr=lr, betas=(0.9, 0.99))


def rate(progress: float, warmup: float) -> float:
    """Share of the peak learning rate at `progress` (0..1) of the run: linear warm-up, then linear to exactly zero."""
    if progress < warmup:
        return progress / warmup
    return max(0.0, (1 - progress) / (1 - warmup))


class Average:
    """Exponential average of the parameters. The first steps count more, so that it does not remember the start."""

    def __init__(self, model, decay: float):
        self.decay, self.steps = decay, 0
        self.values = {name: p.detach().clone() for name, p in model.named_parameters()}

    @torch.no_grad()
    def update(self, model) -> None:
        self.steps += 1
        decay = min(self.decay, self.steps / (self.steps + 9))
        for name, p in model.named_parameters():
            self.values[name].lerp_(p, 1 - decay)

    @torch.no_grad()
    def swap(self, model) -> None:
        """Exchanges the model's parameters with the averages; a second call exchanges them back."""
        for name, p in model.named_parameters():
            mine = self.values[name].clone()
            self.values[name].copy_(p)
            p.copy_(mine)
