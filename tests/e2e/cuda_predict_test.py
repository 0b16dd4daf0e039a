"""An 8B llama's shape for a Hopper, which nobody runs: what its build may cost, and what the kernels' cost model says of the steps of a usual load."""

import json
import os
import subprocess
import sys
import unittest

import cuda_engine
import engine
from cuda_build_test import PIP, nvrtc

ARCH = "sm_90a"
CODE_BYTES = 4 << 20
# Of the file, for one architecture. The target is 4,000,000; these models have no tokenizer to speak of (SmolLM2's takes 1.94 MB).
BESIDE_WEIGHTS = 1_000_000
KERNELS = 100
# Seconds: 15 and 1 on two CPUs that nobody else uses; CPU seconds of both, which others change less.
COLD_CPU_S, WARM_CPU_S = 30, 2
# Of what memory moves, by decode of one sequence; tokens a second of 256 streams.
DECODE = {"native": 0.85, "fp8": 0.70, "w4": 0.60}
SERVED = {"native": 6000, "fp8": 6000, "w4": 6000}
PREFILL = 0.70  # of products' rate, 2,048 tokens of bf16: less is a mistake for the other schemes, too
ATTENTION = 0.65  # of what memory moves, 32 sequences of 4,096


def shape() -> str:
    folder = engine.work_dir() / "llama-8b-shape"
    subprocess.run([sys.executable, engine.ROOT / "tests" / "fixtures" / "large_shape.py", folder], check=True)
    return str(folder)


def timed(*command, **environment) -> tuple[subprocess.CompletedProcess, float]:
    """What came of it and the CPU seconds that it took."""
    before = os.times()
    done = subprocess.run([str(c) for c in command], env=dict(os.environ, **environment), capture_output=True, text=True, timeout=600)
    after = os.times()
    return done, after.children_user + after.children_system - before.children_user - before.children_system


@unittest.skipUnless(nvrtc(), f"no NVRTC: {PIP}")
@unittest.skipUnless(engine.have_binaries(), f"no llmc in {engine.BIN}")
class EightBillion(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.model = shape()

    def build(self, scheme: str, name: str, *flags) -> tuple[str, float]:
        path = engine.work_dir() / f"{name}.bin"
        group = ("--group-size", 128) if scheme == "w4" else ()
        done, seconds = timed(engine.BIN / "llmc", "build", self.model, "-o", path, "--target", f"cuda:{ARCH}", "--quant", scheme, *group, "--no-weights",
                              *flags, "--force", "--quiet", LLMC_NVRTC=nvrtc(), XDG_CACHE_HOME=str(engine.work_dir() / name))
        self.assertEqual(done.returncode, 0, done.stderr)
        return str(path), seconds

    def answer(self, *flags) -> dict:
        done, _ = timed(engine.BIN / "llmc", *flags, "--json")
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout)

    def check_prediction(self, scheme: str, path: str):
        prediction, = self.answer("explain", path, "--predict")["predictions"]
        self.assertEqual((prediction["level"], prediction["device"]), (f"cuda:{ARCH}", "H100 SXM"))
        decode, prefill, attention, many = prediction["steps"]
        self.assertEqual([step["program"] for step in prediction["steps"]], ["decode", "mixed", "decode", "decode"])
        self.assertGreaterEqual(decode["memory_share"], DECODE[scheme], decode)
        self.assertGreaterEqual(attention["attention"]["memory_share"], ATTENTION, attention)
        self.assertGreaterEqual(prediction["served_tokens_per_s"], SERVED[scheme])
        self.assertGreaterEqual(prefill["product_share"], PREFILL)
        # Weights once, keys and values once; the step is its launches.
        self.assertLess(decode["bytes"], 1.02 * os.stat(path).st_size + 1024 * 131072)
        for step in (decode, prefill, attention, many):
            self.assertAlmostEqual(sum(kernel["us"] for kernel in step["kernels"]) / step["us"], 1, 6)

    def test_build_and_prediction(self):
        for scheme in DECODE:
            with self.subTest(scheme):
                path, cold = self.build(scheme, f"nvrtc-8b-{scheme}")
                print(f"8B {scheme}: {cold:.1f} CPU seconds", file=sys.stderr)
                self.assertLess(cold, COLD_CPU_S)
                self.check_prediction(scheme, path)
                self.check_size(path)
        path, warm = self.build("native", "nvrtc-8b-native")
        print(f"8B native: {warm:.1f} CPU seconds with the cache", file=sys.stderr)
        self.assertLess(warm, WARM_CPU_S)
        variants = [variant for kernel in self.answer("explain", path)["kernels"] for variant in kernel["variants"]]
        self.assertLessEqual(len(variants), KERNELS)
        self.assertLessEqual(sum(sum(variant["bytes"].values()) for variant in variants), CODE_BYTES)

    def test_the_most_code_of_all_shapes_is_small(self):
        """Q4_K_M has products of two types, and unfused ones where layers mix them: of what has been measured its code is the largest."""
        model = engine.work_dir() / "1b-q4_k_m.gguf"
        subprocess.run([sys.executable, engine.ROOT / "tests" / "fixtures" / "large_gguf.py", model, "--holes"], check=True)
        self.model, whole = str(model), self.model
        try:
            path, _ = self.build("native", "nvrtc-1b", "--kv-cache", "int8")
        finally:
            self.model = whole
        self.check_size(path)
        for level in self.answer("inspect", path)["levels"]:
            self.assertLess(level["packed_bytes"] * 5, level["code_bytes"], level)

    def check_size(self, path: str):
        """All that the file has beside weights: code, plan, why, padding. This model has no tokenizer."""
        weights = sum(s["bytes"] for s in self.answer("inspect", path)["sections"] if s["kind"] == "weights")
        more = os.stat(path).st_size - weights
        print(f"{more:,} bytes beside weights", file=sys.stderr)
        self.assertLessEqual(more, BESIDE_WEIGHTS)

    def test_refusals(self):
        path = engine.build(cuda_engine.model("llama-3h1-d64-f32"), "--cpu-levels", "host")
        for flags, text in ((("--predict",), "--predict is for kernels of CUDA devices"), (("--predict", "--kernel", "x"), "leave --kernel away")):
            done, _ = timed(engine.BIN / "llmc", "explain", path, *flags)
            self.assertEqual(done.returncode, 64, done.stderr)
            self.assertIn(text, done.stderr)


if __name__ == "__main__":
    unittest.main()
