"""Times paged decode attention alone on a GPU: the two kernels of an engine that a decode step launches for a layer, attention of parts and their merge.

Usage: python3 tests/gpu/attention.py FOLDER SHAPE [--device N] [--quick]. FOLDER is prepare.py's. Prints one JSON; where it is cut, what it has so far.

The cache is that of a step: pages of all layers in an order of chance, one layer's K and V after another's, so that no launch finds any of them in a
cache of the device. Launches follow one another in a stream and do not overlap, as they may in a graph.
"""

import argparse
import ctypes
import json
import math
import pathlib
import statistics
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from kernels import SHARED_BYTES, Config, Driver, DriverError  # noqa: E402

LOADS = {"decode 32 x 4096": (32, 4096), "decode 8 x 32768": (8, 32768)}  # sequences, tokens of each
QUICK_LOADS = {"decode 2 x 40": (2, 40)}
PAGE_TOKENS, PADDING_ROWS, UNIT_PAGES = 16, 16, 8  # the first two as kernel_abi.h
SMALL = 0xBFBF  # bits of an f16 or bf16 below 2
COPY_BYTES, PASSES = 1 << 30, 5


class Batch(ctypes.Structure):
    """As in kernel_abi.h."""

    _fields_ = [(name, ctypes.c_int32) for name in ("tokens", "rows", "sequences", "block_stride")] + [
        (name, ctypes.c_uint64) for name in ("token_ids", "positions", "slots", "token_seq", "query_starts", "context_lens", "block_table",
                                             "sample_rows", "logits_wanted", "samples", "edits", "last_tokens")]  # fmt: skip


def stride(row_bytes: int) -> int:
    """As rowStrideBytes() of kernel_abi.h."""
    return ((row_bytes + 63) // 64 | 1) * 64


def blocks(dimension: str, sequences: int) -> int:
    """What `explain` says of a grid ("ceil(T / 32) + sequences") for a step of one token a sequence."""
    return eval(dimension, {"__builtins__": {}, "ceil": math.ceil}, {"T": sequences, "S": sequences, "sequences": sequences})  # noqa: S307: prepare.py's own text


class Device(Driver):
    """Memory that is freed together, and times by events."""

    def __init__(self, ordinal: int):
        super().__init__(ordinal)
        self.taken, self.events = [], (ctypes.c_void_p(), ctypes.c_void_p())
        for event in self.events:
            self.call("cuEventCreate", ctypes.byref(event), ctypes.c_uint(0))

    def take(self, size: int) -> int:
        address = ctypes.c_uint64()
        self.call("cuMemAlloc", ctypes.byref(address), ctypes.c_size_t(max(size, 1)))
        self.taken.append(address.value)
        return address.value

    def free(self):
        for address in self.taken:
            self.call("cuMemFree", ctypes.c_uint64(address))
        self.taken = []

    def store(self, data: np.ndarray) -> int:
        address, data = self.take(data.nbytes), np.ascontiguousarray(data)
        self.copy(ctypes.c_uint64(address), ctypes.c_uint64(data.ctypes.data), data.nbytes)
        self.wait()
        return address

    def tiled(self, unit: np.ndarray, size: int) -> int:
        """`size` bytes, `unit` over and over: what is there doubles."""
        address, done = self.take(size), min(size, unit.nbytes)
        self.copy(ctypes.c_uint64(address), ctypes.c_uint64(unit.ctypes.data), done)
        while done < size:
            more = min(done, size - done)
            self.copy(ctypes.c_uint64(address + done), ctypes.c_uint64(address), more)
            done += more
        self.wait()
        return address

    def milliseconds(self, run) -> float:
        first, last = self.events
        self.call("cuEventRecord", first, self.stream)
        run()
        self.call("cuEventRecord", last, self.stream)
        self.wait()
        found = ctypes.c_float()
        self.call("cuEventElapsedTime", ctypes.byref(found), first, last)
        return found.value

    def copy_gb_per_s(self, size: int) -> float:
        """Read and written, the best of PASSES."""
        source, target = self.tiled(np.arange(1 << 16, dtype=np.uint16), size), self.take(size)
        best = min(self.milliseconds(lambda: self.copy(ctypes.c_uint64(target), ctypes.c_uint64(source), size)) for _ in range(PASSES))
        self.free()
        return 2 * size / max(best, 1e-9) / 1e6


class Kernel:
    """One of the two: its code on the device, and its blocks for so many sequences."""

    def __init__(self, device: Device, code: bytes, facts: dict, sequences: int):
        module, self.function = ctypes.c_void_p(), ctypes.c_void_p()
        device.call("cuModuleLoadDataEx", ctypes.byref(module), code, ctypes.c_uint(0), None, None)
        device.call("cuModuleGetFunction", ctypes.byref(self.function), module, facts["symbol"].encode())
        device.call("cuFuncSetAttribute", self.function, ctypes.c_int(SHARED_BYTES), ctypes.c_int(facts["shared_bytes"]))
        grid = (ctypes.c_uint * 3)(*(blocks(dimension, sequences) for dimension in facts["grid"]))
        self.config = Config(grid, (ctypes.c_uint * 3)(facts["threads"], 1, 1), facts["shared_bytes"], device.stream, None, 0)

    def launch(self, device: Device, words):
        device.call("cuLaunchKernelEx", ctypes.byref(self.config), self.function, (ctypes.c_void_p * 1)(ctypes.addressof(words)), None)


class Step:
    """A decode step's attention: one token of each sequence, `context` tokens in the cache of each."""

    def __init__(self, device: Device, codes: tuple, facts: dict, sequences: int, context: int, shuffled: bool):
        self.device, self.facts = device, facts
        heads, kv_heads, dim, self.layers, splits = (facts[name] for name in ("heads", "kv_heads", "dim", "layers", "splits"))
        random, a_sequence = np.random.default_rng(3), -(-context // PAGE_TOKENS)
        layer_bytes = 2 * kv_heads * PAGE_TOKENS * dim * 2
        pages, page_bytes, rows = sequences * a_sequence, layer_bytes * self.layers, sequences + PADDING_ROWS
        unit = random.integers(0, 1 << 16, UNIT_PAGES * page_bytes // 2, dtype=np.uint16) & SMALL
        cache = device.tiled(unit, pages * page_bytes)
        query = device.store(random.uniform(-1, 1, rows * stride(heads * dim * 4) // 4).astype(np.float32))
        parts = device.take(rows * stride(heads * splits * (dim + 2) * 4))
        self.out_bytes, self.out = sequences * stride(heads * dim * 2), device.take(rows * stride(heads * dim * 2))
        batch = self.batch(sequences, context, random.permutation(pages) if shuffled else np.arange(pages))
        self.kernels = [Kernel(device, code, facts[name], sequences) for name, code in zip(("attend", "merge"), codes)]
        self.attend_words = [(ctypes.c_uint64 * 4)(query, cache + layer * layer_bytes, batch, parts) for layer in range(self.layers)]
        self.merge_words = (ctypes.c_uint64 * 3)(parts, batch, self.out)

    def batch(self, sequences: int, context: int, table: np.ndarray) -> int:
        def array(values) -> int:
            return self.device.store(np.asarray(values, np.int32))

        made = Batch(tokens=sequences, rows=sequences, sequences=sequences, block_stride=len(table) // sequences)
        made.positions, made.token_seq = array([context - 1] * sequences), array(range(sequences))
        made.query_starts, made.context_lens = array(range(sequences + 1)), array([context] * sequences)
        made.block_table = array(table)
        return self.device.store(np.frombuffer(bytes(made), np.uint8).copy())

    def layer_us(self, merge: bool) -> float:
        """Microseconds a layer: the median of passes over all of them, after one that is not counted."""

        def run():
            for words in self.attend_words:
                self.kernels[0].launch(self.device, words)
                if merge:
                    self.kernels[1].launch(self.device, self.merge_words)

        self.device.milliseconds(run)
        return statistics.median(self.device.milliseconds(run) for _ in range(PASSES)) * 1e3 / self.layers

    def check(self):
        """Averages of values that are below 2 are, too."""
        raw = np.zeros(self.out_bytes, np.uint8)
        self.device.copy(ctypes.c_uint64(raw.ctypes.data), ctypes.c_uint64(self.out), self.out_bytes)
        self.device.wait()
        used = self.facts["heads"] * self.facts["dim"]
        values = (raw.view(np.uint16).reshape(-1, stride(used * 2) // 2)[:, :used].astype(np.uint32) << 16).view(np.float32)
        if not np.abs(values).max() <= 2 or not values.any():
            raise DriverError(f"attention gave {np.abs(values).max()}, expected averages of values below 2, not all 0")


def measure(folder: pathlib.Path, shape: str, ordinal: int, quick: bool) -> dict:
    manifest = json.loads((folder / "manifest.json").read_text())
    facts = next(one for one in manifest["shapes"] if one["name"] == shape).get("attention")
    if not facts:
        return {"skipped": f"no attention kernels of {shape} in the folder"}
    device, codes = Device(ordinal), tuple((folder / f"{shape}.{name}.cubin").read_bytes() for name in ("attend", "merge"))
    found = {"kernels": [facts["attend"]["symbol"], facts["merge"]["symbol"]], "copy_gb_per_s": device.copy_gb_per_s(1 << 20 if quick else COPY_BYTES)}
    for name, (sequences, context) in (QUICK_LOADS if quick else LOADS).items():
        one = found[name] = {}
        for shuffled in (True, False):
            step = Step(device, codes, facts, sequences, context, shuffled)
            us = step.layer_us(merge=True)
            step.check()
            if shuffled:
                moved = 2 * sequences * context * facts["kv_heads"] * facts["dim"] * 2
                one |= {"us": us, "us_without_merge": step.layer_us(merge=False), "kv_bytes": moved, "gb_per_s": moved / max(us, 1e-9) / 1e3}
            else:
                one["us_pages_in_order"] = us
            device.free()
        print(json.dumps(found), flush=True)
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("shape")
    parser.add_argument("--device", type=int, default=0)
    parser.add_argument("--quick", action="store_true", help="one short load, to try the script")
    options = parser.parse_args()
    try:
        found = measure(options.folder, options.shape, options.device, options.quick)
    except DriverError as error:
        print(error, file=sys.stderr)
        return 1
    print(json.dumps(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
