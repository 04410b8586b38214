"""Fits the mixer's corrector (docs/mixing.md) to what scripts/corrector-inputs.mjs has written of many files.

    python3 corrector.py --examples a.bin b.bin=0.3 ... --held-out c.bin ... --out ../../src/engines/reference/corrector.json

An example is a bit: 32 logits and, of 57 histories, 4 (p - 1/2), Q8; six categories; the bit itself; int16 each.
`=0.3` takes that share of a file's. Afterwards: node scripts/corrector-weights.mjs, npm run build.
"""

import argparse
import base64
import json
import math

import numpy as np
import torch
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits as cross_entropy

LOGITS, INPUTS, UNITS = 32, 32 + 57, (64, 32)
# values of: class of the last byte, place in the byte and orders, runs, match, age of the stream, uncertainty
CATEGORIES = [16, 64, 8, 72, 19, 16]
COLUMNS = INPUTS + len(CATEGORIES) + 1
AGE = 4
# what the integers can hold: weights Q11, a unit Q8 below 32
MOST_FIRST, MOST_SECOND, MOST_UNIT = 7.9, 3.9, 8191 / 256


class Corrector(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(INPUTS, UNITS[0])
        self.categories = nn.ModuleList(nn.Embedding(n, UNITS[0]) for n in CATEGORIES)
        self.second = nn.Linear(*UNITS)
        self.last = nn.Linear(UNITS[1], 1)
        for zero in (*(c.weight for c in self.categories), self.last.weight, self.last.bias):
            nn.init.zeros_(zero)

    def forward(self, examples):
        """What is to be added to the first logit, in nats."""
        sums = self.first(examples[:, :INPUTS].float() / 256)
        for k, (count, table) in enumerate(zip(CATEGORIES, self.categories)):
            sums = sums + table(examples[:, INPUTS + k].long().clamp(max=count - 1))
        units = torch.clamp(self.second(torch.clamp(sums, 0, MOST_UNIT)), 0, MOST_UNIT)
        return self.last(units)[:, 0]

    def clamp(self):
        with torch.no_grad():
            self.first.weight.clamp_(-MOST_FIRST, MOST_FIRST)
            self.second.weight.clamp_(-MOST_SECOND, MOST_SECOND)

    def weights(self) -> np.ndarray:
        """In the order of cpp/mix/corrector_weights.h, Q11. The first layer's bias is a part of each age."""
        tables = [c.weight.detach().numpy() for c in self.categories]
        tables[AGE] = tables[AGE] + self.first.bias.detach().numpy()
        parts = [self.first.weight.detach().numpy().T, *tables, self.second.weight.detach().numpy().T]
        parts += [self.second.bias.detach().numpy(), self.last.weight.detach().numpy(), self.last.bias.detach().numpy()]
        rounded = np.round(np.concatenate([p.reshape(-1) for p in parts]) * 2048)
        if np.abs(rounded).max() > 32767:
            raise SystemExit("a weight is too large for Q11: fit with a lower rate")
        return rounded.astype("<i2")


def read(name: str, random) -> torch.Tensor:
    path, _, share = name.partition("=")
    rows = np.memmap(path, dtype="<i2", mode="r").reshape(-1, COLUMNS)
    if share:
        rows = rows[np.sort(random.choice(len(rows), int(len(rows) * float(share)), replace=False))]
    return torch.from_numpy(np.array(rows))


def loss(net, examples):
    own = examples[:, 0].float() / 256
    return cross_entropy(own + net(examples) if net else own, examples[:, -1].float())


def measure(net, examples) -> float:
    with torch.no_grad():
        return sum(loss(net, part).item() * len(part) for part in examples.split(100_000))


def fit(net, examples, held_out, options) -> None:
    optimizer = torch.optim.Adam(net.parameters())
    per_epoch = len(examples) // options.batch
    before = {name: measure(None, rows) for name, rows in held_out.items()}
    for step in range(options.epochs * per_epoch):
        if step % per_epoch == 0:
            order = torch.randperm(len(examples))
        at = step % per_epoch * options.batch
        for group in optimizer.param_groups:
            group["lr"] = options.rate * min(1, (step + 1) / 100) * (1 - step / (options.epochs * per_epoch))
        optimizer.zero_grad()
        loss(net, examples[order[at : at + options.batch]]).backward()
        optimizer.step()
        net.clamp()
        if (step + 1) % per_epoch == 0:
            for name, rows in held_out.items():
                change = measure(net, rows) / before[name] - 1
                print(f"epoch {(step + 1) // per_epoch}: {name} {100 * change:+.3f} %", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--examples", nargs="+", required=True, metavar="FILE[=SHARE]")
    parser.add_argument("--held-out", nargs="*", default=[], metavar="FILE[=SHARE]")
    parser.add_argument("--out", required=True)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--batch", type=int, default=8192)
    parser.add_argument("--rate", type=float, default=4e-3)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    torch.manual_seed(options.seed)
    random = np.random.default_rng(options.seed)
    examples = torch.cat([read(name, random) for name in options.examples])
    held_out = {name: read(name, random) for name in options.held_out}
    print(f"{len(examples)} examples, {math.ceil(sum(CATEGORIES) * UNITS[0] / 1e3)} thousand weights of categories")
    net = Corrector()
    fit(net, examples, held_out, options)
    corrector = {
        "logits": LOGITS,
        "inputs": INPUTS,
        "categories": CATEGORIES,
        "units": UNITS,
        "weights": base64.b64encode(net.weights().tobytes()).decode(),
    }
    with open(options.out, "w") as file:
        file.write(json.dumps(corrector, indent=2) + "\n")


if __name__ == "__main__":
    main()
