"""Makes the folder that run.py takes to a machine with a GPU: engines, and what the CPU computes with the same weights. Needs no GPU.

Usage: LLMC_BIN=build/bin .venv/bin/python tests/gpu/prepare.py FOLDER [--arch sm_90a] [--shapes 8b-native,..] [--kernels FILTER] [--dump]

FOLDER gets llmc-run, an engine of each tiny model with ids, logits and greedy tokens of its CPU twin, the kernel cases of the unit tests, and
engines of the shapes of an 8B and of a 1B llama without weights (`llmc build --no-weights`): some MB in all. `--dump`: also the shapes' PTX, by
which the emulator's driver finds their kernels.
"""

import argparse
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile

import numpy as np

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "e2e"), str(HERE.parent / "fixtures")]

import engine  # noqa: E402
import holes  # noqa: E402
import large_shape  # noqa: E402
import tiny_models  # noqa: E402
from cuda_build_test import PIP, nvrtc  # noqa: E402

TINY = {  # one model of each family; together all schemes
    "llama-3h1-d64-f32": ("w4", "--group-size", "128"),
    "mistral-9h3-d96-bf16": ("native",),
    "qwen2-7h1-d64-bf16": ("w8",),
    "qwen3-3h1-d128-f32": ("w16",),
}
IDS = np.random.default_rng(11).integers(0, 500, 40)
TOKENS = 12
CASES = ("cuda_rows_test", "cuda_emit_attend_test", "cuda_product_numerics_test")  # tests with kernel cases
SCHEMES = {"native": ("native",), "fp8": ("fp8",), "w4": ("w4", "--group-size", "128"), "fp8kv": ("fp8", "--kv-cache", "fp8")}
SHAPES = "8b-native,8b-fp8,8b-w4,8b-fp8kv,1b-native"


def build(model, path: pathlib.Path, scheme, *flags):
    command = [engine.BIN / "llmc", "build", model, "-o", path, "--force", "--quiet", "--quality", "off", "--quant", *scheme, *flags]
    done = subprocess.run([str(c) for c in command], env=dict(os.environ, LLMC_NVRTC=nvrtc()), capture_output=True, text=True, timeout=3600)
    if done.returncode:
        raise SystemExit(f"{' '.join(map(str, command))}: {done.stderr}")


def tiny(folder: pathlib.Path, arch: str) -> list:
    cases = []
    for name, scheme in TINY.items():
        model = tiny_models.write(next(s for s in tiny_models.SPECS if s.name == name), engine.work_dir() / "models")
        made, twin = folder / f"{name}.bin", engine.work_dir() / f"{name}-cpu.bin"
        build(model, made, scheme, "--target", f"cuda:{arch}", "--dump-dir", folder / "dump" / name)
        build(model, twin, scheme, "--cpu-levels", "host", "--activations", "f32", "--kv-cache", "f16", "--selftest-tokens", "0")
        logits = engine.logits(twin, IDS, "--max-model-len", 128)
        np.save(folder / f"{name}.npy", logits.astype(np.float32))
        steps = engine.generate(twin, IDS[:21], TOKENS, "--logprobs", 2, "--max-model-len", 128)
        leads = [first[1] - second[1] for first, second in (step["top"][:2] for step in steps["logprobs"])]
        cases.append({"name": name, "scheme": scheme[0], "ids": IDS.tolist(), "prompt": 21, "tokens": steps["token_ids"], "leads": leads})
    return cases


def shapes(folder: pathlib.Path, arch: str, names: list, dump: bool) -> list:
    """Engines without weights, packed; with what a comparison needs to know of the shape, and its kernels of decode attention."""
    made = []
    for name in names:
        size, scheme = name.split("-")
        model = large_shape.write(engine.work_dir() / f"llama-{size}", large_shape.SIZES[size])
        path = engine.work_dir() / f"{name}.bin"
        dumped = folder / "dump" / name if dump else engine.work_dir() / f"dump-{name}"
        build(model, path, SCHEMES[scheme], "--target", f"cuda:{arch}", "--no-weights", "--dump-dir", dumped)
        holes.pack(path, folder / f"{name}.packed")
        config = large_shape.config(large_shape.SIZES[size])
        made.append({"name": name, "scheme": scheme, "config": config, "attention": attention(path, dumped, arch, folder / name, config)})
        path.unlink()
    return made


def attention(path: pathlib.Path, dumped: pathlib.Path, arch: str, made: pathlib.Path, config: dict) -> dict | None:
    """The kernels that a decode step of the engine launches for attention, for attention.py; `made`.attend.cubin and `made`.merge.cubin have
    their code. None for a cache with scales, or where attention is not in parts."""
    kernels = json.loads(engine.call("llmc", "explain", path, "--json"))["kernels"]
    used = [kernel for kernel in kernels if kernel["launches"]["decode"] > 0]
    found = {"attend": next((k for k in used if k["family"] == "attend"), None),
             "merge": next((k for k in used if "attend_merge" in (dumped / f"{k['variants'][0]['symbol']}.{arch}.mlir").read_text()), None)}
    shape = re.fullmatch(r"(\d+)x(\d+)x(\d+),(f16|bf16),(\d+)", found["attend"]["attention"]) if all(found.values()) else None
    if not shape:
        return None
    facts = dict(zip(("heads", "kv_heads", "dim", "splits"), (int(shape[i]) for i in (1, 2, 3, 5)))) | {"layers": config["num_hidden_layers"]}
    for name, kernel in found.items():
        symbol, launch = kernel["variants"][0]["symbol"], kernel["variants"][0]["launch"][f"cuda:{arch}"]
        facts[name] = {"symbol": symbol} | {key: launch[key] for key in ("threads", "grid", "shared_bytes")}
        shutil.copy2(dumped / f"{symbol}.{arch}.cubin", f"{made}.{name}.cubin")
    return facts


def kernels(folder: pathlib.Path, arch: str, chosen: str) -> int:
    """kernels.zip: the unit tests' kernel cases for `arch` (of the tests that gtest's filter `chosen` takes), as tests/emulator/kernel_record.h leaves them."""
    archive = folder / "kernels.zip"
    with tempfile.TemporaryDirectory() as record, zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as made:
        environment = dict(os.environ, LLMC_NVRTC=nvrtc(), LLMC_KERNEL_RECORD=record, LLMC_KERNEL_ARCH=arch)
        for name in CASES:
            binary = engine.BIN.parent / "tests" / name
            if not binary.exists():
                raise SystemExit(f"no {binary}: build the tests, or leave the kernels out with --kernels ''")
            # A case that was made for another architecture may fail on this one; what is recorded has passed.
            subprocess.run([binary, f"--gtest_filter={chosen}"], env=environment, capture_output=True, check=False)
        files = sorted(pathlib.Path(record).iterdir())
        for path in files:
            made.write(path, path.name)
    return sum(path.suffix == ".json" for path in files)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--arch", default="sm_90a")
    parser.add_argument("--shapes", default=SHAPES, help=f"SIZE-SCHEME,..; sizes of large_shape.py (default: {SHAPES})")
    parser.add_argument("--dump", action="store_true")
    parser.add_argument("--kernels", default="*", metavar="FILTER", help="cases of these unit tests (gtest's filter); empty: none (default: all)")
    options = parser.parse_args()
    if not nvrtc():
        raise SystemExit(f"no NVRTC: {PIP}")
    options.folder.mkdir(parents=True, exist_ok=True)
    manifest = {"arch": options.arch, "tiny": tiny(options.folder, options.arch),
                "kernels": kernels(options.folder, options.arch, options.kernels) if options.kernels else 0,
                "shapes": shapes(options.folder, options.arch, [name for name in options.shapes.split(",") if name], options.dump)}
    shutil.copy2(engine.BIN / "llmc-run", options.folder / "llmc-run")
    (options.folder / "manifest.json").write_text(json.dumps(manifest))
    size = sum(path.stat().st_size for path in options.folder.iterdir() if path.is_file())
    print(f"{options.folder}: {len(manifest['tiny'])} models, {manifest['kernels']} kernel cases, {len(manifest['shapes'])} shapes, {size / 1e6:.1f} MB without dump/")


if __name__ == "__main__":
    main()
