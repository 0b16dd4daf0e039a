"""How far llmc and llama.cpp are from exact math on the same file: no speed is shown without it. Prints JSON: name -> KL, same top token, ...

Exact is the reference of tests/e2e in float32 (1e-11 nats from double on SmolLM2), one layer's weights at a time, so that an 8B shape takes
6 GiB. side_by_side.py runs this, with the engine, level and threads that it times, as a process of its own, whose threads end before the timing.
"""

import argparse
import json
import pathlib
import sys

import inputs
import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))

import compare  # noqa: E402
import kl  # noqa: E402
import peer_logits  # noqa: E402
import reference  # noqa: E402

CHUNK = 512  # tokens from an empty cache


def measure(gguf: pathlib.Path, engine_file: pathlib.Path | None, ids: list[int], threads: int) -> dict:
    """name -> what compare.Difference.summary() has. llmc is absent without an engine."""
    exact = reference.load(gguf, np.float32, streamed=True)
    sides = {"llmc": kl.engine_logits(engine_file, "--threads", threads)} if engine_file else {}
    sides["llama.cpp"] = peer_logits.PeerModel(gguf, CHUNK, threads).logits
    found = {name: compare.Difference() for name in sides}
    for first in range(0, len(ids), CHUNK):
        part = ids[first : first + CHUNK]
        base = compare.log_softmax(exact.logits(part))
        for name, logits in sides.items():
            found[name].add(base, logits(part), part)
    return {name: difference.summary() for name, difference in found.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("gguf", type=pathlib.Path)
    parser.add_argument("--engine", type=pathlib.Path, help="what llmc built from it")
    parser.add_argument("--tokens", type=int, default=512, help="of the King James Bible, at least 2 (default 512)")
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    for path in filter(None, (args.gguf, args.engine)):
        inputs.check_file(parser, path)
    if peer_logits.llama_cpp is None:
        sys.exit("tests/bench/install_peer.sh installs llama.cpp, then run this with .venv/bin/python")
    ids = kl.token_ids(args.gguf, kl.TEXT.read_text())
    if not 2 <= args.tokens <= len(ids):
        parser.error(f"--tokens {args.tokens}: 2 to {len(ids)}, which the text has for this model's tokenizer")
    print(json.dumps(measure(args.gguf, args.engine, ids[: args.tokens], args.threads)))


if __name__ == "__main__":
    main()
