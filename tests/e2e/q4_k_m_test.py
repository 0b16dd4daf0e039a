"""A real Q4_K_M file, made by llama.cpp's own quantizer: divergence and greedy text beside llama.cpp on the same file."""

import functools
import pathlib
import sys
import unittest

import compare
import engine
import kl
import peer_logits
import reference
import smollm2
from smollm2_test import INT8_MOST, PEER_TIE, PROMPTS

BESIDE_OTHERS = True  # run.py

TOKENS = 256


@functools.cache
def model() -> pathlib.Path:
    """SmolLM2 with rows of 576 and 1,536: Q5_0 and Q8_0 where Q4_K and Q6_K do not fit."""
    sys.path.insert(0, str(engine.ROOT / "tests" / "bench"))
    import requantize

    path = engine.work_dir() / "SmolLM2.Q4_K_M.gguf"
    requantize.requantize(smollm2.gguf(), path, default_head=True, kind="Q4_K_M")
    return path


@unittest.skipUnless(engine.have_binaries(), f"no llmc and llmc-run in {engine.BIN}")
@unittest.skipIf(peer_logits.llama_cpp is None, "llama-cpp-python is not installed (tests/bench/install_peer.sh)")
class Q4KM(unittest.TestCase):
    def test_types_are_those_that_llama_cpp_chose(self):
        source = reference.load(model()).source
        self.assertEqual({source.kind(name) for name in source.names()}, {"F32", "Q4_K", "Q5_0", "Q6_K", "Q8_0"})

    def test_divergence_beside_llama_cpp(self):
        peer = peer_logits.PeerModel(model(), TOKENS)
        ids = peer.tokenize(kl.TEXT.read_text()[: 8 * TOKENS], add_special=True)
        contestants = {
            "int8": kl.engine_logits(engine.build(model())),
            "f32": kl.engine_logits(engine.build(model(), "--activations", "f32")),
            "llama.cpp": peer.logits,
        }
        results = kl.measure(kl.Exact(model(), smollm2.cache_dir()), contestants, ids, TOKENS, TOKENS)
        print(f"\nSmolLM2 Q4_K_M\n{kl.markdown(results)}", flush=True)
        self.assertLessEqual(results["int8"]["kl_mean"], results["llama.cpp"]["kl_mean"])
        self.assertLess(results["f32"]["kl_mean"], 1e-5)

    def test_greedy_equals_llama_cpp_up_to_a_near_tie(self):
        path, peer, exact = engine.build(model()), peer_logits.PeerModel(model(), 128), reference.load(model())
        for text in PROMPTS[:4]:
            with self.subTest(text):
                ids = peer.tokenize(text, parse_special=True)
                ours, theirs = engine.generate(path, ids, 32)["token_ids"], peer.greedy(ids, 32)
                differs = next((i for i, (a, b) in enumerate(zip(ours, theirs, strict=True)) if a != b), None)
                if differs is not None:
                    row = compare.log_softmax(exact.logits(ids + ours[:differs])[-1])
                    self.assertLess(row.max() - row[ours[differs]], INT8_MOST)
                    self.assertLess(row.max() - row[theirs[differs]], PEER_TIE)


if __name__ == "__main__":
    unittest.main()
