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


class Sampler:
    """B streams, each reading a file from a random place on.

    Before each segment a stream jumps with probability `restart` (and whenever its file ends) to a new place, where it starts
    from the cold state as the codec's streams do: the byte before its first one is INITIAL_BYTE.
    """

    def __init__(self, files: list, B: int, T: int, restart: float, seed: int):
        self.files = [data for data, _ in files]
        weights = np.array([weight for _, weight in files])
        self.probability = weights / weights.sum()
        self.B, self.T, self.restart = B, T, restart
        self.seed, self.random = seed, np.random.default_rng(seed)
        self.file = np.zeros(B, int)
        self.at = np.full(B, -1)  # the next byte to predict; -1: nowhere yet

    def next(self):
        """inputs [T, B], targets [T, B] (long), resets [B] (bool)."""
        inputs = np.empty((self.T, self.B), np.uint8)
        targets = np.empty((self.T, self.B), np.uint8)
        resets = self.random.random(self.B) < self.restart
        for b in range(self.B):
            data = self.files[self.file[b]]
            resets[b] |= self.at[b] < 0 or self.at[b] + self.T > len(data)
            if resets[b]:
                self.file[b] = self.random.choice(len(self.files), p=self.probability)
                data = self.files[self.file[b]]
                self.at[b] = self.random.integers(0, max(1, len(data) - self.T))
            piece = data[self.at[b] : self.at[b] + self.T]
            piece = np.resize(piece, self.T)  # repeats a file shorter than a segment
            targets[:, b] = piece
            inputs[1:, b] = piece[:-1]
            inputs[0, b] = INITIAL_BYTE if resets[b] else data[self.at[b] - 1]
            self.at[b] += self.T
        return torch.from_numpy(inputs).long(), torch.from_numpy(targets).long(), torch.from_numpy(resets)

    def state_dict(self) -> dict:
        return {"random": self.random.bit_generator.state, "file": self.file.copy(), "at": self.at.copy()}

    def load_state_dict(self, state: dict) -> None:
        """A different number of streams (another batch or number of GPUs) starts them anew."""
        self.random.bit_generator.state = state["random"]
        if len(state["file"]) == self.B:
            self.file, self.at = state["file"].copy(), state["at"].copy()


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
