"""The forward pass of the four decoder families in numpy, written for plainness: one line of math a line."""

import dataclasses
import json
import pathlib

import numpy as np

from . import k_quants
from .config import Config, from_gguf, from_hf
from .gguf import GgufFile, is_gguf
from .safetensors import SafetensorsFolder

QUANTIZED = ("Q4_0", "Q4_1", "Q8_0", *k_quants.TYPES)


@dataclasses.dataclass
class Linear:
    weight: np.ndarray  # [N, K]
    bias: np.ndarray | None  # [N]
    quantized: bool  # stored in 4 or 8 bits in the file
    bf16: bool = False  # stored so in the file, and not the head


class Cache:
    """Keys (rotated) and values of the tokens so far: one [S, kv_heads, head_dim] array a layer."""

    def __init__(self, config: Config, dtype):
        empty = np.zeros((0, config.kv_heads, config.head_dim), dtype)
        self.keys = [empty] * config.layers
        self.values = [empty] * config.layers
        self.length = 0


class Model:
    """kv="f16", "bf16", "int8" or "fp8" rounds keys and values as the engine's cache does; activations="int8" rounds the inputs of linears
    whose weights are stored quantized (32 values share one scale, amax/127), "bf16" those of linears whose weights are bf16, but for the head's. The defaults are exact math. streamed: each pass reads the
    layers' weights anew, one layer at a time, for models that memory does not hold in `dtype`."""

    def __init__(self, config: Config, source, dtype=np.float64, kv="exact", activations="f32", streamed=False):
        self.config, self.source, self.dtype = config, source, dtype
        self.kv, self.activations = kv, activations
        names = config.names
        self.embed = source.tensor(names["embed"], dtype)
        self.final_norm = source.tensor(names["final_norm"], dtype)
        tied = names["head"] not in source.table
        head = names["embed"] if tied else names["head"]
        weight = self.embed if tied else source.tensor(head, dtype)
        self.head = Linear(weight, None, source.kind(head) in QUANTIZED)
        self.kept = None if streamed else [self._block(i) for i in range(config.layers)]
        self.vocab = self.embed.shape[0]

    def _blocks(self):
        return self.kept or (self._block(i) for i in range(self.config.layers))

    def _vector(self, name: str):
        return self.source.tensor(name, self.dtype) if name in self.source.table else None

    def _block(self, layer: int) -> dict:
        names, block = self.config.names, {}
        for role in ("q", "k", "v", "o", "gate", "up", "down"):
            name = names[role].format(layer)
            weight = self.source.tensor(name + ".weight", self.dtype)
            block[role] = Linear(weight, self._vector(name + ".bias"), self.source.kind(name + ".weight") in QUANTIZED, self.source.kind(name + ".weight") == "BF16")
        for role in ("attn_norm", "ffn_norm", "q_norm", "k_norm"):
            block[role] = self._vector(names[role].format(layer))
        return block

    def _norm(self, x, weight):
        return x / np.sqrt(np.mean(x * x, axis=-1, keepdims=True) + self.config.eps) * weight

    def _linear(self, linear: Linear, x):
        if linear.quantized and self.activations == "int8":
            x = round_to_int8(x)
        if linear.bf16 and self.activations == "bf16":
            x = round_to_digits(x, 8, -133)
        y = x @ linear.weight.T
        return y if linear.bias is None else y + linear.bias

    def _rotate(self, x, positions):
        """x: [T, heads, D]; rotates each pair by position * frequency."""
        angles = positions[:, None, None].astype(np.float64) * self.config.frequencies
        cos, sin = np.cos(angles).astype(self.dtype), np.sin(angles).astype(self.dtype)
        if self.config.adjacent_pairs:
            a, b = x[..., 0::2], x[..., 1::2]
            return np.stack([a * cos - b * sin, b * cos + a * sin], axis=-1).reshape(x.shape)
        half = x.shape[-1] // 2
        a, b = x[..., :half], x[..., half:]
        return np.concatenate([a * cos - b * sin, b * cos + a * sin], axis=-1)

    def _attend(self, q, keys, values, first: int, window: int):
        """q: [T, heads, D] at positions first..; keys, values: [S, kv_heads, D]. Returns [T, heads * D]."""
        tokens, heads, dim = q.shape
        group = heads // self.config.kv_heads
        query = np.arange(first, first + tokens)[:, None]
        key = np.arange(keys.shape[0])[None, :]
        hidden = key > query
        if window:
            hidden = hidden | (query - key >= window)
        mask = np.where(hidden, -np.inf, 0).astype(self.dtype)
        keys, values = (np.ascontiguousarray(t.transpose(1, 0, 2)) for t in (keys, values))
        out = np.empty_like(q)
        for head in range(heads):
            scores = np.ascontiguousarray(q[:, head]) @ keys[head // group].T
            scores /= np.sqrt(dim).astype(self.dtype)
            scores += mask
            scores -= scores.max(axis=1, keepdims=True)
            np.exp(scores, out=scores)
            out[:, head] = scores @ values[head // group] / scores.sum(axis=1, keepdims=True)
        return out.reshape(tokens, heads * dim)

    def _attention(self, x, block, layer, cache, positions):
        config, tokens = self.config, x.shape[0]
        q = self._linear(block["q"], x).reshape(tokens, config.heads, config.head_dim)
        k = self._linear(block["k"], x).reshape(tokens, config.kv_heads, config.head_dim)
        v = self._linear(block["v"], x).reshape(tokens, config.kv_heads, config.head_dim)
        if block["q_norm"] is not None:
            q, k = self._norm(q, block["q_norm"]), self._norm(k, block["k_norm"])
        q, k = self._rotate(q, positions), self._rotate(k, positions)
        k, v = as_cached(k, self.kv), as_cached(v, self.kv)
        cache.keys[layer] = np.concatenate([cache.keys[layer], k])
        cache.values[layer] = np.concatenate([cache.values[layer], v])
        return self._attend(q, cache.keys[layer], cache.values[layer], int(positions[0]), config.windows[layer])

    def cache(self) -> Cache:
        return Cache(self.config, self.dtype)

    def forward(self, ids, cache: Cache) -> np.ndarray:
        """Logits [T, V] of the given tokens, which follow those in the cache."""
        positions = np.arange(cache.length, cache.length + len(ids))
        x = self.embed[np.asarray(ids)]
        for layer, block in enumerate(self._blocks()):
            mixed = self._attention(self._norm(x, block["attn_norm"]), block, layer, cache, positions)
            x = x + self._linear(block["o"], mixed)
            y = self._norm(x, block["ffn_norm"])
            gate = self._linear(block["gate"], y)
            x = x + self._linear(block["down"], gate / (1 + np.exp(-gate)) * self._linear(block["up"], y))
        cache.length += len(ids)
        return self._linear(self.head, self._norm(x, self.final_norm))

    def logits(self, ids) -> np.ndarray:
        """Logits [T, V] of a sequence from an empty cache."""
        return self.forward(list(ids), self.cache())

    def greedy(self, prompt, count: int, draft) -> tuple[list[int], list[float]]:
        """Token ids of the greedy continuation and, for each, how far it is ahead of the second best (nats). `draft` guesses n ids
        that follow those so far: one pass over a guess gives the tokens up to its first wrong one, which is put right."""
        ids, margins = [], []
        while len(ids) < count:
            known = list(prompt) + ids
            guess = draft(known, count - len(ids))
            for row, token in zip(self.logits(known + guess[:-1])[len(known) - 1 :], guess, strict=True):
                second, best = np.partition(row, -2)[-2:]
                ids.append(int(np.argmax(row)))
                margins.append(float(best - second))
                if ids[-1] != token:
                    break
        return ids, margins


def round_to_digits(x: np.ndarray, digits: int, lowest: int) -> np.ndarray:
    """To `digits` significant bits, ties to even; no step below 2**lowest."""
    step = np.exp2(np.maximum(np.frexp(x)[1] - digits, lowest))
    return np.rint(x / step) * step


def as_cached(x: np.ndarray, kind: str) -> np.ndarray:
    """Keys or values [T, heads, D] as a cache keeps them; int8 and fp8 (e4m3) have a scale for each token and head."""
    if kind == "exact":
        return x
    if kind == "f16":
        return x.astype(np.float16).astype(x.dtype)
    if kind == "bf16":
        return round_to_digits(x, 8, -133)
    most = {"int8": 127, "fp8": 448}[kind]
    scale = np.abs(x).max(axis=-1, keepdims=True) / most
    codes = np.divide(x, scale, out=np.zeros_like(x), where=scale > 0)
    return (np.rint(codes) if kind == "int8" else np.clip(round_to_digits(codes, 4, -9), -most, most)) * scale


def round_to_int8(x: np.ndarray) -> np.ndarray:
    """Each run of 16 values of a row on a grid of amax/127, ties to even; the last run may be short."""
    columns = x.shape[-1]
    padded = np.pad(x, [(0, 0)] * (x.ndim - 1) + [(0, -columns % 16)])
    groups = padded.reshape(*x.shape[:-1], -1, 16)
    scale = np.abs(groups).max(axis=-1, keepdims=True) / 127
    levels = np.rint(np.divide(groups, scale, out=np.zeros_like(groups), where=scale > 0))
    return (levels * scale).reshape(padded.shape)[..., :columns]


def load(path, dtype=np.float64, kv="exact", activations="f32", streamed=False) -> Model:
    """A model folder, one .safetensors with config.json beside it, or a .gguf."""
    path = pathlib.Path(path)
    if is_gguf(path):
        file = GgufFile(path)
        return Model(from_gguf(file), file, dtype, kv, activations, streamed)
    folder = path if path.is_dir() else path.parent
    config = from_hf(json.loads((folder / "config.json").read_text()))
    return Model(config, SafetensorsFolder(path), dtype, kv, activations, streamed)
