"""Bytes to train on: a weighted mixture of files, read as many long streams; and held-out files."""

import lzma
import math
from pathlib import Path

import numpy as np
import torch

from model import INITIAL_BYTE


def read_bytes(path: str) -> np.ndarray:
    """uint8 array: memory-mapped, or decompressed into memory if the name ends in .xz."""
    if Path(path).suffix == ".xz":
        with lzma.open(path) as f:
            return np.frombuffer(f.read(), np.uint8)
    return np.memmap(path, np.uint8, "r")


def parse_corpus(arguments: list) -> list:
    """PATH or PATH=WEIGHT -> [(bytes, weight)]. Without a weight a file counts by its length in bytes."""
    files = []
    for argument in arguments:
        path, _, weight = argument.partition("=")
        data = read_bytes(path)
        if len(data) < 2:
            raise SystemExit(f"{path}: too short to train on")
        files.append((data, float(weight) if weight else float(len(data))))
    return files


# Mean lengths of the pieces that streams read: most long, some short, so that cold starts are trained too.
# These and the line search are those of src/trainer/data.ts.
LONG, SHORT, SHORT_SHARE = 48 * 1024, 3 * 1024, 0.5
LINE_SEARCH = 4096


class Sampler:
    """B streams that read contiguous text; when its piece ends a stream jumps to a random line, from the cold state.

    The byte before a piece's first one is INITIAL_BYTE, as it is for the codec's streams.
    """

    def __init__(self, files: list, B: int, T: int, seed: int):
        self.files = [data for data, _ in files]
        weights = np.array([weight for _, weight in files])
        self.probability = weights / weights.sum()
        self.B, self.T = B, T
        self.seed, self.random = seed, np.random.default_rng(seed)
        self.file, self.at, self.left = np.zeros(B, int), np.zeros(B, int), np.zeros(B, int)

    def next(self):
        """inputs [T, B], targets [T, B] (long), resets [B] (bool)."""
        inputs = np.empty((self.T, self.B), np.uint8)
        targets = np.empty((self.T, self.B), np.uint8)
        resets = self.left < self.T
        for b in range(self.B):
            if resets[b]:
                self.file[b], self.at[b], self.left[b] = self.jump()
            data, at = self.files[self.file[b]], self.at[b]
            targets[:, b] = np.resize(data[at : at + self.T], self.T)  # a file shorter than a segment repeats
            inputs[0, b] = INITIAL_BYTE if resets[b] else data[at - 1]
        inputs[1:] = targets[:-1]
        self.at += self.T
        self.left -= self.T
        return torch.from_numpy(inputs).long(), torch.from_numpy(targets).long(), torch.from_numpy(resets)

    def jump(self) -> tuple:
        """A random file, a line's start in it, and the length of the piece to read from there."""
        file = self.random.choice(len(self.files), p=self.probability)
        data = self.files[file]
        room = len(data) - self.T
        mean = SHORT if self.random.random() < SHORT_SHARE else LONG
        wanted = max(self.T, int(self.random.exponential(mean)))
        if room <= 0:
            return file, 0, self.T
        at = int(self.random.integers(room))
        ahead = bytes(data[at : at + min(LINE_SEARCH, room - at)])
        at += ahead.find(INITIAL_BYTE) + 1
        return file, at, min(wanted, len(data) - at)

    def state_dict(self) -> dict:
        return {"random": self.random.bit_generator.state, "streams": (self.file.copy(), self.at.copy(), self.left.copy())}

    def load_state_dict(self, state: dict) -> None:
        """A different number of streams (another batch or number of GPUs) starts them anew."""
        self.random.bit_generator.state = state["random"]
        if len(state["streams"][0]) == self.B:
            self.file, self.at, self.left = (x.copy() for x in state["streams"])


@torch.no_grad()
def bits_per_byte(model, data: np.ndarray, rounding=None, limit: int = 1 << 18, streams: int = 64) -> float:
    """Held-out bits per byte of the first `limit` bytes, cut into streams that start cold, each query seeing the whole
    window: what the codec's network does."""
    data = data[:limit]
    streams = max(1, min(streams, len(data) // 2048))
    steps = len(data) // streams
    segment = min(256, model.arch.window)
    device = model.output.bias.device
    text = torch.from_numpy(np.array(data[: steps * streams])).to(device).long().view(streams, steps).T
    first = torch.full((1, streams), INITIAL_BYTE, device=device)
    inputs = torch.cat([first, text[:-1]])
    was_training = model.training
    model.eval()
    state, nats = model.initial_state(streams, model.arch.window - 1), 0.0
    for t in range(0, steps, segment):
        targets = text[t : t + segment]
        loss, state = model(inputs[t : t + segment], state, targets, rounding)
        nats += loss.item() * targets.numel()
    model.train(was_training)
    return nats / (steps * streams) / math.log(2)
