"""The SHA-RNN of docs/model.md, section 1, with the parameter names and shapes of src/model/architecture.ts.

The gain and bias of a norm that only feeds a matrix are folded into that matrix before the product. This computes
the same function as the equations, and lets one piece of code serve both the float network and, given a
`Rounding`, the network as its integer form will round it.

Tensors are step-major: T positions, B sequences, d numbers.
"""

import json
import math
import warnings
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple, Optional

import torch
import torch.nn.functional as F
from torch import nn

from rounding import INT8, MARGIN, Rounding, largest, round_to, round_weight, steps_up_to

SYMBOLS = 256
INITIAL_BYTE = 0x0A  # stands before the first byte of every stream
PRESETS_FILE = Path(__file__).resolve().parents[2] / "src" / "model" / "presets.json"

# cuDNN copies the weights into one piece at every call. They have just been folded and cast: nothing is lost.
warnings.filterwarnings("ignore", message="RNN module weights are not part of single contiguous chunk")


@dataclass(frozen=True)
class Architecture:
    width: int
    layers: int
    boom: int
    window: int
    attention: tuple  # indices of the layers that have attention

    @staticmethod
    def of(fields: dict) -> "Architecture":
        return Architecture(**{**fields, "attention": tuple(fields["attention"])})

    @staticmethod
    def preset(name: str) -> "Architecture":
        return Architecture.of(json.loads(PRESETS_FILE.read_text())[name])

    def to_json(self) -> str:
        return json.dumps({**asdict(self), "attention": list(self.attention)})


def preset_names() -> list:
    return list(json.loads(PRESETS_FILE.read_text()))


class LayerState(NamedTuple):
    """What one layer remembers of B sequences. Always a constant for the gradient."""

    h: torch.Tensor  # [B, d]
    c: torch.Tensor  # [B, d]
    memory: Optional[torch.Tensor]  # [B, carry, d], past positions LN(y; norm_memory), the newest last
    filled: Optional[torch.Tensor]  # [B, carry] bool, False for slots that hold no position yet


def normalize(x):
    return F.layer_norm(x, x.shape[-1:], eps=1e-12)


class Norm(nn.Module):
    def __init__(self, d):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(d))
        self.bias = nn.Parameter(torch.zeros(d))

    def apply_to(self, n):
        return n * self.weight + self.bias

    def forward(self, x):
        return self.apply_to(normalize(x))

    def fold_into(self, weight, bias):
        """W and b with W n + b = weight (self.weight * n + self.bias) + bias."""
        return weight * self.weight, bias + weight @ self.bias


class LSTM(nn.Module):
    """Parameters of one LSTM layer; rows in the order i, f, g, o."""

    def __init__(self, d):
        super().__init__()
        bound = 1 / math.sqrt(d)
        self.weight_ih = nn.Parameter(torch.empty(4 * d, d).uniform_(-bound, bound))
        self.weight_hh = nn.Parameter(torch.empty(4 * d, d).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.zeros(4 * d))
        with torch.no_grad():
            self.bias[d : 2 * d] = 1  # forget gate


class Attention(nn.Module):
    def __init__(self, d):
        super().__init__()
        self.query = nn.Linear(d, d)
        self.norm_query = Norm(d)
        self.gate_query = nn.Parameter(torch.zeros(d))
        self.gate_key = nn.Parameter(torch.zeros(d))
        self.gate_value = nn.Parameter(torch.zeros(d))


class Block(nn.Module):
    def __init__(self, arch: Architecture, attention: bool, dtype: torch.dtype):
        super().__init__()
        d = arch.width
        self.window, self.dtype = arch.window, dtype
        self.norm_start = Norm(d)
        self.lstm = LSTM(d)
        self.attention = None
        if attention:
            self.norm_memory = Norm(d)
            self.norm_mid = Norm(d)
            self.attention = Attention(d)
        self.norm_residual = Norm(d)
        self.norm_boom = Norm(d)
        self.boom = nn.Linear(d, arch.boom * d)

    def forward(self, x, state: LayerState, rounding: Optional[Rounding], input_step=None):
        """x [T, B, d] -> [T, B, d] and the state after the segment. input_step: of a first layer's int8 input."""
        y, h, c = self.recur(x, state, rounding, input_step)
        memory = filled = None
        if self.attention is not None:
            y, memory, filled = self.attend(y, state, rounding)
        return self.feed_forward(y, rounding), LayerState(h, c, memory, filled)

    def recur(self, x, state, rounding, input_step):
        n = normalize(x)
        w_ih, bias = self.norm_start.fold_into(self.lstm.weight_ih, self.lstm.bias)
        w_hh = self.lstm.weight_hh
        if rounding:
            step = rounding.channel_steps(n) if input_step is None else input_step
            n, w_ih = rounding.operands(n, w_ih, step)
            w_hh = round_weight(w_hh, rounding.bits)
        if rounding and rounding.exact:
            return lstm_with_rounded_state(self.product(n, w_ih, bias), w_hh, state.h, state.c, rounding)
        cast = [t.to(self.dtype) for t in (w_ih, w_hh, bias, torch.zeros_like(bias))]  # cuDNN wants two biases
        h, c = state.h.to(self.dtype)[None], state.c.to(self.dtype)[None]
        y, h, c = torch._VF.lstm(n.to(self.dtype), (h, c), cast, True, 1, 0.0, torch.is_grad_enabled(), False, False)
        return y.to(x.dtype), h[0].to(x.dtype), c[0].to(x.dtype)

    def attend(self, y, state, rounding):
        a, d, (T, B, _) = self.attention, y.shape[-1], y.shape
        n = normalize(y)
        query_weight, query_bias = self.norm_mid.fold_into(a.query.weight, a.query.bias)
        n8 = n
        if rounding:
            step = rounding.channel_steps(n)
            n8, query_weight = rounding.operands(n, query_weight, step)
        m = self.norm_memory.apply_to(n8)
        v = self.product(n8, query_weight, query_bias)
        query = normalize(v)
        q = a.norm_query.apply_to(query)
        gate = torch.sigmoid(a.gate_query) * torch.sigmoid(a.gate_key)
        if rounding:
            q = self.round_query(q, gate * step, query, rounding)

        keys = torch.cat([state.memory, m.transpose(0, 1)], 1)  # [B, past + T, d]
        filled = torch.cat([state.filled, state.filled.new_ones(B, T)], 1)
        past = state.memory.shape[1]
        position = torch.arange(past + T, device=y.device)
        now = position[past:, None]
        visible = (position <= now) & (position > now - self.window)  # [T, past + T]
        visible = visible & filled[:, None]
        mean = weighted_mean((q * gate).transpose(0, 1), keys, visible, rounding, self.dtype).transpose(0, 1)

        out = self.norm_mid.apply_to(n) + torch.sigmoid(a.gate_value) * mean
        return rounding.total(out) if rounding else out, keys[:, T:].detach(), filled[:, T:]  # as many as before

    def round_query(self, q, gate, query, rounding):
        """The integer network rounds the query after its gates and the memory's gain and steps are folded into it."""
        with torch.no_grad():
            norm, key = self.attention.norm_query, (gate * self.norm_memory.weight).abs().clamp(min=1e-6)
            most = largest(query) if rounding.reach is None else rounding.reach
            reach = (key * (MARGIN * most * norm.weight.abs() + norm.bias.abs())).max()
            step = reach / INT8 / key
        return round_to(q, step)

    def feed_forward(self, y, rounding):
        n = normalize(y)
        weight, bias = self.norm_boom.fold_into(self.boom.weight, self.boom.bias)
        n8 = n
        if rounding:
            n8, weight = rounding.operands(n, weight, rounding.channel_steps(n))
        u = self.product(n8, weight, bias)
        if rounding:
            u = rounding.boom(u)
        gelu = u * torch.sigmoid(1.702 * u)
        if rounding:
            gelu = rounding.boom(gelu)
        out = self.norm_residual.apply_to(n) + gelu.unflatten(-1, (-1, y.shape[-1])).sum(-2)
        return rounding.total(out) if rounding else out

    def product(self, x, weight, bias):
        return product(x, weight, bias, self.dtype)


def product(x, weight, bias, dtype):
    """W x + b: the product in `dtype`, the rest in x's own type."""
    return F.linear(x.to(dtype), weight.to(dtype)).to(x.dtype) + bias


def lstm_with_rounded_state(inputs, w_hh, h, c, rounding):
    """inputs [T, B, 4d] = W_ih u + b; h enters the next step as int8, Q0.7."""
    outputs = []
    for projected in inputs:
        i, f, g, o = (projected + F.linear(rounding.state(h), w_hh)).chunk(4, -1)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        h = torch.sigmoid(o) * torch.tanh(c)
        outputs.append(h)
    return torch.stack(outputs), h, c


def weighted_mean(q, keys, visible, rounding, dtype):
    """Attention of q [B, T, d] over keys [B, n, d], which are also the values; visible [B, T, n] bool."""
    exact = rounding is not None and rounding.exact
    if not exact and hasattr(F, "scaled_dot_product_attention"):
        k = keys.to(dtype)[:, None]
        mean = F.scaled_dot_product_attention(q.to(dtype)[:, None], k, k, attn_mask=visible[:, None])
        return mean[:, 0].to(q.dtype)
    scores = q @ keys.transpose(1, 2) / math.sqrt(q.shape[-1])
    scores = scores.masked_fill(~visible, float("-inf"))
    if not exact:
        return torch.softmax(scores, -1) @ keys
    weights = round_to((scores - scores.amax(-1, keepdim=True)).exp(), 1 / 255, 255)  # 0..255
    return weights @ keys / weights.sum(-1, keepdim=True)


class Output(nn.Module):
    def __init__(self):
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(SYMBOLS))


class SharNN(nn.Module):
    def __init__(self, arch: Architecture, dtype: torch.dtype = torch.float32, dropout: float = 0.0):
        """dtype: of the matrix products; parameters, norms and sums stay float32."""
        super().__init__()
        self.arch, self.dtype, self.dropout = arch, dtype, dropout
        d = arch.width
        self.embedding = nn.Embedding(SYMBOLS, d)
        self.layers = nn.ModuleList(Block(arch, l in arch.attention, dtype) for l in range(arch.layers))
        self.norm_final = Norm(d)
        self.output = Output()
        for name, p in self.named_parameters():  # the others have been set where they are made
            if name.endswith("query.weight"):
                nn.init.normal_(p, std=1 / math.sqrt(d))
            elif name == "embedding.weight" or name.endswith("boom.weight"):
                nn.init.normal_(p, std=0.5 / math.sqrt(d))
            elif name.endswith("query.bias") or name.endswith("boom.bias"):
                nn.init.zeros_(p)

    def initial_state(self, B: int, carry: int) -> list:
        """The cold state. `carry`: how many past positions the memory holds between segments."""
        like = self.output.bias
        layers = []
        for block in self.layers:
            h = like.new_zeros(B, self.arch.width)
            memory = filled = None
            if block.attention is not None:
                memory = like.new_zeros(B, carry, self.arch.width)
                filled = torch.zeros(B, carry, dtype=torch.bool, device=like.device)
            layers.append(LayerState(h, h.clone(), memory, filled))
        return layers

    def forward(self, inputs, state, targets=None, rounding: Optional[Rounding] = None):
        """inputs [T, B] long -> logits [T, B, 256], or, given targets [T, B], the mean loss in nats per byte.

        Also returns the state after the segment, cut off from the gradient. As many past positions are carried as the
        given state has room for: window - T in training, so that the window never ends inside a segment; window - 1
        where the network shall see exactly what the codec's does.
        """
        x = F.embedding(inputs, self.embedding.weight)
        next_state = []
        step = None  # of the first layer's input, which is a table
        if rounding:
            step = steps_up_to(largest(normalize(self.embedding.weight)))
        for block, s in zip(self.layers, state):
            x, s = block(x, s, rounding, step)
            step = None
            if self.dropout and self.training:
                x = F.dropout(x, self.dropout)
            next_state.append(LayerState(s.h.detach(), s.c.detach(), s.memory, s.filled))
        n = normalize(x)
        weight, bias = self.norm_final.fold_into(self.embedding.weight, self.output.bias)
        if rounding:
            n, weight = rounding.operands(n, weight, rounding.channel_steps(n))
        logits = product(n, weight, bias, self.dtype)
        if targets is None:
            return logits, next_state
        return F.cross_entropy(logits.flatten(0, 1), targets.flatten()), next_state


def reset(state: list, resets: torch.Tensor) -> list:
    """The state with the sequences where `resets` [B] is True put back to the cold state."""
    keep = ~resets

    def of(s: LayerState) -> LayerState:
        return LayerState(
            s.h * keep[:, None], s.c * keep[:, None], s.memory, None if s.filled is None else s.filled & keep[:, None]
        )

    return [of(s) for s in state]
