"""Logits and greedy text of engines of tiny models against the reference: every family, shape, format and CPU level."""

import functools
import unittest

import compare
import engine
import numpy as np
import reference
import tiny_models
from model_writers import encode
from reference.gguf import dequantize

BESIDE_OTHERS = True  # run.py

LENGTHS = (1, 2, 7, 16, 17, 33, 64, 65, 300)
CHUNKS = ((33, 16), (65, 7), (300, 1), (300, 64), (300, 100))  # prompt length, tokens a step
CONTEXT = ("--max-model-len", "512")


@functools.cache
def model_path(name: str):
    spec = next(s for s in tiny_models.SPECS if s.name == name)
    return tiny_models.write(spec, engine.work_dir() / "models")


@functools.cache
def prompt(name: str) -> np.ndarray:
    spec = next(s for s in tiny_models.SPECS if s.name == name)
    return np.random.default_rng(11).integers(0, spec.vocab, max(LENGTHS))


class Wanted:
    """What the reference says of the longest prompt; shorter ones are its first rows.

    `rounding` is what the engine may round: "f32" nothing, so the bounds are float32 noise around exact math; "f16" the KV cache, as the base does,
    too (measured KL 1e-8, largest difference of a log probability 4e-3; against exact math 1e-6); "int8" activations, of which single
    levels flip and spread, so the base is exact math, and the bound what plain rounding of the inputs of quantized linears costs on
    the same rows (a better scheme passes too); "bf16" the same for linears with bf16 weights."""

    def __init__(self, name: str, rounding: str):
        self.model = reference.load(model_path(name), kv="f16" if rounding == "f16" else "exact")
        self.base = compare.log_softmax(self.model.logits(prompt(name)))
        self.rounding = None
        self.kl, self.largest = (1e-9, 1e-3) if rounding == "f32" else (1e-6, 0.02)
        if rounding in ("int8", "bf16"):
            rounded = reference.load(model_path(name), kv="f16", activations=rounding).logits(prompt(name))
            rounded = compare.log_softmax(rounded)
            self.rounding = compare.kl_rows(self.base, rounded)
            self.largest = 1.5 * np.abs(self.base - rounded).max()

    def bound(self, length: int) -> float:
        if self.rounding is None:
            return self.kl
        return 1.2 * self.rounding[:length].mean() + 3 * self.rounding.mean() / length**0.5

    def check(self, test, logits, length: int):
        base = self.base[:length]
        test.assertEqual(logits.shape, base.shape)
        test.assertTrue(np.isfinite(logits).all(), "not finite")
        ours = compare.log_softmax(logits)
        rows = compare.kl_rows(base, ours)
        where = f"T={length}: worst row {rows.argmax()}, KL {rows.max():.2e}, rows over {(rows > self.bound(1)).sum()}"
        test.assertLess(rows.mean(), self.bound(length), where)
        test.assertLess(np.abs(ours - base).max(), self.largest, where)


@functools.cache
def wanted(name: str, rounding: str) -> Wanted:
    return Wanted(name, rounding)


def check_greedy(test, path, name: str, rounding: str, length: int, count: int, *flags):
    """Each token that the engine chose must be the reference's best, or within the bound of it, on the engine's own
    text; the log probabilities that it reports must be the reference's."""
    want = wanted(name, rounding)
    ids = [int(i) for i in prompt(name)[:length]]
    out = engine.generate(path, ids, count, "--logprobs", "20", *CONTEXT, *flags)
    test.assertEqual(len(out["token_ids"]), count)
    test.assertEqual(out["prompt_token_ids"], ids)
    test.assertEqual(out["finish_reason"], "length")
    rows = compare.log_softmax(want.model.logits(ids + out["token_ids"][:-1]))[length - 1 :]
    for row, chosen, entry in zip(rows, out["token_ids"], out["logprobs"], strict=True):
        test.assertLess(row.max() - row[chosen], want.largest)
        test.assertEqual(entry["token_id"], chosen)
        test.assertEqual(len(entry["top"]), 20)
        for token, log_p in [(chosen, entry["logprob"]), *map(tuple, entry["top"])]:
            test.assertLess(abs(row[token] - log_p), want.largest)
        test.assertEqual(entry["top"], sorted(entry["top"], key=lambda pair: -pair[1]))


@unittest.skipUnless(engine.have_binaries(), f"no llmc and llmc-run in {engine.BIN}")
class TinyModels(unittest.TestCase):
    """Methods are added below: one for each model and activation type."""


@unittest.skipUnless(engine.have_binaries(), f"no llmc and llmc-run in {engine.BIN}")
class CpuLevels(unittest.TestCase):
    """16, 8 and 4-bit models at each level but this CPU's own, which TinyModels has: an engine that holds this level alone."""


def rounds_bf16() -> bool:
    """Whether the level that engines take here multiplies bf16; others leave inputs of float weights alone."""
    return "bf16" in engine.host_levels()[-1]


def add_model(spec, activations: str):
    quantized = spec.kind.startswith("Q")
    rounding = "f32" if activations == "f32" else "int8" if quantized else "bf16" if spec.kind == "BF16" and rounds_bf16() else "f16"

    def test(self):
        path = engine.build(model_path(spec.name), "--activations", activations)
        want = wanted(spec.name, rounding)
        for length in LENGTHS:
            with self.subTest(length=length):
                want.check(self, engine.logits(path, prompt(spec.name)[:length], *CONTEXT), length)
        for length, step in CHUNKS:
            with self.subTest(length=length, step=step):
                ids = prompt(spec.name)[:length]
                want.check(self, engine.logits(path, ids, "--max-batched-tokens", step, *CONTEXT), length)
        for threads in (1, 3):
            with self.subTest(threads=threads):
                want.check(self, engine.logits(path, prompt(spec.name)[:65], "--threads", threads, *CONTEXT), 65)
        for length, count in ((1, 40), (130, 20), (300, 40)):
            with self.subTest(greedy=length):
                check_greedy(self, path, spec.name, rounding, length, count)

    setattr(TinyModels, f"test_{spec.name}_{activations}".replace("-", "_"), test)


def add_level(name: str, level: str):
    kind = next(s for s in tiny_models.SPECS if s.name == name).kind
    rounding = "int8" if kind.startswith("Q") else "bf16" if kind == "BF16" and "bf16" in level else "f16"

    def test(self):
        if level not in engine.host_levels():
            self.skipTest(f"this CPU has no {level}")
        path = engine.build(model_path(name), "--cpu-levels", level)
        want = wanted(name, rounding)
        for length in (1, 7, 33, 300):
            with self.subTest(length=length):
                want.check(self, engine.logits(path, prompt(name)[:length], *CONTEXT), length)
        check_greedy(self, path, name, rounding, 65, 20)

    setattr(CpuLevels, f"test_{name}_{level}".replace("-", "_"), test)


for one in tiny_models.SPECS:
    for mode in ("auto", "f32") if one.kind.startswith("Q") else ("auto",):
        add_model(one, mode)
for one_level in (level for level in engine.LEVELS if level not in engine.host_levels()[-1:]):
    for model in ("llama-9h3-d64-bf16", "qwen2-14h2-d80-f16", "gguf-llama-q4_1", "gguf-llama-q4_0", "gguf-qwen2-q8_0",
                  "gguf-llama-q4_k_m", "gguf-llama-q5_0", "gguf-llama-q5_k"):
        add_level(model, one_level)


class Rounded:
    """A source whose matrices went through a plain round-to-nearest format: the bar for llmc's own scale search."""

    def __init__(self, source, kind: str):
        self.source, self.rounding, self.table = source, kind, source.table

    def kind(self, name):
        return self.rounding if len(self.source.table[name][1]) == 2 else "F32"

    def tensor(self, name, dtype):
        values = self.source.tensor(name, dtype)
        if values.ndim != 2:
            return values
        padded = np.pad(values, [(0, 0), (0, -values.shape[1] % 32)])
        raw = np.frombuffer(encode(padded, self.rounding), np.uint8)
        return dequantize(self.rounding, raw, dtype).reshape(padded.shape)[:, : values.shape[1]]


@unittest.skipUnless(engine.have_binaries(), f"no llmc and llmc-run in {engine.BIN}")
class OwnQuantization(unittest.TestCase):
    def check_quant(self, name: str, quant: str, kind: str, slack: float):
        ids = prompt(name)
        model = reference.load(model_path(name))
        exact = compare.log_softmax(model.logits(ids))
        rounded = reference.Model(model.config, Rounded(model.source, kind))
        plain = compare.kl_rows(exact, compare.log_softmax(rounded.logits(ids))).mean()
        path = engine.build(model_path(name), "--quant", quant, "--activations", "f32")
        ours = compare.kl_rows(exact, compare.log_softmax(engine.logits(path, ids, *CONTEXT))).mean()
        self.assertLess(ours, plain * slack, f"plain rounding to {kind}: {plain:.2e}")
        self.assertGreater(ours, 1e-7, "nothing was quantized")

    def test_w8(self):
        for name in ("llama-9h3-d64-bf16", "qwen2-7h1-d64-bf16", "llama-odd-bf16"):
            with self.subTest(name):
                self.check_quant(name, "w8", "Q8_0", 1.3)

    def test_w4(self):
        for name in ("llama-9h3-d64-bf16", "qwen3-9h9-d96-bf16", "llama-odd-bf16"):
            with self.subTest(name):
                self.check_quant(name, "w4", "Q4_0", 1.05)

    def test_w16_of_16_bit_weights_changes_nothing(self):
        for name in ("llama-9h3-d64-bf16", "llama-5h5-d80-f16"):
            with self.subTest(name):
                path = engine.build(model_path(name), "--quant", "w16", "--activations", "f32", "--kv-cache", "f16")
                wanted(name, "f16").check(self, engine.logits(path, prompt(name), *CONTEXT), len(prompt(name)))


if __name__ == "__main__":
    unittest.main()
