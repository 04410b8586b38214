"""Growing: a larger network that computes what a smaller one does. The same construction as src/trainer/grow.ts, which explains it."""

import math
import re

import numpy as np

from model import Architecture, SharNN

PASSING_SCALE = 1 / 32
PASSING_FORGET = -6.0
PASSING_VALUE = -4.0


def grow(start: Architecture, values: dict, to: Architecture, seed: int = 1) -> dict:
    """Parameters (name -> array) of a network of shape `to` that computes what `values` of shape `start` do."""
    doublings = math.log2(to.width / start.width)
    places = [
        first
        for first in range(to.layers - start.layers + 1)
        if all(first + l in to.attention for l in start.attention)
    ]
    if to.boom != start.boom or to.window < start.window or doublings < 0 or doublings % 1 or not places:
        raise SystemExit(f"a network of {start} cannot grow into one of {to}")
    random = np.random.default_rng(seed)
    for n in range(int(doublings)):
        values = {name: doubled(name, v, start.width << n, random) for name, v in values.items()}
    # where fewest layers get attention that had none
    first = min(places, key=lambda first: sum(first + l in to.attention for l in range(start.layers)))
    grown = {}
    for name, parameter in SharNN(to).named_parameters():
        match = re.match(r"layers\.(\d+)\.(.*)$", name)
        source = f"layers.{int(match[1]) - first}.{match[2]}" if match else name
        if source in values:
            grown[name] = values[source]
        else:
            grown[name] = passing_layer(match[2], tuple(parameter.shape), to.width)
    return grown


def doubled(name: str, value: np.ndarray, width: int, random) -> np.ndarray:
    """Every unit twice; a weight that reads a unit is divided between its copies, unevenly."""
    if name == "output.bias":
        return value
    if name == "embedding.weight":
        return np.concatenate([value, value], axis=1)
    groups = value.reshape(-1, width, *value.shape[1:])  # gates or chunks of the boom layer
    value = np.concatenate([groups, groups], axis=1).reshape(-1, *value.shape[1:])
    if value.ndim == 2:
        share = random.random(value.shape, dtype=np.float32)
        return np.concatenate([share * value, (1 - share) * value], axis=1)
    factor = 0.5 if name.startswith("norm_final.") else 0.5**0.5 if ".attention.norm_query." in name else 1.0
    return np.float32(factor) * value


def passing_layer(name: str, shape: tuple, width: int) -> np.ndarray:
    """A parameter of a layer that nearly passes its input on."""
    value = np.zeros(shape, np.float32)
    if name == "lstm.weight_ih":
        value[2 * width : 3 * width] = PASSING_SCALE * np.eye(width)
    elif name == "lstm.bias":
        value[width : 2 * width] = PASSING_FORGET
    elif name == "attention.gate_value":
        value[:] = PASSING_VALUE
    elif name == "attention.query.weight":
        value[:] = np.eye(width)
    elif name.split(".")[-2].startswith("norm_") and name.endswith(".weight"):
        value[:] = 1
    return value
