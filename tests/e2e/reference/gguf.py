"""GGUF v2/v3 reader: metadata, tensor table, exact dequantization of the formats that llmc imports."""

import mmap
import pathlib
import struct

import numpy as np

from . import k_quants

_SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_STRING, _ARRAY = 8, 9
# type id -> (name, weights a block, bytes a block)
TYPES = {
    0: ("F32", 1, 4),
    1: ("F16", 1, 2),
    2: ("Q4_0", 32, 18),
    3: ("Q4_1", 32, 20),
    8: ("Q8_0", 32, 34),
    30: ("BF16", 1, 2),
} | {number: (name, count, size) for name, (number, count, size) in k_quants.TYPES.items()}


class _Cursor:
    def __init__(self, data):
        self.data, self.at = data, 0

    def scalar(self, code: str):
        (value,) = struct.unpack_from("<" + code, self.data, self.at)
        self.at += struct.calcsize(code)
        return value

    def string(self) -> str:
        size = self.scalar("Q")
        raw = bytes(self.data[self.at : self.at + size])
        self.at += size
        return raw.decode("utf-8", errors="surrogateescape")

    def value(self, kind: int):
        if kind == _STRING:
            return self.string()
        if kind == _ARRAY:
            item, count = self.scalar("I"), self.scalar("Q")
            return [self.value(item) for _ in range(count)]
        return self.scalar(_SCALARS[kind])


class GgufFile:
    """`metadata` is a dict; `tensor(name, dtype)` gives a numpy array with the row dimension first."""

    def __init__(self, path):
        with open(path, "rb") as file:
            self.data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        cursor = _Cursor(self.data)
        if self.data[:4] != b"GGUF":
            raise ValueError(f"{path}: no GGUF file")
        cursor.at = 4
        self.version = cursor.scalar("I")
        if self.version not in (2, 3):
            raise ValueError(f"{path}: GGUF version {self.version}")
        tensors, pairs = cursor.scalar("Q"), cursor.scalar("Q")
        self.metadata = {}
        for _ in range(pairs):
            key = cursor.string()
            self.metadata[key] = cursor.value(cursor.scalar("I"))
        self.table = {}
        for _ in range(tensors):
            name = cursor.string()
            sizes = [cursor.scalar("Q") for _ in range(cursor.scalar("I"))]
            kind, offset = cursor.scalar("I"), cursor.scalar("Q")
            self.table[name] = (TYPES[kind][0], TYPES[kind][1:], tuple(reversed(sizes)), offset)
        alignment = self.metadata.get("general.alignment", 32)
        self.base = (cursor.at + alignment - 1) // alignment * alignment

    def names(self) -> list[str]:
        return list(self.table)

    def kind(self, name: str) -> str:
        return self.table[name][0]

    def tensor(self, name: str, dtype=np.float64) -> np.ndarray:
        kind, (weights, size), shape, offset = self.table[name]
        count = int(np.prod(shape, dtype=np.int64))
        raw = np.frombuffer(self.data, np.uint8, count // weights * size, self.base + offset)
        return dequantize(kind, raw, dtype).reshape(shape)


def dequantize(kind: str, raw: np.ndarray, dtype=np.float64) -> np.ndarray:
    """Flat values of a tensor's bytes. Exact in double: every format is (integer * f16) + (integer * f16) at most."""
    if kind == "F32":
        return raw.view("<f4").astype(dtype)
    if kind == "F16":
        return raw.view("<f2").astype(dtype)
    if kind == "BF16":
        return (raw.view("<u2").astype(np.uint32) << 16).view(np.float32).astype(dtype)
    if kind in k_quants.TYPES:
        return k_quants.dequantize(kind, raw, dtype)
    size = {"Q4_0": 18, "Q4_1": 20, "Q8_0": 34}[kind]
    blocks = raw.reshape(-1, size)
    scale = np.ascontiguousarray(blocks[:, 0:2]).view("<f2").astype(dtype)
    if kind == "Q8_0":
        return (np.ascontiguousarray(blocks[:, 2:]).view(np.int8) * scale).reshape(-1)
    packed = blocks[:, 2:] if kind == "Q4_0" else blocks[:, 4:]
    # byte j of a block holds weight j in its low half and weight j + 16 in its high half
    quants = np.concatenate([packed & 15, packed >> 4], axis=1)
    if kind == "Q4_0":
        return ((quants.astype(np.int8) - 8) * scale).reshape(-1)
    low = np.ascontiguousarray(blocks[:, 2:4]).view("<f2").astype(dtype)
    return (quants * scale + low).reshape(-1)


def is_gguf(path) -> bool:
    path = pathlib.Path(path)
    if not path.is_file():
        return False
    with open(path, "rb") as file:
        return file.read(4) == b"GGUF"
