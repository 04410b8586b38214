"""Float checkpoints: the safetensors format, read and written in a few lines.

A file is: the header's length (uint64, little-endian), the header (JSON, padded with spaces to a multiple of 8
bytes), the numbers. The header gives each tensor's dtype, shape and byte range after the header; numbers are
little-endian and row-major. Names are those of src/model/architecture.ts. The header's `__metadata__` holds the
`architecture` as JSON text, since the window cannot be told from the shapes.
"""

import json
import os
from pathlib import Path

import numpy as np
import torch

from grow import grow
from model import Architecture, SharNN

DTYPES = {"F64": "<f8", "F32": "<f4", "I64": "<i8", "I32": "<i4", "U8": "|u1"}


def write_safetensors(path, tensors: dict, metadata: dict) -> None:
    """tensors: name -> numpy array. The file appears whole or not at all."""
    header, parts, at = {"__metadata__": metadata}, [], 0
    for name, array in tensors.items():
        kind = next(k for k, v in DTYPES.items() if np.dtype(v) == array.dtype)
        data = np.ascontiguousarray(array).astype(DTYPES[kind]).tobytes()
        header[name] = {"dtype": kind, "shape": list(array.shape), "data_offsets": [at, at + len(data)]}
        parts.append(data)
        at += len(data)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    temporary = Path(f"{path}.part")
    with open(temporary, "wb") as f:
        f.write(len(text).to_bytes(8, "little") + text)
        f.writelines(parts)
    os.replace(temporary, path)


def read_safetensors(path) -> tuple:
    """(tensors by name as numpy arrays, metadata)"""
    raw = Path(path).read_bytes()
    length = int.from_bytes(raw[:8], "little")
    header = json.loads(raw[8 : 8 + length])
    metadata = header.pop("__metadata__", {})
    body = memoryview(raw)[8 + length :]
    return {
        name: np.frombuffer(body[slice(*t["data_offsets"])], DTYPES[t["dtype"]]).reshape(t["shape"])
        for name, t in header.items()
    }, metadata


def save(path, model: SharNN, parameters: dict = None, **metadata) -> None:
    """Writes the model, or the given values of its parameters (averaged ones, for instance)."""
    values = parameters if parameters is not None else dict(model.named_parameters())
    arrays = {name: values[name].detach().float().cpu().numpy() for name, _ in model.named_parameters()}
    write_safetensors(path, arrays, {"format": "pt", "architecture": model.arch.to_json(), **metadata})


def architecture_of(path) -> Architecture:
    _, metadata = read_safetensors(path)
    if "architecture" not in metadata:
        raise SystemExit(f"{path}: no architecture in the header: not a SHA-RNN checkpoint")
    return Architecture.of(json.loads(metadata["architecture"]))


def load(path, model: SharNN, seed: int = 1) -> None:
    """Reads parameters by name; every one must be there in the right shape. Those of a smaller network are grown."""
    tensors, _ = read_safetensors(path)
    start = architecture_of(path)
    if start != model.arch:
        tensors = grow(start, tensors, model.arch, seed)
    model.load_state_dict({name: torch.from_numpy(array.copy()) for name, array in tensors.items()})
