"""Runs a command that has to refuse its input, and checks how it does: status, code, names, clean stdout, nothing left."""

import dataclasses
import json
import os
import pathlib
import re
import resource
import shutil
import struct
import subprocess
import time

import engine
import tiny_models

MODEL = "qwen3-3h1-d128-f32"
GGUF = "gguf-llama-q4_0"
OLD = b"what was there before"


@dataclasses.dataclass
class Ended:
    status: int  # negative: a signal
    out: bytes
    err: str
    cpu: float  # seconds of user and system time
    wall: float


def run(name, *arguments, seconds: float = 60, env=None, limit=None, cwd=None, **streams) -> Ended:
    """limit: (resource, value) put on the child. streams: stdin, stdout of subprocess.run."""
    streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | streams
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    done = subprocess.run([str(engine.BIN / name), *map(os.fsencode, map(_plain, arguments))], timeout=seconds,
                          env=None if env is None else os.environ | env, cwd=cwd,
                          preexec_fn=limit and (lambda: resource.setrlimit(limit[0], (limit[1], limit[1]))), **streams)
    wall, after = time.monotonic() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Ended(done.returncode, done.stdout or b"", (done.stderr or b"").decode(errors="replace"), cpu, wall)


def _plain(argument):
    return argument if isinstance(argument, (str, bytes, os.PathLike)) else str(argument)


def check_refusal(test, ended: Ended, status: int, code: str, names=(), cpu: float = 2.0):
    """One line error[CODE] that holds all of `names`, that status, nothing on stdout."""
    told = f"status {ended.status}, stderr:\n{ended.err[-1500:]}"
    test.assertGreaterEqual(ended.status, 0, f"ended by signal {-ended.status}; {told}")
    errors = re.findall(r"^error\[(\w+)\] (.*)$", ended.err, re.M)
    test.assertEqual([code], [found for found, _ in errors], told)
    test.assertEqual(ended.status, status, told)
    for name in names:
        test.assertIn(name, errors[0][1], told)
    test.assertLess(len(errors[0][1]), 1200, "a message is one readable line")
    test.assertTrue(ended.err.isprintable() or set(c for c in ended.err if not c.isprintable()) <= {"\n"}, told)
    test.assertEqual(ended.out, b"", "stdout of a refusal")
    test.assertLessEqual(ended.cpu, cpu, "CPU seconds of a refusal")


def refuse_build(test, model, status: int, code: str, names=(), flags=(), cpu: float = 2.0):
    """A build over an old file: refused, and the old file is the only one there."""
    folder = fresh_folder("out")
    output = folder / "engine.bin"
    output.write_bytes(OLD)
    flags = ("--force", "--quiet", "--cpu-levels", "x86-64-v3", *flags)
    ended = run("llmc", "build", model, "-o", output, *flags)
    check_refusal(test, ended, status, code, names, cpu)
    if code[:3] in ("ST_", "GG_", "CF_", "TK_"):
        test.assertRegex(ended.err, r"^error\[\w+\] \S+: byte \d+: ", "file and place in it")
        test.assertTrue(os.path.isfile(re.match(r"error\[\w+\] (\S+): byte", ended.err)[1]), "a path that can be opened: " + ended.err)
    test.assertEqual([p.name for p in folder.iterdir()], ["engine.bin"], "left behind")
    test.assertEqual(output.read_bytes(), OLD, "the old output")


def refuse_run(test, path, *flags, status: int, code: str, names=(), cpu: float = 2.0, **how):
    check_refusal(test, run("llmc-run", path, *flags, **how), status, code, names, cpu)


def fresh_folder(name: str) -> pathlib.Path:
    folder = engine.work_dir() / f"{name}-{os.getpid()}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def spec(name: str = MODEL):
    return next(s for s in tiny_models.SPECS if s.name == name)


def model_path(name: str = MODEL) -> pathlib.Path:
    """Written once a run."""
    made = engine.work_dir() / "models" / (f"{name}.gguf" if spec(name).gguf else name)
    return made if made.exists() else tiny_models.write(spec(name), engine.work_dir() / "models")


def model_copy(name: str = MODEL) -> pathlib.Path:
    """A copy of a folder that a test may break."""
    folder = fresh_folder("broken")
    shutil.copytree(model_path(name), folder, dirs_exist_ok=True)
    return folder


def edit_json(path: pathlib.Path, change):
    """change: a dict of new values, where None removes, or a function on the object."""
    content = json.loads(path.read_text())
    if callable(change):
        content = change(content) or content
    else:
        content = {k: v for k, v in (content | change).items() if v is not None}
    path.write_text(json.dumps(content))


def read_safetensors(path: pathlib.Path) -> tuple[dict, bytes]:
    raw = path.read_bytes()
    size = struct.unpack("<Q", raw[:8])[0]
    return json.loads(raw[8 : 8 + size]), raw[8 + size :]


def write_safetensors(path: pathlib.Path, header, data: bytes):
    """header: a dict, or the bytes that stand for one."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def each(*cases):
    """Class decorator: one test method for each (name, arguments...), which calls check(self, arguments...)."""

    def install(cls):
        for name, *arguments in cases:
            method = "test_" + re.sub(r"\W+", "_", name)
            assert not hasattr(cls, method), f"two cases are called {method}"
            setattr(cls, method, lambda self, arguments=arguments: self.check(*arguments))
        return cls

    return install
