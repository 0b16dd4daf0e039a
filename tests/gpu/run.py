"""Checks and times engines on a GPU in one run, and writes a JSON and a table. Takes what prepare.py made; needs Python and numpy there.

Usage: python3 tests/gpu/run.py FOLDER --llmc-run BINARY --out RESULT.json [--skip-sanitizer] [--skip-torch] [--quick]

0 kernels: every recorded case of the unit tests against the emulator's results (kernels.py)
1 numbers: logits and greedy tokens of the tiny models against the CPU's with the same weights, graphs against single launches
2 compute-sanitizer's four tools on the smallest model, where it is installed
3 speed of an 8B llama's shape, with weights that are made up on the device: decode, prefill, attention, many streams
4 the same machine's copy bandwidth, products and attention by torch, where it is installed
What could not run stands in the result with the reason. Exit status 1 when a number is wrong. --quick: a few tokens, to try the script.
"""

import argparse
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import holes  # noqa: E402

# As tests/e2e/cuda_run_test.py: what products round x to moves the KL by 1e-4 to 2e-4 on these models.
KL, LEAD = 6e-4, 0.1
TOOLS = ("memcheck", "racecheck", "initcheck", "synccheck")
WORKLOADS = {  # name: prompt tokens, output tokens, streams
    "decode, 1 stream, 1K": (1024, 65, 1),
    "prefill, 2K": (2048, 1, 1),
    "decode, 32 streams, 4K": (4096, 17, 32),
    "decode, 256 streams, 1K": (1000, 65, 256),
}


def log_softmax(logits: np.ndarray) -> np.ndarray:
    x = logits.astype(np.float64)
    x -= x.max(axis=-1, keepdims=True)
    return x - np.log(np.exp(x).sum(axis=-1, keepdims=True))


class Check:
    def __init__(self, options):
        self.options, self.folder = options, options.folder
        self.work = pathlib.Path(tempfile.mkdtemp(prefix="llmc-gpu-"))
        self.failures, self.environment = [], dict(os.environ)

    def call(self, engine, *flags, timeout=570, before=(), **environment) -> subprocess.CompletedProcess:
        command = [*before, self.options.llmc_run, engine, *flags]
        return subprocess.run([str(c) for c in command], env=dict(self.environment, **environment), capture_output=True, text=True,
                              timeout=timeout, stdin=subprocess.DEVNULL)

    def fail(self, what: str, done=None):
        self.failures.append(what + (f": status {done.returncode}: {done.stderr[-400:]}" if done else ""))

    def json(self, engine, *flags, **environment):
        done = self.call(engine, *flags, "--json", **environment)
        if done.returncode:
            self.fail(f"{pathlib.Path(engine).name} {' '.join(map(str, flags[:2]))}", done)
            return None
        return json.loads(done.stdout)

    def emulated(self, name: str) -> dict:
        """Where the driver is the emulator's, it finds the PTX of a cubin in the dump."""
        dump = self.folder / "dump" / name
        return {"LLMC_EMULATOR_PTX": str(dump)} if dump.exists() else {}

    def numbers(self, case: dict) -> dict:
        name, found = case["name"], {"model": case["name"], "scheme": case["scheme"]}
        engine, flags = self.folder / f"{name}.bin", ("--max-model-len", 128, "--kv-memory", "8M")
        ids, path = ",".join(map(str, case["ids"])), self.work / "logits.f32"
        done = self.call(engine, "--prompt-ids", ids, "--dump-logits", path, *flags, **self.emulated(name))
        if done.returncode:
            self.fail(f"{name}: logits", done)
            return found
        exact, other = log_softmax(np.load(self.folder / f"{name}.npy")), log_softmax(np.fromfile(path, "<f4").reshape(len(case["ids"]), -1))
        rows = (np.exp(exact) * (exact - other)).sum(axis=-1)
        found["mean_kl"], found["largest_kl"] = float(rows.mean()), float(rows.max())
        if not found["mean_kl"] < KL:
            self.fail(f"{name}: a mean KL of {found['mean_kl']:.1e}, expected below {KL:.0e}")
        greedy = ("--prompt-ids", ",".join(map(str, case["ids"][: case["prompt"]])), "--max-tokens", len(case["tokens"]), "--temperature", 0,
                  "--ignore-eos", "--repetition-penalty", 1, *flags)
        sure = next((i for i, lead in enumerate(case["leads"]) if lead < LEAD), len(case["leads"]))
        for more in ((), ("--no-graphs",)):
            answer = self.json(engine, *greedy, *more, **self.emulated(name))
            if answer and answer["token_ids"][:sure] != case["tokens"][:sure]:
                self.fail(f"{name} {' '.join(more)}: tokens {answer['token_ids'][:sure]}, expected {case['tokens'][:sure]}")
        found["equal_tokens"] = sure
        return found

    def kernels(self) -> dict:
        """Each kernel case of the unit tests; in a process of its own, whose context a fault may take along."""
        archive = self.folder / "kernels.zip"
        if not archive.exists():
            return {"skipped": "no kernels.zip in the folder"}
        script = pathlib.Path(__file__).resolve().parent / "kernels.py"
        done = subprocess.run([sys.executable, str(script), str(archive)], env=self.environment, capture_output=True, text=True, timeout=300)
        if not done.stdout.startswith("{"):
            self.fail("kernels.py", done)
            return {"skipped": "it died"}
        found = json.loads(done.stdout)
        self.failures += [f"kernel {one}" for one in found.get("failures", [])]
        return found

    def sanitize(self, case: dict) -> dict:
        tool = shutil.which("compute-sanitizer")
        if self.options.skip_sanitizer or not tool:
            return {"skipped": "--skip-sanitizer" if self.options.skip_sanitizer else "no compute-sanitizer"}
        found = {}
        for name in TOOLS:
            done = self.call(self.folder / f"{case['name']}.bin", "--prompt-ids", "5,6,7,8,9", "--max-tokens", 3, "--max-model-len", 128,
                             "--kv-memory", "8M", before=(tool, "--tool", name, "--error-exitcode", 9), timeout=180)
            found[name] = "clean" if done.returncode == 0 else done.stdout[-400:] + done.stderr[-400:]
            if done.returncode:
                self.fail(f"compute-sanitizer {name}", done)
        return found

    def speed(self, shape: dict) -> dict:
        engine = self.work / f"{shape['name']}.bin"
        holes.unpack(self.folder / f"{shape['name']}.packed", engine)
        found = {}
        for name, (prompt, output, streams) in WORKLOADS.items():
            if self.options.quick:
                prompt, output, streams = 4, 3, min(streams, 2)
            made = self.json(engine, "--bench", "--random-weights", "--prompt-tokens", prompt, "--output-tokens", output, "--streams", streams,
                             "--repeat", 1 if self.options.quick else 3, "--max-model-len", prompt + output)
            if made:
                best = max(made["repeats"], key=lambda r: r["prefill_tokens_per_s"] if output == 1 else r["decode_tokens_per_s"])
                found[name] = {"load_ms": made["load_ms"], "copy_bandwidth_gb_per_s": made["copy_bandwidth_gb_per_s"],
                               "repeats": made["repeats"], "best": best}
        engine.unlink()
        return found

    def torch(self) -> dict:
        if self.options.skip_torch:
            return {"skipped": "--skip-torch"}
        done = subprocess.run([sys.executable, str(pathlib.Path(__file__).resolve().parent / "torch_side.py")], capture_output=True, text=True, timeout=240)
        return json.loads(done.stdout) if done.returncode == 0 else {"skipped": done.stderr.strip().splitlines()[-1] if done.stderr else "no output"}


def machine() -> dict:
    query = "name,driver_version,clocks.sm,clocks.mem,power.limit,memory.total"
    try:
        done = subprocess.run(["nvidia-smi", f"--query-gpu={query}", "--format=csv,noheader"], capture_output=True, text=True, timeout=30)
        gpu = dict(zip(query.split(","), done.stdout.strip().splitlines()[0].split(", "))) if done.returncode == 0 else {}
    except OSError:
        gpu = {"skipped": "no nvidia-smi"}
    return {"date": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()), "gpu": gpu}


def table(result: dict) -> str:
    lines = [f"{result['machine']['date']}  {result['machine']['gpu']}", "", "| model | mean KL | tokens |", "| --- | --- | --- |"]
    lines += [f"| {n['model']} {n['scheme']} | {n.get('mean_kl', float('nan')):.1e} | {n.get('equal_tokens', '')} |" for n in result["numbers"]]
    lines += ["", f"kernel cases: {result['kernels'].get('cases', result['kernels'].get('skipped'))}"]
    lines += ["", "| engine | workload | ttft ms | prefill tok/s | decode tok/s | of copy bandwidth |", "| --- | --- | --- | --- | --- | --- |"]
    for name, workloads in result["speed"].items():
        for what, made in workloads.items():
            best = made["best"]
            lines.append(f"| {name} | {what} | {best['ttft_ms']:.2f} | {best['prefill_tokens_per_s']:.0f} | {best['decode_tokens_per_s']:.1f} | {best['bandwidth_share']:.0%} |")
    lines += ["", f"torch: {json.dumps(result['torch'])}", f"sanitizer: {json.dumps(result['sanitizer'])}"]
    return "\n".join(lines + [f"FAILED {one}" for one in result["failures"]] + [f"{result['seconds']:.0f} s"])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--llmc-run", type=pathlib.Path, required=True)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    for flag in ("--skip-sanitizer", "--skip-torch", "--quick"):
        parser.add_argument(flag, action="store_true")
    options = parser.parse_args()
    begin, manifest, check = time.monotonic(), json.loads((options.folder / "manifest.json").read_text()), Check(options)
    result = {"machine": machine(), "arch": manifest["arch"]}
    result["numbers"] = [check.numbers(case) for case in manifest["tiny"]]
    result["kernels"] = check.kernels()
    result["sanitizer"] = check.sanitize(manifest["tiny"][0])
    result["speed"] = {shape["name"]: check.speed(shape) for shape in manifest["shapes"]}
    result["torch"] = check.torch()
    result["failures"], result["seconds"] = check.failures, time.monotonic() - begin
    shutil.rmtree(check.work, ignore_errors=True)
    options.out.write_text(json.dumps(result, indent=1))
    print(table(result))
    return int(bool(check.failures))


if __name__ == "__main__":
    sys.exit(main())
