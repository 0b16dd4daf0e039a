"""Checks and times engines on a GPU in one run, and writes a JSON and a table. Takes what prepare.py made; needs Python and numpy there.

Usage: python3 tests/gpu/run.py FOLDER --out RESULT.json [--before RESULT.json] [--llmc-run BINARY] [--seconds 570] [--skip PART,..] [--quick]

kernels       every recorded case of the unit tests against the emulator's results (kernels.py)
numbers       logits and greedy tokens of the tiny models against the CPU's with the same weights, graphs against single launches
speed         the shapes of an 8B and of a 1B llama with weights that are made up on the device: decode of one stream, prefill of 2K
torch         copy bandwidth, products and attention of the same machine by torch, where it is installed (torch_side.py)
attention     paged decode attention alone (attention.py)
load          start of a process to its first token, the engine in the page cache
serving       HTTP: these shapes as servers under the load of examples/bench_serve; host time a step (serving_load.py)
long          prefill of 8K, decode of many and of long streams
transformers  the same shapes by transformers, static cache and torch.compile, where it is installed (transformers_side.py)
sanitizer     compute-sanitizer's four tools on the smallest model, where it is installed
Parts run in this order; the result is written after each measurement. What could not run stands in it with the reason, as do parts that would
begin after --seconds. --before: what an earlier run on this GPU measured is not measured again. Exit status 1 when a number is wrong. --quick: a
few tokens, to try the script.
"""

import argparse
import functools
import json
import pathlib
import shutil
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import result_file  # noqa: E402
import result_table  # noqa: E402
import serving_load  # noqa: E402
from parts import LONG, SPEED, TOOLS, Check  # noqa: E402

PARTS = ("kernels", "numbers", "speed", "torch", "attention", "load", "serving", "long", "transformers", "sanitizer")
SERVED_ALONE = "fp8kv"  # differs from fp8 in the cache: only where that is most of the memory


def machine() -> dict:
    query = "name,driver_version,clocks.sm,clocks.mem,power.limit,memory.total"
    try:
        done = subprocess.run(["nvidia-smi", f"--query-gpu={query}", "--format=csv,noheader"], capture_output=True, text=True, timeout=30)
        gpu = dict(zip(query.split(","), done.stdout.strip().splitlines()[0].split(", "))) if done.returncode == 0 else {}
    except OSError:
        gpu = {"skipped": "no nvidia-smi"}
    return {"date": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()), "gpu": gpu}


def loads(quick: bool, shapes: list) -> list:
    return [(shape["name"], *load) for shape in shapes for load in serving_load.QUICK_LOADS] if quick else serving_load.LOADS


def items(check: Check, manifest: dict) -> list:
    """(part, keys of the result within it, what measures that), in the order of importance."""
    do, quick, shapes = functools.partial, check.options.quick, {shape["name"]: shape for shape in manifest["shapes"]}
    timed = [shape for shape in shapes.values() if shape["scheme"] != SERVED_ALONE]
    native = [shape for shape in timed if shape["scheme"] == "native"]
    largest, smallest = native[:1], manifest["tiny"][0]
    found = [("kernels", (), check.kernels)]
    found += [("numbers", (case["name"],), do(check.numbers, case)) for case in manifest["tiny"]]
    found += [("speed", (shape["name"], name), do(check.speed, shape, *work)) for shape in timed for name, work in SPEED.items()]
    found += [("torch", (), check.torch)]
    found += [("attention", (shape["name"],), do(check.attention, shape)) for shape in largest]
    found += [("load", (shape["name"],), do(check.load, shape)) for shape in largest]
    found += [("serving", (f"{name}, {prompt} + {output}",), serving_load.Served(check, shapes[name], prompt, output, requests).run)
              for name, prompt, output, requests in loads(quick, timed) if name in shapes]  # fmt: skip
    found += [("long", (shape["name"], name), do(check.speed, shape, *work)) for shape in timed for name, work in LONG.items()]
    found += [("transformers", (shape["name"],), do(check.transformers, shape)) for shape in native]
    return found + [("sanitizer", (tool,), do(check.sanitize, smallest, tool)) for tool in TOOLS]


def reason_not_to(check: Check, part: str) -> str:
    return f"--skip {part}" if part in check.options.skip else f"no time: {check.options.seconds} s are over" if check.over() else ""


def attempt(check: Check, part: str, run) -> dict:
    try:
        return run()
    except subprocess.TimeoutExpired as cut:
        if not check.over():
            check.fail(f"{part}: {cut}")
        return {"skipped": f"cut after {cut.timeout:.0f} s"}
    except (OSError, ValueError, KeyError, subprocess.SubprocessError) as error:
        check.fail(f"{part}: {error!r}")
        return {"skipped": f"it broke: {error!r}"}


def measure(options) -> dict:
    """All parts, one after another, as long as there is time."""
    manifest, check, before = json.loads((options.folder / "manifest.json").read_text()), Check(options), {}
    result = {"machine": machine(), "arch": manifest["arch"], "shapes": {shape["name"]: shape["config"] for shape in manifest["shapes"]}}
    if options.before:
        before = json.loads(options.before.read_text())
        there, here = (one["machine"]["gpu"].get("name") for one in (before, result))
        if there != here:
            raise SystemExit(f"{options.before} was measured on {there}, this is {here}")
        result["before"] = before["machine"]
        check.failures += before["failures"]
    for part, keys, run in items(check, manifest):
        old, reason = result_file.measured(before, part, keys), reason_not_to(check, part)
        if not old and reason and "skipped" in result.setdefault(part, {"skipped": reason}):
            continue  # the part as a whole
        result_file.put(result, part, keys, old or ({"skipped": reason} if reason else attempt(check, part, run)))
        result["failures"], result["seconds"] = check.failures, before.get("seconds", 0) + time.monotonic() - check.begin
        result_file.save(options.out, result)
    result["failures"], result["seconds"] = check.failures, before.get("seconds", 0) + time.monotonic() - check.begin
    result_file.save(options.out, result)
    shutil.rmtree(check.work, ignore_errors=True)
    return result


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--llmc-run", type=pathlib.Path, help="default: FOLDER/llmc-run")
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--before", type=pathlib.Path, help="the result of an earlier run, cut or out of time")
    parser.add_argument("--seconds", type=float, default=570)
    parser.add_argument("--skip", type=lambda text: set(text.split(",")), default=set(), metavar="PART,..")
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    if unknown := options.skip - set(PARTS):
        parser.error(f"--skip takes {', '.join(PARTS)}, found {', '.join(sorted(unknown))}")
    options.llmc_run = options.llmc_run or options.folder / "llmc-run"
    result = measure(options)
    print(result_table.table(result))
    return int(bool(result["failures"]))


if __name__ == "__main__":
    sys.exit(main())
