"""The real model: KL, same top token, perplexity and greedy text of SmolLM2 engines, against exact math and llama.cpp."""

import functools
import json
import pathlib
import unittest

import compare
import engine
import kl
import numpy as np
import peer_logits
import reference
import smollm2

BESIDE_OTHERS = True  # run.py

TOKENS, CHUNK = 8192, 512
PROMPTS = (
    "The capital of France is",
    "def fibonacci(n):\n",
    "Once upon a time there was a little",
    "Water boils at 100 degrees because",
    "<|im_start|>user\nName three planets.<|im_end|>\n<|im_start|>assistant\n",
    "1, 2, 3, 4, 5,",
    "It was the best of times, it was the worst of times, it was the age of wisdom,",
    "The following is a list of the largest cities in Japan:\n",
)
NEAR_TIE = 0.001  # nats: below it float32 may turn the order
# Int8 activations change a log probability by some hundredths, so 0.001 cannot hold for them. Over the 8,192 positions of the KL test
# 2.5% to 3% differ, nine tenths of them by less than 0.125 (Zen 5) to 0.136 nats (AVX2), the most that any kernels have shown is 0.86. Where a prompt
# first leaves the exact path is one draw of these for each way to round: of all levels and prompts together three quarters must lie below INT8_TIE.
INT8_TIE, INT8_MOST, INT8_NINE_TENTHS = 0.126, 0.86, 0.15
PEER_TIE = 0.4  # llama.cpp rounds as well: it leaves the exact path at 0.011 to 0.293 in these prompts, in the text of the KL test at 0.371 at most


@functools.cache
def tokenizer():
    import tokenizers

    return tokenizers.Tokenizer.from_file(str(smollm2.folder() / "tokenizer.json"))


@functools.cache
def text_ids() -> list[int]:
    return tokenizer().encode(kl.TEXT.read_text()).ids


# A second text: that of a licence, in which exact math is surer than in the first. From here on an f16 cache lost a margin of 0.0064.
LICENCE = pathlib.Path("/usr/share/common-licenses/GPL-3")
LICENCE_FROM, LICENCE_TOKENS = 6 * CHUNK, CHUNK


@functools.cache
def exact_model():
    return reference.load(smollm2.gguf())


@functools.cache
def exact_greedy() -> list:
    """For each prompt its ids, the exact continuation and the margins. The engine proposes and the exact forward decides, many tokens
    in one pass: what it proposes changes the time, not the result."""
    path = engine.build(smollm2.gguf(), "--activations", "f32")
    found = []
    for text in PROMPTS:
        ids = tokenizer().encode(text).ids
        found.append((ids, *exact_model().greedy(ids, 48, lambda known, n: engine.generate(path, known, n)["token_ids"])))
    return found


def report(title: str, results: dict):
    print(f"\n{title}, {results['exact']['positions']} positions\n{kl.markdown(results)}", flush=True)


def same_until_tie(test, ours: list, wanted: list, margins: list, tie: float):
    for step, (a, b, margin) in enumerate(zip(ours, wanted, margins, strict=True)):
        if a != b:
            test.assertLess(margin, tie, f"step {step}: token {a}, exact says {b}")
            return


@unittest.skipUnless(engine.have_binaries(), f"no llmc and llmc-run in {engine.BIN}")
class SmolLM2(unittest.TestCase):
    maxDiff = None

    def perplexity_close(self, results: dict, name: str, share: float):
        ratio = results[name]["perplexity"] / results["exact"]["perplexity"]
        self.assertLess(abs(ratio - 1), share)

    def test_exact_math_in_float32_is_exact_enough(self):
        """The two tests below take it: 9e-12 here, a millionth of their narrowest bound."""
        for model in (smollm2.gguf(), smollm2.folder()):
            with self.subTest(model):
                self.assertLess(kl.check_single(model, text_ids()[: CHUNK // 4]), 1e-10)

    def test_q4_1_beside_llama_cpp(self):
        """int8 activations: no worse than llama.cpp in the same run; f32 activations: exact but for float32."""
        contestants = {
            "llmc int8": kl.engine_logits(engine.build(smollm2.gguf())),
            "llmc f32": kl.engine_logits(engine.build(smollm2.gguf(), "--activations", "f32")),
        }
        if peer_logits.llama_cpp:
            contestants["llama.cpp"] = peer_logits.PeerModel(smollm2.gguf(), CHUNK).logits
        results = kl.measure(kl.Exact(smollm2.gguf(), smollm2.cache_dir(), np.float32), contestants, text_ids(), TOKENS, CHUNK)
        report("SmolLM2 Q4_1", results)
        # Measured here: 1.8e-3 and 97.0% to 97.5% at four CPU levels, llama.cpp 3.1e-3 and 96.4%; without it, what it reached elsewhere.
        bar = results.get("llama.cpp", {"kl_mean": 3.5e-3, "same_top": 0.970})
        self.assertLessEqual(results["llmc int8"]["kl_mean"], bar["kl_mean"])
        self.assertGreaterEqual(results["llmc int8"]["same_top"], bar["same_top"])
        self.assertLess(results["llmc int8"]["top_gap_nine_tenths"], INT8_NINE_TENTHS)
        self.assertLess(results["llmc int8"]["top_gap_max"], INT8_MOST)
        self.perplexity_close(results, "llmc int8", 0.005)
        self.assertLess(results["llmc f32"]["kl_mean"], 1e-5)
        self.assertGreater(results["llmc f32"]["same_top"], 0.998)
        self.assertLess(results["llmc f32"]["top_gap_max"], NEAR_TIE)
        self.perplexity_close(results, "llmc f32", 0.001)

    @unittest.skipUnless(LICENCE.exists(), f"no {LICENCE} here, as Debian has it")
    def test_f32_activations_keep_keys_and_values_in_f32(self):
        """The exact top token wherever its margin is over 0.001, and not with the f16 cache: what was wrong until it was f32."""
        ids = tokenizer().encode(LICENCE.read_text()).ids[LICENCE_FROM : LICENCE_FROM + LICENCE_TOKENS]
        contestants = {kind: kl.engine_logits(engine.build(smollm2.gguf(), "--activations", "f32", *flags))
                       for kind, flags in (("f32", ()), ("f16", ("--kv-cache", "f16", "--cpu-levels", "host")))}
        exact = kl.Exact(smollm2.gguf(), smollm2.cache_dir(), np.float32)
        results = kl.measure(exact, contestants, ids, LICENCE_TOKENS, CHUNK)
        report("SmolLM2 Q4_1, f32 activations, caches of f32 and f16", results)
        self.assertLess(results["f32"]["top_gap_max"], NEAR_TIE)
        self.assertGreater(results["f16"]["top_gap_max"], NEAR_TIE)
        self.assertLess(10 * results["f32"]["kl_mean"], results["f16"]["kl_mean"])

    def test_bf16_folder(self):
        """w16 has no more error than what bf16 inputs of most products make (5e-5); w8 stays near it; w4 is reported beside a plain bound."""
        engines = {q: kl.engine_logits(engine.build(smollm2.folder(), "--quant", q)) for q in ("w16", "w8", "w4")}
        exact = kl.Exact(smollm2.folder(), smollm2.cache_dir(), np.float32, keep=TOKENS // 4 // CHUNK)
        w16 = kl.measure(exact, {"w16": engines["w16"]}, text_ids(), TOKENS, CHUNK)
        # A quarter of the text is enough for bounds that are this wide.
        others = kl.measure(exact, {q: engines[q] for q in ("w8", "w4")}, text_ids(), TOKENS // 4, CHUNK)
        report("SmolLM2 bf16", w16)
        report("SmolLM2 bf16", others)
        self.assertLess(w16["w16"]["kl_mean"], 1e-4)
        self.assertGreaterEqual(w16["w16"]["same_top"], 0.995)
        self.perplexity_close(w16, "w16", 0.001)
        # int8 activations in both. Measured 3.2e-3 and 1.9e-3: the folder's weights came from four bits, which w4 finds again.
        self.assertLess(others["w8"]["kl_mean"], 4e-3)
        self.perplexity_close(others, "w8", 0.01)
        self.assertLess(others["w4"]["kl_mean"], 4e-3)
        self.perplexity_close(others, "w4", 0.01)

    def test_greedy_with_f32_activations_is_the_exact_text(self):
        path = engine.build(smollm2.gguf(), "--activations", "f32")
        for text, (ids, wanted, margins) in zip(PROMPTS, exact_greedy(), strict=True):
            with self.subTest(text):
                same_until_tie(self, engine.generate(path, ids, 48)["token_ids"], wanted, margins, NEAR_TIE)

    def test_greedy_with_int8_leaves_the_exact_text_only_near_ties(self):
        gaps = {}
        for level in engine.host_levels():
            path = engine.build(smollm2.gguf(), "--cpu-levels", level)
            for text, (ids, wanted, margins) in zip(PROMPTS, exact_greedy(), strict=True):
                ours = engine.generate(path, ids, 48)["token_ids"]
                gaps[level, text] = next((margin for a, b, margin in zip(ours, wanted, margins, strict=True) if a != b), 0.0)
        print("\nmargins where int8 leaves the exact text:", {key: round(gap, 3) for key, gap in gaps.items()}, flush=True)
        self.assertLess(max(gaps.values()), INT8_MOST, gaps)
        self.assertLess(sorted(gaps.values())[len(gaps) * 3 // 4], INT8_TIE, gaps)

    @unittest.skipIf(peer_logits.llama_cpp is None, "llama-cpp-python is not installed (tests/bench/install_peer.sh)")
    def test_greedy_equals_llama_cpp_up_to_a_near_tie(self):
        path, peer = engine.build(smollm2.gguf()), peer_logits.PeerModel(smollm2.gguf(), 128)
        for text, (ids, _, _) in zip(PROMPTS, exact_greedy(), strict=True):
            with self.subTest(text):
                ours, theirs = engine.generate(path, ids, 48)["token_ids"], peer.greedy(ids, 48)
                differs = next((i for i, (a, b) in enumerate(zip(ours, theirs, strict=True)) if a != b), None)
                if differs is not None:
                    row = compare.log_softmax(exact_model().logits(ids + ours[:differs])[-1])
                    self.assertLess(row.max() - row[ours[differs]], INT8_MOST)
                    self.assertLess(row.max() - row[theirs[differs]], PEER_TIE)

    def test_perplexity_command_agrees_with_the_logits(self):
        path, chunks = engine.build(smollm2.gguf()), 2
        text = tokenizer().decode(text_ids()[: CHUNK * chunks])
        ids = tokenizer().encode(text).ids
        file = engine.work_dir() / "text.txt"
        file.write_text(text)
        said = json.loads(engine.call("llmc-run", path, "--perplexity", file, "--chunk", CHUNK, "--json"))
        for i in range(chunks):
            part = ids[i * CHUNK : (i + 1) * CHUNK]
            log_p = compare.log_softmax(engine.logits(path, part))
            nll = -log_p[np.arange(len(part) - 1), part[1:]].mean()
            self.assertAlmostEqual(said["chunks"][i], nll, delta=2e-4)
        self.assertAlmostEqual(said["perplexity"], np.exp(said["nll"]), delta=1e-3 * said["perplexity"])


if __name__ == "__main__":
    unittest.main()
