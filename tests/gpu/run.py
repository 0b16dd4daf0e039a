"""Checks and times engines on a GPU in one run, and writes a JSON and a table. Takes what prepare.py made; needs Python and numpy there.

Usage: python3 tests/gpu/run.py FOLDER --out RESULT.json [--llmc-run BINARY] [--seconds 570] [--skip PART,..] [--quick]

kernels       every recorded case of the unit tests against the emulator's results (kernels.py)
numbers       logits and greedy tokens of the tiny models against the CPU's with the same weights, graphs against single launches
speed         the shapes of an 8B and of a 1B llama with weights that are made up on the device: decode, prefill, attention, many streams
torch         copy bandwidth, products and attention of the same machine by torch, where it is installed (torch_side.py)
serving       HTTP: an engine of these shapes as a server under the load of examples/bench_serve
transformers  the same shapes by transformers, static cache and torch.compile, where it is installed (transformers_side.py)
sanitizer     compute-sanitizer's four tools on the smallest model, where it is installed
Parts run in this order; the result is written after each of them. What could not run stands in it with the reason, as do parts that would
begin after --seconds. Exit status 1 when a number is wrong. --quick: a few tokens, to try the script.
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
import time

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import holes  # noqa: E402

# As tests/e2e/cuda_run_test.py: what products round x to moves the KL by 1e-4 to 2e-4 on these models.
KL, LEAD = 6e-4, 0.1
HERE = pathlib.Path(__file__).resolve().parent
BENCH_SERVE = HERE.parents[1] / "examples" / "bench_serve" / "bench_serve.py"
READY = re.compile(r"ready on (http://127\.0\.0\.1:\d+)/")
TOOLS = ("memcheck", "racecheck", "initcheck", "synccheck")
WORKLOADS = {  # name: prompt tokens, output tokens, streams
    "decode, 1 stream, 1K": (1024, 65, 1),
    "prefill, 2K": (2048, 1, 1),
    "decode, 32 streams, 4K": (4096, 17, 32),
    "decode, 256 streams, 1K": (1000, 65, 256),
}
SERVING = {  # shape: prompt tokens, output tokens, requests, all at once
    "8b-native": (1000, 1000, 256),
    "1b-native": (500, 200, 64),
}
QUICK_SERVING = (6, 4, 3)


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
        done = subprocess.run([sys.executable, str(HERE / "kernels.py"), str(archive)], env=self.environment, capture_output=True, text=True, timeout=300)
        if not done.stdout.startswith("{"):
            self.fail("kernels.py", done)
            return {"skipped": "it died"}
        found = json.loads(done.stdout)
        self.failures += [f"kernel {one}" for one in found.get("failures", [])]
        return found

    def sanitize(self, case: dict) -> dict:
        tool = shutil.which("compute-sanitizer")
        if not tool:
            return {"skipped": "no compute-sanitizer"}
        found = {}
        for name in TOOLS:
            done = self.call(self.folder / f"{case['name']}.bin", "--prompt-ids", "5,6,7,8,9", "--max-tokens", 3, "--max-model-len", 128,
                             "--kv-memory", "8M", before=(tool, "--tool", name, "--error-exitcode", 9), timeout=180)
            found[name] = "clean" if done.returncode == 0 else done.stdout[-400:] + done.stderr[-400:]
            if done.returncode:
                self.fail(f"compute-sanitizer {name}", done)
        return found

    def unpacked(self, shape: dict) -> pathlib.Path:
        engine = self.work / f"{shape['name']}.bin"
        if not engine.exists():
            holes.unpack(self.folder / f"{shape['name']}.packed", engine)
        return engine

    def speed(self, shape: dict) -> dict:
        engine, found = self.unpacked(shape), {}
        for name, (prompt, output, streams) in WORKLOADS.items():
            if self.options.quick:
                prompt, output, streams = 4, 3, min(streams, 2)
            made = self.json(engine, "--bench", "--random-weights", "--prompt-tokens", prompt, "--output-tokens", output, "--streams", streams,
                             "--repeat", 1 if self.options.quick else 3, "--max-model-len", prompt + output, *self.small(), **self.emulated(shape["name"]))
            if made:
                best = max(made["repeats"], key=lambda r: r["prefill_tokens_per_s"] if output == 1 else r["decode_tokens_per_s"])
                found[name] = {"load_ms": made["load_ms"], "copy_bandwidth_gb_per_s": made["copy_bandwidth_gb_per_s"],
                               "repeats": made["repeats"], "best": best}
        return found

    def small(self) -> tuple:
        """Flags for a device without much memory."""
        return ("--kv-memory", "8M") if self.options.quick else ()

    def serving(self, shape: dict) -> dict:
        """The shape as a server; its load comes from a process of its own."""
        load = QUICK_SERVING if self.options.quick else SERVING.get(shape["name"])
        if not load:
            return {"skipped": "not one of the shapes that are served"}
        prompt, output, requests = load
        command = [self.options.llmc_run, self.unpacked(shape), "--random-weights", "--port", 0, "--max-model-len", prompt + output + 16, "--max-num-seqs", requests, *self.small()]
        with open(self.work / "server.log", "w+", encoding="utf-8") as log:
            server = subprocess.Popen([str(c) for c in command], env=dict(self.environment, **self.emulated(shape["name"])), stdout=log, stderr=log, stdin=subprocess.DEVNULL)
            try:
                url = self.ready(server, pathlib.Path(log.name))
                return self.served(url, shape["name"], *load) if url else {"skipped": "the server did not start"}
            finally:
                server.terminate()
                if server.wait(timeout=60) != 0:
                    self.fail(f"the server of {shape['name']} ended with status {server.returncode}")

    def ready(self, server: subprocess.Popen, log: pathlib.Path) -> str:
        until = time.monotonic() + 120
        while time.monotonic() < until and server.poll() is None:
            if found := READY.search(log.read_text(encoding="utf-8")):
                return found[1]
            time.sleep(0.05)
        self.fail(f"server: {log.read_text(encoding='utf-8')[-400:]}")
        return ""

    def served(self, url: str, name: str, prompt: int, output: int, requests: int) -> dict:
        result = self.work / "served.json"
        command = [sys.executable, BENCH_SERVE, "--base-url", url, "--num-prompts", requests, "--num-warmups", 2, "--input-len", prompt, "--output-len", output, "--result-filename", result]
        done = subprocess.run([str(c) for c in command], capture_output=True, text=True, timeout=400, stdin=subprocess.DEVNULL)
        if done.returncode or not result.exists():
            self.fail(f"the load of {name}", done)
            return {"skipped": "the load failed"}
        made = json.loads(result.read_text())
        if made["completed"] != requests:
            self.fail(f"{name}: {made['completed']} of {requests} requests were answered")
        return {"requests": requests, "prompt": prompt, "output": output} | {key: made[key] for key in ("output_throughput", "median_ttft_ms", "median_tpot_ms", "duration")}

    def beside(self, script: str, *arguments, timeout: int) -> dict:
        """What a script with torch prints last, in a process of its own; libraries may print before."""
        done = subprocess.run([sys.executable, str(HERE / script), *map(str, arguments)], capture_output=True, text=True, timeout=timeout)
        return json.loads(done.stdout.strip().splitlines()[-1]) if done.returncode == 0 else {"skipped": done.stderr.strip().splitlines()[-1] if done.stderr else "no output"}

    def transformers(self, shape: dict) -> dict:
        if shape["scheme"] != "native":
            return {"skipped": "bf16 alone is compared"}
        config = self.work / "config.json"
        config.write_text(json.dumps(shape["config"]))
        quick = ("--prompt", 4, "--tokens", 3, "--prefill", 8, "--no-compile") if self.options.quick else ()
        return self.beside("transformers_side.py", config, *quick, timeout=240)

    def torch(self) -> dict:
        return self.beside("torch_side.py", *(("--quick",) if self.options.quick else ()), timeout=240)


def machine() -> dict:
    query = "name,driver_version,clocks.sm,clocks.mem,power.limit,memory.total"
    try:
        done = subprocess.run(["nvidia-smi", f"--query-gpu={query}", "--format=csv,noheader"], capture_output=True, text=True, timeout=30)
        gpu = dict(zip(query.split(","), done.stdout.strip().splitlines()[0].split(", "))) if done.returncode == 0 else {}
    except OSError:
        gpu = {"skipped": "no nvidia-smi"}
    return {"date": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()), "gpu": gpu}


def rows(result: dict, part: str) -> dict:
    """What a part found for each shape; none where it was skipped."""
    return {name: made for name, made in result.get(part, {}).items() if isinstance(made, dict) and "skipped" not in made}


def table(result: dict) -> str:
    lines = [f"{result['machine']['date']}  {result['machine']['gpu']}", "", "| model | mean KL | tokens |", "| --- | --- | --- |"]
    lines += [f"| {n['model']} {n['scheme']} | {n.get('mean_kl', float('nan')):.1e} | {n.get('equal_tokens', '')} |" for n in rows(result, "numbers").values()]
    lines += ["", f"kernel cases: {result['kernels'].get('cases', result['kernels'].get('skipped'))}"]
    lines += ["", "| engine | workload | ttft ms | prefill tok/s | decode tok/s | of copy bandwidth |", "| --- | --- | --- | --- | --- | --- |"]
    for name, workloads in rows(result, "speed").items():
        for what, made in workloads.items():
            best = made["best"]
            lines.append(f"| {name} | {what} | {best['ttft_ms']:.2f} | {best['prefill_tokens_per_s']:.0f} | {best['decode_tokens_per_s']:.1f} | {best['bandwidth_share']:.0%} |")
    lines += ["", "| served | requests at once | prompt + output | output tok/s | median ttft ms | median tpot ms |", "| --- | --- | --- | --- | --- | --- |"]
    for name, made in rows(result, "serving").items():
        lines.append(f"| {name} | {made['requests']} | {made['prompt']} + {made['output']} | {made['output_throughput']:.0f} | {made['median_ttft_ms']:.1f} | {made['median_tpot_ms']:.2f} |")
    lines += [""] + [f"{part}: {json.dumps(result[part])}" for part in ("torch", "transformers", "sanitizer")]
    return "\n".join(lines + [f"FAILED {one}" for one in result["failures"]] + [f"{result['seconds']:.0f} s"])


def measure(options) -> dict:
    """All parts, one after another, as long as there is time."""
    begin, manifest, check = time.monotonic(), json.loads((options.folder / "manifest.json").read_text()), Check(options)
    result = {"machine": machine(), "arch": manifest["arch"]}

    def over(part: str) -> str:
        late = time.monotonic() - begin > options.seconds
        return f"--skip {part}" if part in options.skip else f"no time: {options.seconds} s are over" if late else ""

    def each(part: str, items: list, run) -> dict:
        found = {}
        for item in items:
            reason = over(part)
            found[item["name"]] = {"skipped": reason} if reason else run(item)
        return found

    shapes = manifest["shapes"]
    parts = {"kernels": check.kernels, "numbers": lambda: each("numbers", manifest["tiny"], check.numbers),
             "speed": lambda: each("speed", shapes, check.speed), "torch": check.torch,
             "serving": lambda: each("serving", shapes, check.serving), "transformers": lambda: each("transformers", shapes, check.transformers),
             "sanitizer": lambda: check.sanitize(manifest["tiny"][0])}  # fmt: skip
    assert not options.skip - set(parts), f"--skip takes {', '.join(parts)}"
    for part, run in parts.items():
        reason = over(part)
        try:
            result[part] = {"skipped": reason} if reason else run()
        except (OSError, ValueError, KeyError, subprocess.SubprocessError) as error:
            result[part] = {"skipped": f"it broke: {error!r}"}
            check.fail(f"{part}: {error!r}")
        result["failures"], result["seconds"] = check.failures, time.monotonic() - begin
        options.out.write_text(json.dumps(result, indent=1))
    shutil.rmtree(check.work, ignore_errors=True)
    return result


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--llmc-run", type=pathlib.Path, help="default: FOLDER/llmc-run")
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--seconds", type=float, default=570)
    parser.add_argument("--skip", type=lambda text: set(text.split(",")), default=set(), metavar="PART,..")
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    options.llmc_run = options.llmc_run or options.folder / "llmc-run"
    result = measure(options)
    print(table(result))
    return int(bool(result["failures"]))


if __name__ == "__main__":
    sys.exit(main())
