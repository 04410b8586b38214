"""Trains a SHA-RNN. README.md says how; `python3 train.py --help` lists the options.

Writes OUT.safetensors (the float model), OUT.state.pt (what --resume needs) and OUT.log.jsonl (one line per report).
"""

import argparse
import json
import math
import os
import signal
import time
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist

import checkpoint
from data import Sampler, bits_per_byte, parse_corpus, read_bytes
from model import Architecture, SharNN, preset_names, reset
from optimizer import Average, make_optimizer, rate
from rounding import Rounding

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def arguments():
    p = argparse.ArgumentParser(description="Train a SHA-RNN on PyTorch.")
    a = p.add_argument
    a("--out", default="runs/model", help="where files go, without extension")
    a("--data", nargs="+", metavar="PATH[=WEIGHT]", help="files to train on, plain or .xz; default weight: the length")
    a("--heldout", nargs="*", default=[], metavar="PATH", help="files to measure bits per byte on, never trained on")
    a("--preset", choices=preset_names(), help="default: base, or the shape that --from has")
    a("--width", type=int), a("--layers", type=int), a("--boom", type=int), a("--window", type=int)
    a("--attention", help="layers that have attention: 0,2")
    a("--from", dest="start", metavar="CHECKPOINT", help="start from these weights; with --preset, grown into that shape")
    a("--resume", action="store_true", help="go on from OUT.state.pt if it is there")
    a("--minutes", type=float, help="length of the run; the learning rate reaches zero at its end")
    a("--steps", type=int, help="length of the run in steps instead")
    a("--batch", type=int, default=128, help="sequences, per GPU")
    a("--length", type=int, default=256, help="bytes of each sequence per step; at most the window")
    a("--optimizer", choices=["adamw", "muon", "lamb"], default="adamw")
    a("--lr", type=float, help="peak learning rate; default 2e-3 * sqrt(512 / width)")
    a("--warmup", type=float, default=0.02, help="share of the run")
    a("--decay", type=float, default=0.01, help="weight decay of matrices")
    a("--clip", type=float, default=1.0, help="norm of the gradient")
    a("--dropout", type=float, default=0.0, help="for runs of many epochs")
    a("--average", type=float, default=0.0, help="decay of averaged weights, 0.999 for instance; 0: none")
    a("--quantize-from", type=float, default=0.7, help="share of the run after which numbers are rounded; 1: never")
    a("--bits", type=int, default=7, choices=(6, 7, 8), help="bits of rounded weights")
    a("--exact", action="store_true", help="round the recurrent state and attention weights too; slow on a GPU")
    a("--dtype", choices=DTYPES, help="of matrix products; default float16 on a GPU, else float32")
    a("--compile", action="store_true", help="torch.compile all but the LSTM")
    a("--seed", type=int, default=1)
    a("--report", type=float, default=10, help="seconds between reports")
    a("--measure", type=float, default=120, help="seconds between held-out measurements and checkpoints")
    a("--heldout-bytes", type=int, default=1 << 18, help="bytes of each held-out file to measure")
    a("--probe", action="store_true", help="measure bytes per second by dtype, batch and width, then stop")
    a("--probe-lr", action="store_true", help="short runs at several learning rates, then stop")
    a("--probe-seconds", type=float, default=60, help="length of each probe run")
    args = p.parse_args()
    if not args.probe and not args.data:
        p.error("--data is needed")
    if not (args.probe or args.probe_lr or args.minutes or args.steps):
        p.error("--minutes or --steps is needed")
    if (args.probe or args.probe_lr) and int(os.environ.get("WORLD_SIZE", 1)) > 1:
        p.error("probes are of one GPU: run them by python3, not by torchrun")
    paths = [argument.partition("=")[0] for argument in args.data or []]
    for held in args.heldout:
        if any(os.path.samefile(held, path) for path in paths if os.path.exists(held) and os.path.exists(path)):
            p.error(f"{held}: is trained on as well; take it out of --data")
    return args


def architecture(args) -> Architecture:
    start = checkpoint.architecture_of(args.start) if args.start and not args.preset else None
    fields = dict(vars(start or Architecture.preset(args.preset or "base")))
    for name in ("width", "layers", "boom", "window"):
        fields[name] = getattr(args, name) or fields[name]
    if args.attention is not None:
        fields["attention"] = [int(l) for l in args.attention.split(",") if l]
    return Architecture.of(fields)


class Machine:
    """The device of this process and its place among the processes of torchrun."""

    def __init__(self, dtype=None):
        self.rank, self.world = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
        gpu = torch.cuda.is_available()
        self.device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", 0))) if gpu else torch.device("cpu")
        if gpu:
            torch.cuda.set_device(self.device)
            torch.backends.cuda.matmul.allow_tf32 = True
        if self.world > 1:
            dist.init_process_group("nccl" if gpu else "gloo")
        self.dtype = DTYPES[dtype or ("float16" if gpu else "float32")]
        self.first = self.rank == 0

    def agree(self, *numbers: float) -> list:
        """The first process's numbers, in every process."""
        if self.world == 1:
            return list(numbers)
        t = torch.tensor(numbers, dtype=torch.float64, device=self.device)
        dist.broadcast(t, 0)
        return t.tolist()


class Trainer:
    """The model, its optimizer and the sequences it is reading; `step` is one step of truncated back-propagation."""

    def __init__(self, args, machine: Machine, arch: Architecture, files: list):
        if args.length > arch.window:
            raise SystemExit(f"--length {args.length} is more than the window of {arch.window}")
        torch.manual_seed(args.seed)
        self.args, self.machine, self.arch = args, machine, arch
        self.model = SharNN(arch, machine.dtype, args.dropout).to(machine.device)
        if args.start:
            checkpoint.load(args.start, self.model, args.seed)
        if args.compile:
            for block in self.model.layers:
                block.attend = torch.compile(block.attend)
                block.feed_forward = torch.compile(block.feed_forward)
        parallel = torch.nn.parallel.DistributedDataParallel
        self.call = parallel(self.model) if machine.world > 1 else self.model
        self.peak = args.lr or 2e-3 * math.sqrt(512 / arch.width)
        self.optimizer = make_optimizer(args.optimizer, self.model, self.peak, args.decay)
        scaler = getattr(torch.amp, "GradScaler", torch.cuda.amp.GradScaler)  # moved in newer versions
        self.scaler = scaler(enabled=machine.dtype == torch.float16)
        self.sampler = Sampler(files, args.batch, args.length, args.seed + 1000 * machine.rank)
        self.average = Average(self.model, args.average) if args.average else None
        self.state = self.cold_state()
        self.steps, self.failures = 0, 0

    def cold_state(self):
        return self.model.initial_state(self.args.batch, self.arch.window - self.args.length)

    def step(self, share: float, rounding) -> torch.Tensor:
        """One step at `share` of the peak learning rate. Returns the loss, nats per byte."""
        for group in self.optimizer.param_groups:
            group["lr"] = self.peak * share
        inputs, targets, resets = [t.to(self.machine.device, non_blocking=True) for t in self.sampler.next()]
        loss, self.state = self.call(inputs, reset(self.state, resets), targets, rounding)
        self.optimizer.zero_grad(set_to_none=True)
        self.scaler.scale(loss).backward()
        self.scaler.unscale_(self.optimizer)
        norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.args.clip)
        finite = bool(torch.isfinite(norm))
        if finite or self.scaler.is_enabled():  # the scaler skips a bad step by itself and lowers its scale
            self.scaler.step(self.optimizer)
        self.scaler.update()
        self.failures = 0 if finite else self.failures + 1
        if self.failures:
            self.state = self.cold_state()
        if self.failures > 50:
            raise SystemExit("the gradient is not finite: lower --lr or use --dtype bfloat16")
        if self.average and finite:
            self.average.update(self.model)
        self.steps += 1
        return loss.detach()

    def rounding_effect(self, rounding) -> tuple:
        """Loss of a segment from the cold state without and with rounding."""
        sampler = Sampler([(f, 1.0) for f in self.sampler.files], self.args.batch, self.args.length, 99)
        inputs, targets, _ = [t.to(self.machine.device) for t in sampler.next()]
        self.model.eval()  # no dropout: the two are compared
        with torch.no_grad():
            losses = tuple(self.model(inputs, self.cold_state(), targets, r)[0].item() for r in (None, rounding))
        self.model.train()
        return losses

    @property
    def bytes_per_step(self) -> int:
        return self.args.batch * self.args.length * self.machine.world


class Run:
    """A training run: schedule, reports, held-out measurements, checkpoints, resuming."""

    def __init__(self, args, machine: Machine):
        self.args, self.machine = args, machine
        arch = architecture(args)
        self.trainer = Trainer(args, machine, arch, parse_corpus(args.data))
        self.heldout = {Path(path).name: read_bytes(path) for path in args.heldout}
        self.rounding = None
        self.before = 0.0  # seconds of the runs that this one goes on from
        self.began = time.monotonic()
        self.stop = False
        if args.resume and Path(f"{args.out}.state.pt").exists():
            self.load()
        elif machine.first:
            Path(args.out).parent.mkdir(parents=True, exist_ok=True)
            Path(f"{args.out}.log.jsonl").write_text("")
        parameters = sum(p.numel() for p in self.trainer.model.parameters())
        self.log(kind="start", architecture=vars(arch), parameters=parameters, options=vars(args))

    def elapsed(self) -> float:
        return self.before + time.monotonic() - self.began

    def progress(self) -> float:
        if self.args.steps:
            return self.trainer.steps / self.args.steps
        return self.elapsed() / (60 * self.args.minutes)

    def run(self) -> None:
        for s in (signal.SIGINT, signal.SIGTERM):
            signal.signal(s, lambda *_: setattr(self, "stop", True))
        args, trainer = self.args, self.trainer
        losses, reported, measured, since = [], self.elapsed(), self.elapsed(), trainer.steps
        while True:
            progress, stop = self.machine.agree(self.progress(), float(self.stop))
            if progress >= 1 or stop:
                break
            if progress >= args.quantize_from and self.rounding is None:
                self.start_rounding()
            losses.append(trainer.step(rate(progress, args.warmup), self.rounding))
            if self.elapsed() - reported > args.report:
                loss = torch.stack(losses).mean().item() / math.log(2)
                speed = (trainer.steps - since) * trainer.bytes_per_step / (self.elapsed() - reported)
                self.log(kind="train", progress=round(progress, 4), bitsPerByte=round(loss, 4), bytesPerSecond=round(speed))
                losses, reported, since = [], self.elapsed(), trainer.steps
            if self.elapsed() - measured > args.measure and self.machine.first:
                self.measure()
                self.save()
                measured = self.elapsed()
        if self.machine.first:
            if losses:
                self.log(kind="last", bitsPerByte=round(torch.stack(losses[-20:]).mean().item() / math.log(2), 4))
            self.save()
            self.measure()
            print(f"{args.out}.safetensors written; `--resume` goes on" if stop else f"{args.out}.safetensors is done")

    def start_rounding(self) -> None:
        rounding = Rounding(self.args.bits, self.args.exact)
        plain, rounded = self.trainer.rounding_effect(rounding)
        if plain == rounded:
            raise SystemExit("rounding does not change the loss: it is not in effect (try without --compile)")
        self.rounding = rounding
        self.log(kind="rounding", bitsPerByte=round(plain / math.log(2), 4), rounded=round(rounded / math.log(2), 4))

    def measure(self) -> None:
        """Held-out bits per byte of the float network and, once rounding has begun, of the rounded one."""
        model, average, limit = self.trainer.model, self.trainer.average, self.args.heldout_bytes
        if average:
            average.swap(model)
        for kind, rounding in (("heldout", None), ("heldoutRounded", self.rounding)):
            if self.heldout and (rounding or kind == "heldout"):
                found = {name: round(bits_per_byte(model, d, rounding, limit), 4) for name, d in self.heldout.items()}
                self.log(kind=kind, bitsPerByte=found)
        if average:
            average.swap(model)

    def log(self, **record) -> None:
        if not self.machine.first:
            return
        record = {"step": self.trainer.steps, "seconds": round(self.elapsed(), 1), **record}
        line = json.dumps(record)
        print(line, flush=True)
        with open(f"{self.args.out}.log.jsonl", "a") as f:
            f.write(line + "\n")

    def save(self) -> None:
        t, out = self.trainer, self.args.out
        checkpoint.save(f"{out}.safetensors", t.model, t.average and t.average.values, name=Path(out).name)
        state = {
            "model": t.model.state_dict(),
            "optimizer": t.optimizer.state_dict(),
            "scaler": t.scaler.state_dict(),
            "sampler": t.sampler.state_dict(),
            "average": t.average and (t.average.steps, t.average.values),
            "steps": t.steps,
            "seconds": self.elapsed(),
        }
        torch.save(state, f"{out}.state.pt.part")
        os.replace(f"{out}.state.pt.part", f"{out}.state.pt")

    def load(self) -> None:
        """The sequences go on where they were, from the cold state."""
        t = self.trainer
        # our own file; it holds numpy arrays, which newer versions refuse unless told
        options = {"weights_only": False} if torch.__version__ >= "2" else {}
        state = torch.load(f"{self.args.out}.state.pt", map_location=self.machine.device, **options)
        t.model.load_state_dict(state["model"])
        t.optimizer.load_state_dict(state["optimizer"])
        t.scaler.load_state_dict(state["scaler"])
        if self.machine.first:
            t.sampler.load_state_dict(state["sampler"])
        else:  # the others have lost their places: new ones, but not those that they began with
            t.sampler.random = np.random.default_rng([t.sampler.seed, state["steps"]])
        if t.average and state["average"]:
            t.average.steps, t.average.values = state["average"]
        t.steps, self.before = state["steps"], state["seconds"]


def main() -> None:
    args = arguments()
    if args.probe or args.probe_lr:
        import probe

        return probe.speed(args) if args.probe else probe.learning_rate(args)
    machine = Machine(args.dtype)
    Run(args, machine).run()
    if machine.world > 1:
        dist.destroy_process_group()


if __name__ == "__main__":
    main()
