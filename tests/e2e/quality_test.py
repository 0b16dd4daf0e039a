"""What a build finds out about the engine it wrote: KL from the unquantized model, golden tokens."""

import ctypes.util
import json
import os
import pathlib
import signal
import struct
import subprocess
import time
import unittest

import bad_engine_test
import compare
import engine
import hostile
import numpy as np
import tiny_models

BESIDE_OTHERS = True  # run.py

SAMPLE = engine.ROOT / "compiler" / "quality" / "Sample.txt"
HEADER, ENTRY, CHUNK, SELFTEST = 4096, 56, 4 << 20, 9
LEVEL = ("--cpu-levels", "x86-64-v3")


def model(name: str) -> pathlib.Path:
    spec = next(s for s in tiny_models.SPECS if s.name == name)
    return tiny_models.write(spec, engine.work_dir() / "models")


def inspected(path) -> dict:
    return json.loads(engine.call("llmc", "inspect", path, "--json"))


def built(test, source, *flags):
    """The engine, and what the build printed."""
    path = hostile.fresh_folder("quality") / "engine.bin"
    ended = hostile.run("llmc", "build", source, "-o", path, *LEVEL, *flags)
    test.assertEqual(ended.status, 0, ended.err)
    test.assertEqual([p.name for p in path.parent.iterdir()], [path.name], "nothing else is left")
    return path, ended.err


def with_text(content: bytes, kind: int, change) -> bytes:
    """The engine with the first section of `kind` passed through `change` (same length) and every digest made anew."""
    out, digest = bytearray(content), bad_engine_test.digest
    (count,) = struct.unpack_from("<I", out, 40)
    (first,) = struct.unpack_from("<Q", out, 48)
    entries = [HEADER + i * ENTRY for i in range(count)]
    (digests,) = struct.unpack_from("<Q", out, entries[-1] + 8)
    at = next(e for e in entries if struct.unpack_from("<I", out, e)[0] == kind)
    offset, size, padded, first_digest = struct.unpack_from("<QQQQ", out, at + 8)
    text = change(bytes(out[offset : offset + size]))
    assert len(text) == size and padded <= CHUNK
    out[offset : offset + size] = text
    mine = digests + 16 * first_digest
    out[mine : mine + 16] = digest(bytes(out[offset : offset + padded]))
    out[at + 40 : at + 56] = digest(bytes(out[mine : mine + 16]))
    all_digests = struct.unpack_from("<Q", out, entries[-1] + 16)[0]
    out[entries[-1] + 40 : entries[-1] + 56] = digest(bytes(out[digests : digests + all_digests]))
    out[56:72] = digest(bytes(out[HEADER:first]))
    out[72:88] = digest(bytes(out[:72]) + bytes(HEADER - 72))
    return bytes(out)


@unittest.skipUnless(engine.have_binaries(), f"no llmc and llmc-run in {engine.BIN}")
class Quality(unittest.TestCase):
    def figures(self, exact, other) -> dict:
        """The same chunks through llmc-run, compared by numpy."""
        ids, facts = engine.run_json(exact, "--tokenize", SAMPLE.read_text())["token_ids"], inspected(exact)["model"]
        start = [facts["bos_id"]] if facts["add_bos"] else []
        ids = ids[len(start):]  # --tokenize has put it in front of the whole text
        step = 512 - len(start)
        difference, left = compare.Difference(), 2048
        for at in range(0, len(ids), step):
            chunk = [*start, *ids[at : at + step]][:left]
            left -= len(chunk)
            if not chunk:
                break
            difference.add(compare.log_softmax(engine.logits(exact, chunk)), engine.logits(other, chunk), chunk)
        return difference.summary()

    def test_stored_figures_are_those_that_numpy_finds(self):
        for name, scheme in (("qwen3-3h1-d128-f32", "w4"), ("llama-odd-bf16", "w8")):
            with self.subTest(name):
                path, shown = built(self, model(name), "--quant", scheme)
                stored = inspected(path)["quality"]
                self.assertRegex(shown, r"KL divergence from the unquantized model: mean \S+, median \S+, p99 \S+ nats")
                self.assertEqual((stored["tokens"], stored["level"]), (2048, "x86-64-v3"))
                exact = engine.build(model(name), *LEVEL, "--activations", "f32")
                found = self.figures(exact, path)
                self.assertEqual(found["positions"], 2048)
                self.assertGreater(stored["kl_mean"], 0)
                for key, relative in (("kl_mean", 0.002), ("kl_median", 0.002), ("kl_p99", 0.05)):  # quantile() interpolates
                    np.testing.assert_allclose(stored[key], found[key], rtol=relative, err_msg=key)
                self.assertAlmostEqual(stored["same_top_token"], found["same_top"], delta=2 / 2048)
                self.assertAlmostEqual(stored["nll"], found["nll"], delta=1e-4)

    def test_only_builds_that_lose_precision_are_measured(self):
        path, shown = built(self, model("qwen3-3h1-d128-f32"))
        self.assertNotIn("KL divergence", shown)
        self.assertIsNone(inspected(path)["quality"])
        path, shown = built(self, model("gguf-llama-q4_1"))
        self.assertNotIn("KL divergence", shown)
        path, shown = built(self, model("qwen3-3h1-d128-f32"), "--quant", "w4", "--quality", "off")
        self.assertIn("quality: skipped, --quality off", shown)
        self.assertIsNone(inspected(path)["quality"])

    def test_a_machine_without_the_levels_says_so(self):
        path = hostile.fresh_folder("quality") / "engine.bin"
        ended = hostile.run("llmc", "build", model("qwen3-3h1-d128-f32"), "-o", path, *LEVEL, "--quant", "w4",
                            env={"LLMC_CPU_FEATURES": "none"})
        self.assertEqual(ended.status, 0, ended.err)
        self.assertIn("golden tokens: skipped, this machine runs none of the levels", ended.err)
        self.assertIn("quality: skipped, this machine runs none of the levels", ended.err)
        self.assertEqual(hostile.run("llmc-run", path, "--selftest").status, 66)

    def test_a_signal_removes_both_unfinished_engines(self):
        """SIGINT while the unquantized engine lies beside the output."""
        folder = hostile.fresh_folder("quality")
        command = [engine.BIN / "llmc", "build", model("llama-odd-bf16"), "-o", folder / "engine.bin", *LEVEL, "--quant", "w4"]
        with subprocess.Popen(list(map(str, command)), stderr=subprocess.DEVNULL) as child:
            end, most = time.monotonic() + 60, 0
            while most < 2 and child.poll() is None and time.monotonic() < end:
                most = max(most, len(os.listdir(folder)))
            child.send_signal(signal.SIGINT)
            self.assertEqual(child.wait(timeout=20), 130)
        self.assertEqual(most, 2, "the unquantized engine was seen")
        self.assertEqual(os.listdir(folder), [])

    def test_threads_do_not_change_the_bytes(self):
        made = []
        for jobs in ("1", "3"):
            path, _ = built(self, model("llama-odd-bf16"), "--quant", "w4", "--jobs", jobs)
            made.append(path.read_bytes())
        self.assertEqual(*made)


@unittest.skipUnless(engine.have_binaries(), f"no llmc and llmc-run in {engine.BIN}")
class GoldenTokens(unittest.TestCase):
    def test_every_level_passes(self):
        path = engine.build(model("qwen3-3h1-d128-f32"), "--cpu-levels", "all", "--quant", "w4")
        golden = inspected(path)["golden_tokens"]
        self.assertEqual(len(golden["token_ids"]), 16)
        self.assertEqual(golden["level"], "x86-64-v3")
        for level in engine.host_levels():
            ended = hostile.run("llmc-run", path, "--selftest", env={"LLMC_CPU_LEVEL": level})
            self.assertEqual(ended.status, 0, ended.err)

    def test_their_number_can_be_chosen(self):
        path, _ = built(self, model("qwen3-3h1-d128-f32"), "--selftest-tokens", "3")
        self.assertEqual(len(inspected(path)["golden_tokens"]["token_ids"]), 3)
        path, shown = built(self, model("qwen3-3h1-d128-f32"), "--selftest-tokens", "0")
        self.assertIn("golden tokens: none", shown)
        self.assertEqual(hostile.run("llmc-run", path, "--selftest").status, 66)

    @unittest.skipUnless(ctypes.util.find_library("xxhash"), "no libxxhash to sign changed engines with")
    def test_other_tokens_than_stored_fail(self):
        path, _ = built(self, model("qwen3-3h1-d128-f32"))
        content = path.read_bytes()
        self.assertEqual(with_text(content, SELFTEST, lambda text: text), content, "signing changes nothing by itself")

        def other(text):
            golden = json.loads(text)
            golden["token_ids"][7] ^= 1  # an even number and the odd one after it have as many digits
            return json.dumps(golden, separators=(",", ":")).encode()

        path.write_bytes(with_text(content, SELFTEST, other))
        engine.call("llmc-run", path, "--check")
        ended = hostile.run("llmc-run", path, "--selftest", env={"LLMC_CPU_LEVEL": "x86-64-v3"})
        hostile.check_refusal(self, ended, 70, "RT_SELFTEST", ["token 8 of 16"])
