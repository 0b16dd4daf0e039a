"""The parts of run.py but for serving: each runs something of its own and returns what it found."""

import json
import os
import pathlib
import select
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

import holes
import numpy as np

# As tests/e2e/cuda_run_test.py: what products round x to moves the KL by 1e-4 to 2e-4 on these models.
KL, LEAD = 6e-4, 0.1
HERE = pathlib.Path(__file__).resolve().parent
TOOLS = ("memcheck", "racecheck", "initcheck", "synccheck")
SPEED = {  # prompt tokens, output tokens, streams, repeats
    "decode, 1 stream, 1K": (1024, 65, 1, 3),
    "prefill, 2K": (2048, 1, 1, 3),
}
LONG = {
    "prefill, 8K": (8192, 1, 1, 3),
    "decode, 32 streams, 4K": (4096, 17, 32, 1),
    "decode, 8 streams, 32K": (32768, 17, 8, 1),
    "decode, 256 streams, 1K": (1000, 65, 256, 1),
}
GRACE = 20  # seconds after the end in which what runs may still end
CHUNK = 64 << 20


def log_softmax(logits: np.ndarray) -> np.ndarray:
    x = logits.astype(np.float64)
    x -= x.max(axis=-1, keepdims=True)
    return x - np.log(np.exp(x).sum(axis=-1, keepdims=True))


class Check:
    """`failures` are wrong numbers and commands that ended with a status."""

    def __init__(self, options):
        self.options, self.folder = options, options.folder
        self.work = pathlib.Path(tempfile.mkdtemp(prefix="llmc-gpu-"))
        self.begin, self.failures, self.environment = time.monotonic(), [], dict(os.environ)

    def over(self) -> bool:
        return time.monotonic() - self.begin > self.options.seconds

    def left(self) -> float:
        """Seconds that what begins now may take."""
        return max(1.0, self.begin + self.options.seconds + GRACE - time.monotonic())

    def call(self, engine, *flags, timeout=570, before=(), **environment) -> subprocess.CompletedProcess:
        command = [*before, self.options.llmc_run, engine, *flags]
        return subprocess.run([str(c) for c in command], env=dict(self.environment, **environment), capture_output=True, text=True,
                              timeout=min(timeout, self.left()), stdin=subprocess.DEVNULL)

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

    def unpacked(self, shape: dict) -> pathlib.Path:
        engine = self.work / f"{shape['name']}.bin"
        if not engine.exists():
            holes.unpack(self.folder / f"{shape['name']}.packed", engine)
        return engine

    def small(self) -> tuple:
        """Flags for a device without much memory."""
        return ("--kv-memory", "8M") if self.options.quick else ()

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
        done = subprocess.run([sys.executable, str(HERE / "kernels.py"), str(archive)], env=self.environment, capture_output=True, text=True,
                              timeout=min(300, self.left()))
        if not done.stdout.startswith("{"):
            self.fail("kernels.py", done)
            return {"skipped": "it died"}
        found = json.loads(done.stdout)
        self.failures += [f"kernel {one}" for one in found.get("failures", [])]
        return found

    def sanitize(self, case: dict, name: str) -> dict:
        tool = shutil.which("compute-sanitizer")
        if not tool:
            return {"skipped": "no compute-sanitizer"}
        done = self.call(self.folder / f"{case['name']}.bin", "--prompt-ids", "5,6,7,8,9", "--max-tokens", 3, "--max-model-len", 128,
                         "--kv-memory", "8M", before=(tool, "--tool", name, "--error-exitcode", 9), timeout=180)
        if done.returncode:
            self.fail(f"compute-sanitizer {name}", done)
        return {"found": "nothing" if done.returncode == 0 else done.stdout[-400:] + done.stderr[-400:]}

    def speed(self, shape: dict, prompt: int, output: int, streams: int, repeats: int) -> dict:
        if self.options.quick:
            prompt, output, streams, repeats = 4, min(output, 3), min(streams, 2), 1
        made = self.json(self.unpacked(shape), "--bench", "--random-weights", "--prompt-tokens", prompt, "--output-tokens", output, "--streams", streams,
                         "--repeat", repeats, "--max-model-len", prompt + output, *self.small(), **self.emulated(shape["name"]))
        if not made:
            return {"skipped": "it failed"}
        best = max(made["repeats"], key=lambda r: r["prefill_tokens_per_s"] if output == 1 else r["decode_tokens_per_s"])
        return {key: made[key] for key in ("load_ms", "copy_bandwidth_gb_per_s", "bytes_per_decode_step", "repeats")} | {"best": best}

    def load(self, shape: dict) -> dict:
        """Seconds from the start of a process to its first token, the file's pages in memory: three processes. A hole has pages, of zeros."""
        engine, seconds = self.unpacked(shape), []
        with open(engine, "rb", buffering=0) as file:
            piece = bytearray(CHUNK)
            while file.readinto(piece):
                pass
        command = [self.options.llmc_run, engine, "--prompt-ids", "5,6,7,8,9,10,11,12", "--max-tokens", 1, "--temperature", 0, "--ignore-eos", "--max-model-len", 1024,
                   "--json", *self.small()]  # fmt: skip
        for _ in range(1 if self.options.quick else 3):
            with tempfile.TemporaryFile() as errors:
                begin = time.monotonic()
                process = subprocess.Popen([str(c) for c in command], env=dict(self.environment, **self.emulated(shape["name"])), stdout=subprocess.PIPE, stderr=errors,
                                           stdin=subprocess.DEVNULL)  # fmt: skip
                try:
                    select.select([process.stdout], [], [], min(120, self.left()))
                    seconds.append(time.monotonic() - begin)
                    process.communicate(timeout=min(60, self.left()))
                finally:
                    process.kill()
                if process.wait():
                    errors.seek(0)
                    self.fail(f"load of {shape['name']}: status {process.returncode}: {errors.read().decode(errors='replace')[-400:]}")
                    return {"skipped": "it failed"}
        return {"seconds": statistics.median(seconds), "each": seconds, "bytes": engine.stat().st_size}

    def beside(self, script: str, *arguments, timeout: int, **environment) -> dict:
        """What a script prints last, in a process of its own; libraries may print before. Where it was cut or died, what it had by then."""
        command = [sys.executable, str(HERE / script), *map(str, arguments)]
        try:
            done = subprocess.run(command, env=dict(self.environment, **environment), capture_output=True, text=True, timeout=min(timeout, self.left()))
            text, reason = done.stdout, "" if done.returncode == 0 else (done.stderr.strip().splitlines() or ["no output"])[-1]
        except subprocess.TimeoutExpired as cut:
            text, reason = (cut.stdout or b"").decode(errors="replace"), f"cut after {cut.timeout:.0f} s"
        text = text[: text.rfind("\n") + 1]  # whole lines
        lines = [line for line in text.splitlines() if line.startswith("{")]
        found = json.loads(lines[-1]) if lines else {}
        return found if not reason else found | {"cut": reason} if found else {"skipped": reason}

    def attention(self, shape: dict) -> dict:
        found = self.beside("attention.py", self.folder, shape["name"], *(("--quick",) if self.options.quick else ()), timeout=120, **self.emulated(shape["name"]))
        if reason := found.get("skipped") or found.get("cut"):
            self.fail(f"attention of {shape['name']}: {reason}")
        return found

    def transformers(self, shape: dict) -> dict:
        config = self.work / "config.json"
        config.write_text(json.dumps(shape["config"]))
        quick = ("--prompt", 4, "--tokens", 3, "--prefill", "8", "--no-compile") if self.options.quick else ()
        return self.beside("transformers_side.py", config, *quick, timeout=240)

    def torch(self) -> dict:
        return self.beside("torch_side.py", *(("--quick",) if self.options.quick else ()), timeout=240)
