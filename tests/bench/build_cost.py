"""Times `llmc build` against its floors: seconds and their parts, peak memory, engine size, and a plain copy of the same files
before each build, so that both find the page cache in the same state.

Usage: build_cost.py MODEL [--levels all] [--flag=--quant=w4 ..] [--rounds N] [--bandwidth]   Prints one JSON object.
"""

import argparse
import json
import os
import pathlib
import re
import shutil
import statistics
import tempfile
import time

import machine

ROOT = pathlib.Path(__file__).resolve().parents[2]
BLOCK = 8 << 20


def copy_seconds(files: list, target: pathlib.Path, written: int) -> dict:
    """Reads every byte of the files; writes as many bytes as the engine has: what no build can avoid."""
    begin = time.monotonic()
    for file in files:
        with open(file, "rb", buffering=0) as source:
            buffer = bytearray(BLOCK)
            while source.readinto(buffer):
                pass
    read = time.monotonic() - begin
    with open(target, "wb", buffering=0) as out:
        for _ in range(0, written, BLOCK):
            out.write(buffer)
        os.fsync(out.fileno())
    target.unlink()
    return {"read_s": read, "write_s": time.monotonic() - begin - read}


PHASE = re.compile(r"^([a-z ]+?) +([0-9.]+) s$", re.M)
PARTS = re.compile(r"seconds of all threads: (.*); of the writer: (.*)$", re.M)


def parts_of(log: str) -> dict:
    """Seconds by phase, and those of packing by part, from what `llmc build --verbose` says."""
    found = {name.replace(" ", "_") + "_s": float(seconds) for name, seconds in PHASE.findall(log)}
    threads, writer = PARTS.search(log).groups()
    for owner, text in (("threads", threads), ("writer", writer)):
        found[owner] = {part.rsplit(" ", 1)[0]: float(part.rsplit(" ", 1)[1]) for part in text.split(", ")}
    return found


def largest_tensor_bytes(files: list) -> int:
    """Of safetensors; 0 for a GGUF."""
    largest = 0
    for file in files:
        if file.suffix == ".safetensors":
            with open(file, "rb") as source:
                header = json.loads(source.read(int.from_bytes(source.read(8), "little")))
            spans = [e["data_offsets"] for n, e in header.items() if n != "__metadata__"]
            largest = max(largest, *(end - begin for begin, end in spans))
    return largest


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=pathlib.Path)
    parser.add_argument("--flag", action="append", default=[], help="for llmc build, as --flag=--quant=w4")
    parser.add_argument("--levels", default="all", help="--cpu-levels of the build (default all)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--bandwidth", action="store_true", help="measure what memory gives, too")
    args = parser.parse_args()
    binary = pathlib.Path(os.environ.get("LLMC_BIN", ROOT / "build" / "bin")) / "llmc"
    flags = [part for flag in args.flag for part in flag.split("=", 1)]
    files = [args.model] if args.model.is_file() else sorted(args.model.glob("*.safetensors"))
    scratch = pathlib.Path(tempfile.mkdtemp(prefix="llmc-build-", dir=os.environ.get("TMPDIR", "/tmp")))
    engine, costs, copies, parts, size = scratch / "engine.bin", [], [], [], 0
    command = ["sh", "-c", 'exec "$@" 2>&1', "sh", binary, "build", args.model, "-o", engine, "--force", "--verbose", "--cpu-levels", args.levels]
    try:
        for _ in range(args.rounds):
            copies.append(copy_seconds(files, scratch / "copy", size or sum(f.stat().st_size for f in files) // 3))
            engine.unlink(missing_ok=True)
            log, cost = machine.run_measured([*command, *flags], timeout=3600)
            costs.append(cost)
            parts.append(parts_of(log))
            size = engine.stat().st_size
    finally:
        shutil.rmtree(scratch)
    largest = largest_tensor_bytes(files)
    print(json.dumps({
        "model": args.model.name,
        "flags": flags,
        "levels": args.levels,
        "seconds": statistics.median(c["wall_s"] for c in costs),
        "seconds_each": [round(c["wall_s"], 2) for c in costs],
        "cpu_seconds": statistics.median(c["cpu_s"] for c in costs),
        "peak_mib": max(c["peak_mib"] for c in costs),
        "engine_mib": size / 2**20,
        "model_mib": sum(f.stat().st_size for f in files) / 2**20,
        "largest_tensor_mib": largest / 2**20,
        "memory_floor_mib": 2 * largest / 2**20 + 1024 if largest else None,
        "copy_each": copies,
        "parts_each": parts,
        "bandwidth": machine.bandwidth([1, os.cpu_count()]) if args.bandwidth else None,
        "others_cpus": [round(c["others_cpus"], 1) for c in costs],
    }, indent=1))


if __name__ == "__main__":
    main()
