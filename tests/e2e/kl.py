"""KL divergence, same top token and perplexity of engines and of llama.cpp against exact math on the same weights.

Exact = the numpy reference in double over the dequantized tensors. The text is cut in chunks that each start from an
empty cache. Example:
  kl.py --model SmolLM2.gguf --peer --engine int8=a.bin --engine f32=b.bin
"""

import argparse
import hashlib
import json
import pathlib
import sys

import compare
import engine
import numpy as np
import peer_logits
import reference

HERE = pathlib.Path(__file__).resolve().parent
TEXT = HERE.parent / "fixtures" / "text" / "kjv.txt"


class Exact:
    """Log probabilities of the reference for each chunk, kept in a folder (float32, 4 V bytes a token) if one is given, and those of
    the first `keep` chunks in memory (8 V bytes a token).
    In float32 its products take half of the time and bend the log probabilities by 1e-5: check_single() says whether that counts."""

    def __init__(self, model: pathlib.Path, cache: pathlib.Path | None, dtype=np.float64, keep: int = 0):
        self.path, self.cache, self.dtype, self.model = model, cache, dtype, None
        self.keep, self.kept = keep, {}
        if cache:
            cache.mkdir(parents=True, exist_ok=True)
            files = [model] if model.is_file() else sorted(model.glob("*.safetensors"))
            digest = hashlib.sha256()
            for file in files:
                digest.update(file.read_bytes())
            self.key = digest.hexdigest()[:16]

    def chunk(self, ids) -> np.ndarray:
        key = tuple(ids)
        if key in self.kept:
            return self.kept[key]
        values = self._compute(ids)
        if len(self.kept) < self.keep:
            self.kept[key] = values
        return values

    def _compute(self, ids) -> np.ndarray:
        if self.cache:
            name = hashlib.sha256(np.asarray(ids, np.int32).tobytes()).hexdigest()[:16]
            file = self.cache / f"exact-{self.key}-{name}.npy"
            if file.exists():
                return np.load(file).astype(np.float64)
        if self.model is None:
            self.model = reference.load(self.path, dtype=self.dtype)
        values = compare.log_softmax(self.model.logits(ids))
        if self.cache:
            np.save(file, values.astype(np.float32))
        return values


def check_single(model: pathlib.Path, ids) -> float:
    """KL of the reference in float32 from the one in double, in nats; with the same top token everywhere, or infinite."""
    exact, single = (compare.log_softmax(reference.load(model, dtype=dtype).logits(ids)) for dtype in (np.float64, np.float32))
    same = (exact.argmax(axis=-1) == single.argmax(axis=-1)).all()
    return float(compare.kl_rows(exact, single).mean()) if same else float("inf")


def chunks_of(ids, tokens: int, chunk: int) -> list:
    """Whole chunks only; `tokens` is rounded up to whole chunks."""
    count = -(-tokens // chunk)
    if len(ids) < count * chunk:
        raise SystemExit(f"the text has {len(ids)} tokens, {count * chunk} are needed")
    return [ids[i * chunk : (i + 1) * chunk] for i in range(count)]


def measure(exact: Exact, contestants: dict, ids, tokens: int, chunk: int, progress=None) -> dict:
    """contestants: name -> function from ids to logits [T, V]. Returns name -> summary; "exact" comes first."""
    found = {name: compare.Difference() for name in ("exact", *contestants)}
    parts = chunks_of(ids, tokens, chunk)
    for i, part in enumerate(parts):
        base = exact.chunk(part)
        found["exact"].add(base, base, part)
        for name, logits in contestants.items():
            found[name].add(base, logits(part), part)
        if progress:
            print(f"chunk {i + 1} of {len(parts)}", file=progress, flush=True)
    return {name: difference.summary() for name, difference in found.items()}


def markdown(results: dict) -> str:
    lines = [
        "| | KL mean | median | p99 | same top | NLL | perplexity | to exact |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    base = results["exact"]["perplexity"]
    for name, r in results.items():
        lines.append(
            f"| {name} | {r['kl_mean']:.2e} | {r['kl_median']:.2e} | {r['kl_p99']:.2e} | {r['same_top']:.2%} "
            f"| {r['nll']:.4f} | {r['perplexity']:.4f} | {r['perplexity'] / base - 1:+.3%} |"
        )
    return "\n".join(lines)


def engine_logits(path, *flags):
    return lambda ids: engine.logits(path, ids, *flags)


def token_ids(model, text: str, tokenizer_from=None) -> list[int]:
    """By the tokenizer.json of a folder, or by llama.cpp for a GGUF."""
    source = pathlib.Path(tokenizer_from or model)
    if source.is_dir():
        import tokenizers

        return tokenizers.Tokenizer.from_file(str(source / "tokenizer.json")).encode(text).ids
    if peer_logits.llama_cpp is None:
        raise SystemExit("a GGUF's text is cut by llama.cpp: install it, or give --tokenizer-from FOLDER")
    return peer_logits.PeerModel(source, 16).tokenize(text, add_special=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True, type=pathlib.Path, help="the exact weights: folder or GGUF")
    parser.add_argument("--engine", action="append", default=[], metavar="NAME=FILE", help="engine of the same weights")
    parser.add_argument("--engine-flag", action="append", default=[], help="passed to llmc-run, as --engine-flag=--threads=2")
    parser.add_argument("--reference", action="append", default=[], choices=["f32", "kv16", "int8"],
                        help="the reference itself with that rounding: what the format alone costs")
    parser.add_argument("--peer", action="store_true", help="llama.cpp on --model (a GGUF)")
    parser.add_argument("--peer-model", action="append", default=[], metavar="NAME=FILE", help="llama.cpp on another GGUF")
    parser.add_argument("--tokenizer-from", type=pathlib.Path)
    parser.add_argument("--text", type=pathlib.Path, default=TEXT)
    parser.add_argument("--tokens", type=int, default=8192)
    parser.add_argument("--chunk", type=int, default=512)
    parser.add_argument("--cache", type=pathlib.Path, help="keeps the exact log probabilities (100 MB for 512 tokens)")
    parser.add_argument("--json", type=pathlib.Path, help="writes the summaries here")
    parser.add_argument("--threads", type=int, default=2, help="of llama.cpp")
    args = parser.parse_args()
    contestants = {}
    if args.peer:
        contestants["llama.cpp"] = peer_logits.PeerModel(args.model, args.chunk, args.threads).logits
    for name, path in (pair.split("=", 1) for pair in args.peer_model):
        contestants[name] = peer_logits.PeerModel(path, args.chunk, args.threads).logits
    modes = {"f32": {"dtype": np.float32}, "kv16": {"kv": "f16"}, "int8": {"kv": "f16", "activations": "int8"}}
    for mode in args.reference:
        contestants[f"reference {mode}"] = reference.load(args.model, **modes[mode]).logits
    for name, path in (pair.split("=", 1) for pair in args.engine):
        contestants[name] = engine_logits(path, *(part for flag in args.engine_flag for part in flag.split("=", 1)))
    ids = token_ids(args.model, args.text.read_text(), args.tokenizer_from)
    results = measure(Exact(args.model, args.cache), contestants, ids, args.tokens, args.chunk, sys.stderr)
    if args.json:
        args.json.write_text(json.dumps(results, indent=1))
    print(markdown(results))


if __name__ == "__main__":
    main()
