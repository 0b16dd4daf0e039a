"""Narrow factors on the CPU: an int8 cache against the reference with the same rounding, bf16 activations against what they may cost."""

import unittest

import compare
import engine
import kl
import numpy as np
import reference
import smollm2
import tiny_models

BESIDE_OTHERS = True  # run.py

LENGTHS = (1, 2, 17, 65, 200)
CONTEXT = ("--max-model-len", "256")
# One of each grouping of heads; D 64, 80 and 128.
CACHE_MODELS = ("llama-9h3-d64-bf16", "qwen2-14h2-d80-f16", "qwen3-3h1-d128-f32", "gguf-llama-q4_1")


def model_path(name: str):
    spec = next(s for s in tiny_models.SPECS if s.name == name)
    return spec, tiny_models.write(spec, engine.work_dir() / "models")


@unittest.skipUnless(engine.have_binaries(), f"no llmc and llmc-run in {engine.BIN}")
class Int8Cache(unittest.TestCase):
    """--kv-cache int8 at every level of this machine, prompts whole and in pieces, and decoding."""

    def check(self, name: str, level: str):
        spec, path = model_path(name)
        ids = np.random.default_rng(3).integers(0, spec.vocab, max(LENGTHS))
        exact = compare.log_softmax(reference.load(path).logits(ids))
        same = compare.log_softmax(reference.load(path, kv="int8").logits(ids))
        cost = compare.kl_rows(exact, same).mean()
        self.assertGreater(cost, 1e-8, "the reference rounds nothing")
        built = engine.build(path, "--activations", "f32", "--kv-cache", "int8", "--cpu-levels", level)
        runs = [(length, ()) for length in LENGTHS] + [(200, ("--max-batched-tokens", step)) for step in (1, 7, 64)]
        for length, flags in runs:
            with self.subTest(length=length, flags=flags):
                ours = compare.log_softmax(engine.logits(built, ids[:length], *CONTEXT, *flags))
                # A value on the edge between two codes may fall to either side in float32: a fraction of what all codes cost.
                self.assertLess(compare.kl_rows(same[:length], ours).mean(), 0.2 * cost + 1e-7)
                self.assertLess(compare.kl_rows(exact[:length], ours).mean(), 2 * cost + 5 * cost / length**0.5)

    def test_int8_cache_halves_the_bytes(self):
        _, path = model_path("llama-9h3-d64-bf16")
        narrow, wide = (engine.run_json(engine.build(path, "--kv-cache", kind), "--bench", "--prompt-tokens", 32, "--output-tokens", 2,
                                        "--repeat", 1)["bytes_per_decode_step"] for kind in ("int8", "f16"))
        self.assertLess(narrow, wide)


def add_cache(name: str, level: str):
    def test(self):
        if level not in engine.host_levels():
            self.skipTest(f"this CPU has no {level}")
        self.check(name, level)

    setattr(Int8Cache, f"test_{name}_{level}".replace("-", "_"), test)


for one in CACHE_MODELS:
    add_cache(one, "x86-64-v3")
    add_cache(one, "x86-64-v4-vnni-bf16")


@unittest.skipUnless(engine.have_binaries(), f"no llmc and llmc-run in {engine.BIN}")
class Bf16Activations(unittest.TestCase):
    def test_real_model(self):
        """SmolLM2 in bf16, 512 tokens; measured over 8,192: bf16 7.4e-5 and 99.5%, auto 5.3e-5 and 99.7%, llama.cpp 9.9e-5 and 99.2%; f32 5e-7. Levels
        without vdpbf16ps stay f32."""
        engines = {kind: kl.engine_logits(engine.build(smollm2.folder(), "--activations", kind, "--kv-cache", "f16")) for kind in ("bf16", "auto", "f32")}
        exact = kl.Exact(smollm2.folder(), smollm2.cache_dir(), np.float32)
        import tokenizers

        ids = tokenizers.Tokenizer.from_file(str(smollm2.folder() / "tokenizer.json")).encode(kl.TEXT.read_text()).ids
        found = kl.measure(exact, engines, ids, 512, 512)
        self.assertLess(found["bf16"]["kl_mean"], 1.6e-4)  # the first 512 are harder than most: 1.07e-4
        self.assertGreater(found["bf16"]["same_top"], 0.985)
        self.assertLess(found["f32"]["kl_mean"], 2e-6)
        if "x86-64-v4-vnni-bf16" in engine.host_levels():
            self.assertGreater(found["auto"]["kl_mean"], 1e-5, "nothing was rounded")
            self.assertLess(found["auto"]["kl_mean"], found["bf16"]["kl_mean"])


if __name__ == "__main__":
    unittest.main()
