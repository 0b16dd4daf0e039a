"""Engines for CUDA and the environment in which llmc-run finds the emulator's libcuda.so.1 as the driver."""

import os
import pathlib
import subprocess
import unittest

import engine
import tiny_models
from cuda_build_test import PIP, nvrtc
from mock_server import EngineServer

DRIVER = engine.BIN.parent / "tests" / "emulator" / "libcuda.so.1"
SCHEMES = {  # one model of each family; together all schemes
    "llama-3h1-d64-f32": "w4",
    "mistral-9h3-d96-bf16": "native",
    "qwen2-7h1-d64-bf16": "w8",
    "qwen3-3h1-d128-f32": "w16",
}
ARCH = "sm_90a"
_built: dict = {}


def needs_emulator(test):
    """Skips a test where an engine for CUDA cannot be built or run."""
    test = unittest.skipUnless(DRIVER.exists(), f"no emulator at {DRIVER}")(test)
    test = unittest.skipUnless(nvrtc(), f"no NVRTC: {PIP}")(test)
    return unittest.skipUnless(engine.have_binaries(), f"no llmc and llmc-run in {engine.BIN}")(test)


def model(name: str) -> pathlib.Path:
    return tiny_models.write(next(s for s in tiny_models.SPECS if s.name == name), engine.work_dir() / "models")


def dump_dir(name: str) -> pathlib.Path:
    return engine.work_dir() / f"cuda-run-{name}"


def build(name: str) -> pathlib.Path:
    """The engine of a tiny model for ARCH; its PTX stays in dump_dir()."""
    if name not in _built:
        _built[name] = engine.work_dir() / f"cuda-run-{name}.bin"
        environment = dict(os.environ, LLMC_NVRTC=nvrtc(), XDG_CACHE_HOME=str(engine.work_dir() / "nvrtc-cache"))
        command = [engine.BIN / "llmc", "build", model(name), "-o", _built[name], "--target", f"cuda:{ARCH}", "--quant",
                   SCHEMES[name], "--dump-dir", dump_dir(name), "--quiet", "--force"]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600)
        if done.returncode:
            raise engine.CommandFailed(done.stderr)
    return _built[name]


def twin(name: str) -> pathlib.Path:
    """The same weights for the CPU, with f32 activations and the device's cache."""
    return engine.build(model(name), "--quant", SCHEMES[name], "--activations", "f32", "--kv-cache", "f16", "--selftest-tokens", "0")


def environment(name: str, **emulator) -> dict:
    """`emulator`: its settings, FAIL="cuInit:1:999" for LLMC_EMULATOR_FAIL."""
    settings = {f"LLMC_EMULATOR_{key}": str(value) for key, value in emulator.items()}
    return dict(os.environ, LD_LIBRARY_PATH=str(DRIVER.parent), LLMC_EMULATOR_PTX=str(dump_dir(name)), **settings)


def run(name: str, *flags, path=None, **emulator) -> subprocess.CompletedProcess:
    command = [engine.BIN / "llmc-run", path or build(name), *map(str, flags)]
    return subprocess.run(command, env=environment(name, **emulator), capture_output=True, text=True, timeout=300,
                          stdin=subprocess.DEVNULL)


class CudaServer(EngineServer):
    """`with CudaServer(model_name, "--max-num-seqs", 4) as server:`; `emulator` as for environment()."""

    def __init__(self, name: str, *flags, **emulator):
        super().__init__(build(name), *flags)
        self.env = environment(name, **emulator)
