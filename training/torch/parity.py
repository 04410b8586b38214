"""Writes fixtures/torch/: what this program computes, for the project's tests to compare with (test/trainer/torch-parity.test.ts).

    python3 parity.py [FOLDER]

parameters.json   names and shapes of every preset, as this program has them
gradients.safetensors
    a small network: parameters, the state carried in from a first segment, two segments, and of the second one the
    logits, the loss and the gradient of every parameter, float32
rounding.safetensors
    the logits of a network rounded as its integer form rounds; its parameters come from a formula (`formula_parameters`)
    that the test knows too
training.safetensors
    losses of some steps of AdamW from such parameters, and the gradient's product with some directions at the last one
training-muon.safetensors
    the same of Muon
"""

import json
import sys
from pathlib import Path

import numpy as np
import torch

from checkpoint import write_safetensors
from model import Architecture, SharNN, preset_names, reset
from optimizer import make_optimizer
from rounding import Rounding

FOLDER = Path(__file__).resolve().parents[2] / "fixtures" / "torch"
SMALL = Architecture(width=16, layers=2, boom=2, window=10, attention=(0, 1))
TRAINED = Architecture(width=64, layers=2, boom=2, window=128, attention=(0, 1))
ROUNDED = Architecture(width=64, layers=1, boom=2, window=24, attention=(0,))


def uniform(seed: int, n: int) -> np.ndarray:
    """n numbers in [-1, 1), the same in every language: a 32-bit hash (murmur3's finalizer) of seed + index."""
    x = (np.arange(n, dtype=np.uint64) + np.uint64(seed * 1000003)) & np.uint64(0xFFFFFFFF)
    for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35)):
        x ^= x >> np.uint64(shift)
        x = (x * np.uint64(factor)) & np.uint64(0xFFFFFFFF)
    x ^= x >> np.uint64(16)
    return x.astype(np.float64) / 2**31 - 1


def formula_parameters(model: SharNN) -> None:
    """Parameters of the size that training gives: norm gains around 1, matrices scaled by their width."""
    for seed, (name, p) in enumerate(sorted(model.named_parameters())):
        u = torch.from_numpy(uniform(seed, p.numel())).reshape(p.shape)
        if "norm" in name and name.endswith("weight"):
            value = 1 + 0.3 * u
        elif name == "embedding.weight":
            value = 0.35 * u
        elif p.dim() == 2:
            value = u * (1.7 / p.shape[1] ** 0.5)
        else:
            value = 0.4 * u
        with torch.no_grad():
            p.copy_(value)


def random_bytes(seed: int, T: int, B: int, symbols: int) -> torch.Tensor:
    return torch.from_numpy(((uniform(seed, T * B) + 1) / 2 * symbols).astype(np.int64)).view(T, B)


def gradients() -> tuple:
    T, B = 6, 3
    model = SharNN(SMALL)
    formula_parameters(model)
    carry = SMALL.window - T
    first, second = [(random_bytes(s, T, B, 7), random_bytes(s + 1, T, B, 7)) for s in (100, 102)]
    with torch.no_grad():
        _, state = model(*(first[0], model.initial_state(B, carry)), first[1])
    resets = torch.tensor([False, True, False])
    logits, _ = model(second[0], reset(state, resets))
    loss, _ = model(second[0], reset(state, resets), second[1])
    loss.backward()
    arrays = {f"parameters/{n}": p.detach().numpy() for n, p in model.named_parameters()}
    arrays |= {f"gradients/{n}": p.grad.numpy() for n, p in model.named_parameters()}
    arrays |= {"first/inputs": first[0], "first/targets": first[1], "inputs": second[0], "targets": second[1]}
    for name in ("first/inputs", "first/targets", "inputs", "targets"):
        arrays[name] = arrays[name].numpy().astype(np.uint8)
    arrays |= {"resets": resets.numpy().astype(np.uint8), "logits": logits.detach().numpy(), "loss": loss.detach().numpy()[None]}
    return arrays, {"architecture": SMALL.to_json(), "carry": str(carry)}


@torch.no_grad()
def rounded() -> tuple:
    """Short sequences: a value that falls on the other side of a rounding boundary is felt for ever after."""
    T, B = 2, 48
    model = SharNN(ROUNDED)
    formula_parameters(model)
    inputs = random_bytes(200, T, B, 256)
    logits, _ = model(inputs, model.initial_state(B, ROUNDED.window - 1), rounding=Rounding(exact=True, reach=16))
    arrays = {"inputs": inputs.numpy().astype(np.uint8), "logits": logits.numpy()}
    return arrays, {"architecture": ROUNDED.to_json(), "streams": str(B)}


def training(kind: str = "adamw") -> tuple:
    """Losses before each of some steps; then, for every parameter, its last gradient's norm and its products with
    two directions given by the formula."""
    T, B, steps, options = 64, 3, 10, {"lr": 3e-3, "decay": 0.05, "clip": 0.5}
    model = SharNN(TRAINED)
    formula_parameters(model)
    optimizer = make_optimizer(kind, model, options["lr"], options["decay"])
    state = model.initial_state(B, TRAINED.window - T)
    text = random_bytes(300, steps * T + 1, B, 9)
    resets = random_bytes(301, steps, B, 4) == 0
    losses = []
    for n in range(steps):
        piece = text[n * T : (n + 1) * T + 1]
        loss, state = model(piece[:-1], reset(state, resets[n]), piece[1:])
        optimizer.zero_grad()
        loss.backward()
        gradients = {name: p.grad.double().flatten() for name, p in sorted(model.named_parameters())}
        gradients = {name: g.clone() for name, g in gradients.items()}
        torch.nn.utils.clip_grad_norm_(model.parameters(), options["clip"])
        optimizer.step()
        losses.append(loss.item())
    products = [
        [g.norm().item()] + [(g @ torch.from_numpy(uniform(seed, len(g)))).item() for seed in (400, 401)]
        for g in gradients.values()
    ]
    arrays = {"text": text.numpy().astype(np.uint8), "resets": resets.numpy().astype(np.uint8)}
    arrays |= {"losses": np.float32(losses), "products": np.float32(products)}
    return arrays, {"architecture": TRAINED.to_json(), "options": json.dumps({"T": T, "B": B, "steps": steps, **options})}


def shapes(preset: str) -> list:
    with torch.no_grad():
        return sorted([name, list(p.shape)] for name, p in SharNN(Architecture.preset(preset)).named_parameters())


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    lines = []
    for preset in preset_names():
        entries = ",\n".join(f"    {json.dumps(entry)}" for entry in shapes(preset))
        lines.append(f'  "{preset}": [\n{entries}\n  ]')
    (folder / "parameters.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")
    write_safetensors(folder / "gradients.safetensors", *gradients())
    write_safetensors(folder / "rounding.safetensors", *rounded())
    write_safetensors(folder / "training.safetensors", *training())
    write_safetensors(folder / "training-muon.safetensors", *training("muon"))


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)
