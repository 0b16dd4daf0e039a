"""Safetensors reader: one file or shards with an index, f32/f16/bf16 to any float type."""

import json
import mmap
import pathlib
import struct

import numpy as np


class SafetensorsFolder:
    """All tensors of a folder (or of one file), by name."""

    def __init__(self, path):
        path = pathlib.Path(path)
        if path.is_file():
            files = [path]
        elif (path / "model.safetensors.index.json").exists():
            index = json.loads((path / "model.safetensors.index.json").read_text())
            files = [path / name for name in sorted(set(index["weight_map"].values()))]
        else:
            files = sorted(path.glob("*.safetensors"))
        if not files:
            raise ValueError(f"{path}: no safetensors file")
        self.table = {}
        for name in files:
            self._open(name)

    def _open(self, path):
        with open(path, "rb") as file:
            data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        (size,) = struct.unpack_from("<Q", data, 0)
        header = json.loads(bytes(data[8 : 8 + size]))
        for name, entry in header.items():
            if name != "__metadata__":
                begin, end = entry["data_offsets"]
                self.table[name] = (entry["dtype"], tuple(entry["shape"]), data, 8 + size + begin, end - begin)

    def names(self) -> list[str]:
        return list(self.table)

    def kind(self, name: str) -> str:
        return self.table[name][0]

    def tensor(self, name: str, dtype=np.float64) -> np.ndarray:
        kind, shape, data, begin, size = self.table[name]
        raw = np.frombuffer(data, np.uint8, size, begin)
        if kind == "BF16":
            values = (raw.view("<u2").astype(np.uint32) << 16).view(np.float32)
        else:
            values = raw.view({"F32": "<f4", "F16": "<f2"}[kind])
        return values.astype(dtype).reshape(shape)
