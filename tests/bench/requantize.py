"""Rewrites a GGUF's linears with llama.cpp's own quantizer: as Q4_0, on x86 its fast 4-bit format, or as Q4_K_M."""

import argparse
import pathlib
import sys

try:
    import llama_cpp as ll
except ModuleNotFoundError as absent:
    if __name__ != "__main__":
        raise
    sys.exit(f"{absent}: tests/bench/install_peer.sh installs llama.cpp, then run this with .venv/bin/python")

GGML_Q8_0 = 8
FTYPES = {"Q4_0": 2, "Q4_K_M": 15}


def requantize(source: pathlib.Path, target: pathlib.Path, default_head: bool = False, kind: str = "Q4_0"):
    """The head and embedding stay Q8_0 as shipped; with default_head llama.cpp chooses (Q6_K, or Q8_0 for rows that are no 256s)."""
    if target.exists():
        return
    params = ll.llama_model_quantize_default_params()
    params.ftype = FTYPES[kind]
    params.allow_requantize = True
    params.nthread = 2
    if not default_head:
        params.output_tensor_type = GGML_Q8_0
        params.token_embedding_type = GGML_Q8_0
    part = target.with_suffix(".part")
    if ll.llama_model_quantize(str(source).encode(), str(part).encode(), params) != 0:
        raise SystemExit(f"llama.cpp could not quantize {source}")
    part.rename(target)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source", type=pathlib.Path)
    parser.add_argument("target", type=pathlib.Path)
    parser.add_argument("--default-head", action="store_true")
    parser.add_argument("--type", choices=sorted(FTYPES), default="Q4_0")
    args = parser.parse_args()
    requantize(args.source, args.target, args.default_head, args.type)
