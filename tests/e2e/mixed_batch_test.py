"""Several sequences in one step: prompt chunks beside single tokens, on interleaved pages, must not see each other."""

import unittest

import compare
import engine
import numpy as np
import reference
import tiny_models

BESIDE_OTHERS = True  # run.py

# One of each family, storage and grouping of heads; --activations f32 leaves only float noise.
MODELS = ("llama-9h3-d64-bf16", "mistral-9h3-d96-bf16", "qwen2-14h2-d80-f16", "qwen3-5h5-d80-f16", "gguf-llama-q4_1", "gguf-qwen2-q8_0")
# As it is built without flags: rounding alone is 2.2e-3 to 3.5e-3 from exact math, rows of others would be far more.
ROUNDED = "gguf-llama-q4_1"


def pieces(length: int, count: int) -> list:
    """Where --dump-logits --streams cuts the prompt: piece i has i + 1 shares."""
    shares = count * (count + 1) // 2
    ends = [length * ((i + 1) * (i + 2) // 2) // shares for i in range(count)]
    return list(zip([0] + ends[:-1], ends))


@unittest.skipUnless(engine.have_binaries(), f"no llmc and llmc-run in {engine.BIN}")
class MixedBatches(unittest.TestCase):
    """Each sequence of a mixed run has the logits of the reference for it alone."""


def add_model(name: str, flags=("--activations", "f32", "--kv-cache", "f16"), mean=1e-6, largest=0.02):
    def test(self):
        spec = next(s for s in tiny_models.SPECS if s.name == name)
        path = tiny_models.write(spec, engine.work_dir() / "models")
        ids = np.random.default_rng(5).integers(0, spec.vocab, 190)
        model = reference.load(path, kv="f16")
        built = engine.build(path, *flags)
        for count, tokens, threads in ((3, 512, 1), (7, 64, 2), (7, 512, 3)):
            with self.subTest(sequences=count, tokens=tokens, threads=threads):
                how = ("--streams", count, "--max-batched-tokens", tokens, "--threads", threads, "--max-model-len", "256")
                together = compare.log_softmax(engine.logits(built, ids, *how))
                for begin, end in pieces(len(ids), count):
                    alone = compare.log_softmax(model.logits(ids[begin:end]))
                    self.assertLess(compare.kl_rows(alone, together[begin:end]).mean(), mean, f"rows {begin} to {end}")
                    self.assertLess(np.abs(together[begin:end] - alone).max(), largest)

    setattr(MixedBatches, f"test_{name}{'' if flags else '_rounded'}".replace("-", "_"), test)


for one in MODELS:
    add_model(one)
add_model(ROUNDED, flags=(), mean=6e-3, largest=1.0)
