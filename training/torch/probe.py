"""Short runs to choose by before a long one: bytes per second of every shape, and the learning rate."""

import copy
import itertools
import math
import time

import numpy as np
import torch

from data import parse_corpus
from optimizer import rate
from rounding import Rounding
from train import Machine, Trainer, architecture


def synchronize(device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


def matrix_rate(machine: Machine, n: int) -> float:
    """Multiply-adds times two per second of a large matrix product on this device."""
    a = torch.randn(n, n, device=machine.device, dtype=machine.dtype)
    a @ a
    synchronize(machine.device)
    began, count = time.monotonic(), 10
    for _ in range(count):
        a @ a
    synchronize(machine.device)
    return 2 * n**3 * count / (time.monotonic() - began)


def speed(args) -> None:
    """One line per dtype x batch x width. The share counts 6 operations per parameter and byte."""
    gpu = torch.cuda.is_available()
    dtypes = [args.dtype] if args.dtype else ["float16", "bfloat16"] if gpu else ["float32"]
    batches = [64, 128, 256, 512] if gpu else [16, 32]
    base = architecture(args).width
    widths = sorted({base} | ({512, 768, 1024} if gpu else set()))
    noise = [(np.random.default_rng(1).integers(0, 256, 1 << 22, dtype=np.uint8), 1.0)]
    print(f"{'dtype':>9} {'batch':>5} {'width':>5} {'float B/s':>11} {'rounded B/s':>11} {'of matrix rate':>14}")
    for dtype, batch, width in itertools.product(dtypes, batches, widths):
        run = copy.copy(args)
        run.batch, run.width = batch, width
        machine = Machine(dtype)
        try:
            trainer = Trainer(run, machine, architecture(run), noise)
            found = [timed(trainer, r, args.probe_seconds / 2) for r in (None, Rounding(args.bits, args.exact))]
        except torch.cuda.OutOfMemoryError:
            print(f"{dtype:>9} {batch:>5} {width:>5} {'out of memory':>11}")
            continue
        operations = 6 * sum(p.numel() for p in trainer.model.parameters()) * found[0]
        share = operations / matrix_rate(machine, 8192 if gpu else 1024)
        print(f"{dtype:>9} {batch:>5} {width:>5} {found[0]:>11.0f} {found[1]:>11.0f} {share:>13.1%}", flush=True)


def timed(trainer: Trainer, rounding, seconds: float) -> float:
    """Bytes per second, the first steps not counted."""
    for _ in range(3):
        trainer.step(1e-3, rounding)
    synchronize(trainer.machine.device)
    began, steps = time.monotonic(), 0
    while time.monotonic() - began < seconds:
        trainer.step(1e-3, rounding)
        steps += 1
    synchronize(trainer.machine.device)
    return steps * trainer.bytes_per_step / (time.monotonic() - began)


def learning_rate(args) -> None:
    """Whole short runs, from warm-up to zero, at a quarter to four times the default; the loss at the end of each."""
    machine = Machine(args.dtype)
    arch, files = architecture(args), parse_corpus(args.data)
    peak = args.lr or 2e-3 * math.sqrt(512 / arch.width)
    print(f"{'lr':>9} {'bits per byte':>13}")
    for factor in (0.25, 0.5, 1, 2, 4):
        run = copy.copy(args)
        run.lr = peak * factor
        trainer, losses, began = Trainer(run, machine, arch, files), [], time.monotonic()
        while (progress := (time.monotonic() - began) / args.probe_seconds) < 1:
            losses.append(trainer.step(rate(progress, 0.1), None))
        last = losses[-max(1, len(losses) // 10) :]
        print(f"{run.lr:>9.2e} {torch.stack(last).mean().item() / math.log(2):>13.4f}", flush=True)
