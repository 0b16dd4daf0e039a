"""Blocks of ggml's 5-bit and K types as numbers, exact in double."""

import numpy as np

# name -> (number in a GGUF, values a block, bytes a block)
TYPES = {
    "Q5_0": (6, 32, 22),
    "Q5_1": (7, 32, 24),
    "Q4_K": (12, 256, 144),
    "Q5_K": (13, 256, 176),
    "Q6_K": (14, 256, 210),
}


def _read_half(blocks: np.ndarray, at: int, dtype) -> np.ndarray:
    return np.ascontiguousarray(blocks[:, at : at + 2]).view("<f2").astype(dtype)


def _read_five_bits(blocks: np.ndarray, at: int) -> np.ndarray:
    top = np.unpackbits(np.ascontiguousarray(blocks[:, at : at + 4]), axis=1, bitorder="little")
    packed = blocks[:, at + 4 :]
    return np.concatenate([packed & 15, packed >> 4], axis=1) | top << 4


def _read_six_bit_scales(packed: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    first, second, third = packed[:, :4], packed[:, 4:8], packed[:, 8:]
    scales = np.concatenate([first & 63, third & 15 | first >> 6 << 4], axis=1)
    return scales, np.concatenate([second & 63, third >> 4 | second >> 6 << 4], axis=1)


def _read_with_mins(blocks: np.ndarray, kind: str, dtype) -> np.ndarray:
    nibbles = blocks[:, 48 if kind == "Q5_K" else 16 :].reshape(-1, 4, 1, 32)
    codes = np.concatenate([nibbles & 15, nibbles >> 4], axis=2).reshape(-1, 8, 32)
    if kind == "Q5_K":
        codes = codes | (blocks[:, None, 16:48] >> np.arange(8, dtype=np.uint8)[None, :, None] & 1) << 4
    scales, mins = _read_six_bit_scales(blocks[:, 4:16])
    scale, low = _read_half(blocks, 0, dtype) * scales, _read_half(blocks, 2, dtype) * mins
    return scale[..., None] * codes - low[..., None]


def _read_six(blocks: np.ndarray, dtype) -> np.ndarray:
    low, high = blocks[:, :128].reshape(-1, 2, 2, 32), blocks[:, 128:192].reshape(-1, 2, 32)
    parts = [low[:, :, part % 2] >> part // 2 * 4 & 15 | (high >> 2 * part & 3) << 4 for part in range(4)]
    codes = np.stack(parts, axis=2).reshape(-1, 16, 16).astype(np.int8) - 32
    scales = np.ascontiguousarray(blocks[:, 192:208]).view(np.int8)
    return (_read_half(blocks, 208, dtype) * scales)[..., None] * codes


def dequantize(kind: str, raw: np.ndarray, dtype=np.float64) -> np.ndarray:
    """Flat values. Exact in double."""
    blocks = raw.reshape(-1, TYPES[kind][2])
    if kind == "Q6_K":
        return _read_six(blocks, dtype).reshape(-1)
    if kind in ("Q4_K", "Q5_K"):
        return _read_with_mins(blocks, kind, dtype).reshape(-1)
    scale = _read_half(blocks, 0, dtype)
    if kind == "Q5_0":
        return ((_read_five_bits(blocks, 2).astype(np.int8) - 16) * scale).reshape(-1)
    return (_read_five_bits(blocks, 4) * scale + _read_half(blocks, 2, dtype)).reshape(-1)
