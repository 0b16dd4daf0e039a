"""Reads a GGUF v2/v3 file: metadata, and tensors as float32 (Q4_0, Q4_1, Q8_0, F16, BF16, F32)."""

import mmap
import struct

import numpy as np

SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
STRING, ARRAY = 8, 9
# type id -> (weights a block, bytes a block)
BLOCKS = {0: (1, 4), 1: (1, 2), 2: (32, 18), 3: (32, 20), 8: (32, 34), 30: (1, 2)}


class GgufFile:
    def __init__(self, path):
        with open(path, "rb") as file:
            self.data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        if self.data[:4] != b"GGUF":
            raise SystemExit(f"{path} is no GGUF file")
        self.at = 4
        version, tensors, pairs = self.unpack("IQQ")
        if version not in (2, 3):
            raise SystemExit(f"{path}: GGUF version {version} is not read")
        self.metadata = {}
        for _ in range(pairs):
            key = self.string()
            self.metadata[key] = self.value(self.unpack("I")[0])
        self.tensors = {}
        for _ in range(tensors):
            name = self.string()
            sizes = self.unpack(f"{self.unpack('I')[0]}Q")
            kind, offset = self.unpack("IQ")
            if kind not in BLOCKS:
                raise SystemExit(f"{path}: tensor {name} has type {kind}, which is not read")
            self.tensors[name] = (kind, sizes[::-1], offset)
        self.at = -(-self.at // self.metadata.get("general.alignment", 32)) * self.metadata.get("general.alignment", 32)

    def unpack(self, codes: str) -> tuple:
        values = struct.unpack_from("<" + codes, self.data, self.at)
        self.at += struct.calcsize("<" + codes)
        return values

    def string(self) -> str:
        (size,) = self.unpack("Q")
        self.at += size
        return self.data[self.at - size : self.at].decode()

    def value(self, kind: int):
        if kind == STRING:
            return self.string()
        if kind == ARRAY:
            item, count = self.unpack("IQ")
            return [self.value(item) for _ in range(count)]
        return self.unpack(SCALARS[kind])[0]

    def tensor(self, name: str) -> np.ndarray:
        """float32, the row dimension first."""
        kind, shape, offset = self.tensors[name]
        weights, size = BLOCKS[kind]
        count = int(np.prod(shape)) // weights
        raw = np.frombuffer(self.data, np.uint8, count * size, self.at + offset)
        return self.decode(kind, raw, size).reshape(shape)

    @staticmethod
    def decode(kind: int, raw: np.ndarray, size: int) -> np.ndarray:
        if kind == 0:
            return raw.view("<f4")
        if kind == 1:
            return raw.view("<f2").astype(np.float32)
        if kind == 30:
            return (raw.view("<u2").astype(np.uint32) << 16).view(np.float32)
        blocks = raw.reshape(-1, size)
        scale = blocks[:, :2].copy().view("<f2").astype(np.float32)
        if kind == 8:
            return blocks[:, 2:].copy().view(np.int8) * scale
        packed = blocks[:, -16:]  # byte j: weight j low, weight j + 16 high
        levels = np.hstack([packed & 15, packed >> 4]).astype(np.float32)
        if kind == 2:
            return (levels - 8) * scale
        return levels * scale + blocks[:, 2:4].copy().view("<f2").astype(np.float32)
