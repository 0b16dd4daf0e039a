"""The reference itself: against llama.cpp, against the other file format, against the definition of the window."""

import dataclasses
import math
import pathlib
import unittest

import compare
import engine
import numpy as np
import peer_logits
import reference
import tiny_models
import tiny_tokenizer
import tokenizers

BESIDE_OTHERS = True  # run.py

SAMPLE = "In the beginning God created 1234 heavens;\n\n  and thé earth's 日本 \U0001f600 was\twithout form"


def model_dir() -> pathlib.Path:
    return engine.work_dir() / "reference-models"


def random_ids(spec, count: int) -> np.ndarray:
    return np.random.default_rng(7).integers(0, spec.vocab, count)


class Fixtures(unittest.TestCase):
    def test_logits_are_not_degenerate(self):
        for spec in tiny_models.SPECS:
            with self.subTest(spec.name):
                model = reference.load(tiny_models.write(spec, model_dir()))
                log_p = compare.log_softmax(model.logits(random_ids(spec, 40)))
                entropy = -(np.exp(log_p) * log_p).sum(axis=1).mean()
                self.assertTrue(1.0 < entropy < math.log(spec.vocab) - 0.5, entropy)

    def test_tokenizer_files_load_and_round_trip(self):
        for spec in (s for s in tiny_models.FOLDERS if s.shards == 1):
            with self.subTest(spec.name):
                folder = tiny_models.write(spec, model_dir())
                tokenizer = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
                ids = tokenizer.encode(SAMPLE).ids
                self.assertEqual(tokenizer.decode(ids), SAMPLE)
                has_bos = ids[0] == tiny_tokenizer.special_id("<|endoftext|>")
                self.assertEqual(has_bos, spec.family == "llama")


class AgainstItself(unittest.TestCase):
    def test_both_formats_give_the_same_logits(self):
        """The rotary row order, rope_freqs and names of GGUF, against the folder with the same weights."""
        for spec in tiny_models.FOLDERS:
            if spec.kind != "F32" and spec.name != "llama-9h3-d64-bf16" or spec.family == "mistral":
                continue
            with self.subTest(spec.name):
                folder = dataclasses.replace(spec, kind="F32")
                ids = random_ids(spec, 70)
                a = reference.load(tiny_models.write(folder, model_dir() / "f32")).logits(ids)
                file = dataclasses.replace(folder, gguf=3)
                b = reference.load(tiny_models.write(file, model_dir() / "f32")).logits(ids)
                # rope_freqs is stored in float32, all else is the same numbers
                np.testing.assert_allclose(a, b, atol=2e-4 if spec.scaling == "llama3" else 1e-9)

    def test_steps_and_chunks_equal_one_pass(self):
        spec = next(s for s in tiny_models.FOLDERS if s.window)
        model = reference.load(tiny_models.write(spec, model_dir()))
        ids = random_ids(spec, 60)
        cache, rows = model.cache(), []
        for begin, end in ((0, 17), (17, 18), (18, 50), (50, 60)):
            rows.append(model.forward(ids[begin:end], cache))
        np.testing.assert_allclose(np.concatenate(rows), model.logits(ids), atol=1e-9)

    def test_window_hides_exactly_the_older_tokens(self):
        spec = dataclasses.replace(next(s for s in tiny_models.FOLDERS if s.window), layers=1, kind="F32")
        model = reference.load(tiny_models.write(spec, model_dir() / "window"))
        ids, window = random_ids(spec, 60), spec.window
        last = model.logits(ids)[-1]
        np.testing.assert_allclose(last, model.logits(ids[-window:])[-1], atol=1e-6)
        self.assertGreater(np.abs(last - model.logits(ids[-window + 1 :])[-1]).max(), 1e-2)

    def test_float32_is_close_to_double(self):
        spec = tiny_models.FOLDERS[0]
        path, ids = tiny_models.write(spec, model_dir()), random_ids(spec, 64)
        double, single = reference.load(path).logits(ids), reference.load(path, np.float32).logits(ids)
        np.testing.assert_allclose(single, double, atol=1e-3)


@unittest.skipIf(peer_logits.llama_cpp is None, "llama-cpp-python is not installed (tests/bench/install_peer.sh)")
class AgainstPeer(unittest.TestCase):
    # mean KL allowed: it stores KV as f16, rounds activations to the type of 16-bit weights, to int8 for quantized ones
    BOUND = {"F32": 5e-6, "F16": 1e-5, "BF16": 2e-3, "Q8_0": 8e-3, "Q4_0": 8e-3, "Q4_1": 8e-3}
    BOUND |= dict.fromkeys(("Q5_0", "Q5_1", "Q4_K", "Q5_K", "Q6_K"), 8e-3) | {"Q4_K_M": 1e-2}  # of this file llama.cpp's is 8.2e-3

    def test_logits_equal_llama_cpp(self):
        for spec in tiny_models.GGUFS:
            with self.subTest(spec.name):
                path, ids = tiny_models.write(spec, model_dir()), random_ids(spec, 100)
                exact = compare.log_softmax(reference.load(path).logits(ids))
                other = compare.log_softmax(peer_logits.PeerModel(path).logits(ids))
                self.assertLess(compare.kl_rows(exact, other).mean(), self.BOUND[spec.kind])

    def test_token_ids_equal_llama_cpp(self):
        for family in ("llama", "qwen2"):
            with self.subTest(family):
                file = next(s for s in tiny_models.GGUFS if s.family == family)
                folder = next(s for s in tiny_models.FOLDERS if s.family == family)
                peer = peer_logits.PeerModel(tiny_models.write(file, model_dir()))
                path = tiny_models.write(folder, model_dir()) / "tokenizer.json"
                ids = tokenizers.Tokenizer.from_file(str(path)).encode(SAMPLE, add_special_tokens=False).ids
                self.assertEqual(peer.tokenize(SAMPLE), ids)


if __name__ == "__main__":
    unittest.main()
