"""Calls llmc and llmc-run the way a user does, and keeps the engines that a test run has built."""

import atexit
import json
import os
import pathlib
import shutil
import subprocess
import tempfile

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[2]
BIN = pathlib.Path(os.environ.get("LLMC_BIN", ROOT / "build" / "bin"))
LEVELS = {  # CPU level -> /proc/cpuinfo flags that it needs
    "x86-64-v3": "avx2 fma f16c bmi2",
    "x86-64-v3-avxvnni": "avx2 fma f16c bmi2 avx_vnni",
    "x86-64-v4": "avx512f avx512bw avx512dq avx512vl",
    "x86-64-v4-vnni": "avx512f avx512bw avx512dq avx512vl avx512_vnni",
    "x86-64-v4-vnni-bf16": "avx512f avx512bw avx512dq avx512vl avx512_vnni avx512_bf16",
    "x86-64-v4-vnni-bf16-vp2intersect": "avx512f avx512bw avx512dq avx512vl avx512_vnni avx512_bf16 avx512_vp2intersect",
}
_engines: dict = {}
_work: list = []


class CommandFailed(AssertionError):
    """A command ended with another status than 0; the message holds what it printed."""


def work_dir() -> pathlib.Path:
    """A folder of this run; LLMC_E2E_DIR keeps it afterwards."""
    if not _work:
        if "LLMC_E2E_DIR" in os.environ:
            _work.append(pathlib.Path(os.environ["LLMC_E2E_DIR"]))
            _work[0].mkdir(parents=True, exist_ok=True)
        else:
            _work.append(pathlib.Path(tempfile.mkdtemp(prefix="llmc-e2e-")))
            atexit.register(shutil.rmtree, _work[0], ignore_errors=True)
    return _work[0]


def have_binaries() -> bool:
    return all((BIN / name).exists() for name in ("llmc", "llmc-run"))


def host_levels() -> list[str]:
    flags = set()
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("flags"):
            flags = set(line.split(":", 1)[1].split())
            break
    return [level for level, needs in LEVELS.items() if set(needs.split()) <= flags]


def call(name: str, *arguments, timeout: float = 600) -> str:
    """Standard output of a command that must succeed."""
    command = [str(BIN / name), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, timeout=timeout, stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        shown = " ".join(c if len(c) < 200 else c[:200] + ".." for c in command)
        raise CommandFailed(f"{shown}: status {done.returncode}\n{done.stderr.decode(errors='replace')[-2000:]}")
    return done.stdout.decode()


def build(model, *flags) -> pathlib.Path:
    """The engine of a model; --cpu-levels host unless the flags name levels. One build for equal arguments."""
    key = (str(model), *map(str, flags))
    if key not in _engines:
        path = work_dir() / f"engine-{os.getpid()}-{len(_engines)}.bin"
        levels = () if "--cpu-levels" in flags or "--target" in flags else ("--cpu-levels", "host")
        call("llmc", "build", model, "-o", path, "--quiet", "--force", *levels, *flags)
        _engines[key] = path
    return _engines[key]


def threads(flags) -> tuple:
    """LLMC_TEST_THREADS workers unless the flags say how many: beside other tests (run.py) workers that wait for one another mostly spin."""
    wanted = os.environ.get("LLMC_TEST_THREADS")
    return ("--threads", wanted) if wanted and "--threads" not in flags else ()


def run_json(engine, *flags) -> dict:
    return json.loads(call("llmc-run", engine, *flags, "--json"))


def id_list(ids) -> str:
    return ",".join(str(int(i)) for i in ids)


def logits(engine, ids, *flags) -> np.ndarray:
    """[T, V] float32 of all prompt positions."""
    path = work_dir() / f"logits-{os.getpid()}.f32"
    arguments = ("--prompt-ids", id_list(ids), "--dump-logits", path)
    call("llmc-run", engine, *arguments, *flags, *threads(flags))
    values = np.fromfile(path, "<f4")
    path.unlink()
    if values.size == 0 or values.size % len(ids):
        raise CommandFailed(f"--dump-logits wrote {values.size} values for {len(ids)} tokens")
    return values.reshape(len(ids), -1)


def generate(engine, ids, count: int, *flags) -> dict:
    """The --json object of a greedy continuation."""
    arguments = ("--prompt-ids", id_list(ids), "--max-tokens", count, "--temperature", "0", "--ignore-eos")
    return run_json(engine, *arguments, "--repetition-penalty", "1", *flags, *threads(flags))
