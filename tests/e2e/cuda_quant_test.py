"""Schemes of the CUDA target beside those of the CPU: w4 in groups of 128, fp8, types of the cache, GGUF's 5-bit and K types; the emulator's logits against the CPU's."""

import json
import os
import pathlib
import subprocess
import unittest

import compare
import cuda_engine
import engine
import numpy as np
import reference
import tiny_models
from cuda_build_test import nvrtc

IDS = np.random.default_rng(12).integers(0, 500, 40)
COMMON = ("--max-model-len", 128)
ARCHS = ("sm_80", "sm_90a")  # one that has products of 8-bit floats, one that makes them of f16
# Mean KL that bf16 x adds to the same weights: as in cuda_run_test.py. Products of e4m3 differ in the order of sums alone.
BF16_KL, ORDER_KL = 6e-4, 2e-5


def quantized(model: str | pathlib.Path, label: str, *flags, archs=ARCHS):
    """The engine of a tiny model, by name or path, for ARCHS with its PTX beside it, and what the build said."""
    folder = engine.work_dir() / f"cuda-quant-{label}"
    path = engine.work_dir() / f"cuda-quant-{label}.bin"
    environment = dict(os.environ, LLMC_NVRTC=nvrtc(), XDG_CACHE_HOME=str(engine.work_dir() / "nvrtc-cache"))
    done = subprocess.run([engine.BIN / "llmc", "build", cuda_engine.model(model) if isinstance(model, str) else model, "-o", path, "--target", "cuda:" + ",".join(archs),
                           *flags, "--dump-dir", folder, "--force"], env=environment, capture_output=True, text=True, timeout=600)
    if done.returncode:
        raise engine.CommandFailed(done.stderr)
    return path, folder, done.stderr


def logits(path, folder, capability: str, *flags) -> np.ndarray:
    output = engine.work_dir() / "cuda-quant-logits.f32"
    environment = dict(os.environ, LD_LIBRARY_PATH=str(cuda_engine.DRIVER.parent), LLMC_EMULATOR_PTX=str(folder), LLMC_EMULATOR_SM=capability)
    done = subprocess.run([engine.BIN / "llmc-run", path, "--prompt-ids", engine.id_list(IDS), "--dump-logits", output, *map(str, flags),
                           *map(str, COMMON), "--threads", "1", "--kv-memory", "8M"],
                          env=environment, capture_output=True, text=True, timeout=300, stdin=subprocess.DEVNULL)
    if done.returncode:
        raise engine.CommandFailed(done.stderr)
    return np.fromfile(output, "<f4").reshape(len(IDS), -1)


def mean_kl(exact, other) -> float:
    return float(compare.kl_rows(compare.log_softmax(exact), compare.log_softmax(other)).mean())


def inspected(path) -> dict:
    return json.loads(engine.call("llmc", "inspect", path, "--json"))


def configurations(path, arch: str) -> list:
    kernels = json.loads(engine.call("llmc", "explain", path, "--json"))["kernels"]
    return [v["config"]["cuda:" + arch] for k in kernels if k["family"] == "linear" for v in k["variants"]]


@cuda_engine.needs_emulator
class WideGroups(unittest.TestCase):
    NAME, FLAGS = "llama-9h3-d64-bf16", ("--quant", "w4", "--group-size", "128")  # K of 192, 352 and 576: groups end within rows

    def test_logits_are_those_of_the_cpu(self):
        path, folder, said = quantized(self.NAME, "wide", *self.FLAGS, "--quality", "on")
        self.assertRegex(said, r"KL divergence from the unquantized model: mean \S+")
        kinds = {weight["layout"]: weight["dtype"] for weight in inspected(path)["weights"]}
        self.assertEqual(kinds["q4m16k128-asym"], "i4 g128 asym")
        twin = engine.build(cuda_engine.model(self.NAME), *self.FLAGS, "--activations", "f32", "--kv-cache", "f16", "--selftest-tokens", "0")
        for capability in ("8.0", "9.0"):
            for flags in (("--max-num-batched-tokens", 32), ("--streams", 3)):
                with self.subTest(capability=capability, flags=flags):
                    kl = mean_kl(engine.logits(twin, IDS, *COMMON, *flags), logits(path, folder, capability, *flags))
                    print(f"     w4 in groups of 128, {capability} {flags[0]}: mean KL {kl:.1e}")
                    self.assertLess(kl, BF16_KL)

    def test_the_cpu_repeats_scales(self):
        """Same numbers in more bytes: as many as with groups of 32, whose numbers are others."""
        wide, narrow = (inspected(engine.build(cuda_engine.model(self.NAME), "--quant", "w4", "--group-size", size, "--selftest-tokens", "0"))
                        for size in ("128", "32"))
        self.assertEqual(wide["memory"]["weights_bytes"], narrow["memory"]["weights_bytes"])
        self.assertGreater(wide["quality"]["kl_mean"], narrow["quality"]["kl_mean"])


@cuda_engine.needs_emulator
class BlocksOfFiles(unittest.TestCase):
    """Q5_0, Q5_1, Q4_K, Q5_K and Q6_K are multiplied as the file has them."""

    LAYOUTS = {"Q5_0": "q5m16k64", "Q5_1": "q5m16k64-asym", "Q4_K": "q4km16k128", "Q5_K": "q5km16k128", "Q6_K": "q6km16k128"}

    def test_layouts_and_logits(self):
        model = tiny_models.write(tiny_models.FIVE_TYPES, engine.work_dir() / "models")
        path, folder, _ = quantized(model, "five", archs=ARCHS[1:])
        found = {weight["stored"]: weight["layout"] for weight in inspected(path)["weights"] if weight.get("stored") in self.LAYOUTS}
        self.assertEqual(found, self.LAYOUTS)
        twin = engine.build(model, "--activations", "f32", "--kv-cache", "f16", "--selftest-tokens", "0")
        kl = mean_kl(engine.logits(twin, IDS, *COMMON), logits(path, folder, "9.0", "--max-num-batched-tokens", 8))
        print(f"     five types of GGUF: mean KL {kl:.1e}")
        self.assertLess(kl, BF16_KL)


@cuda_engine.needs_emulator
class Fp8(unittest.TestCase):
    NAME, FLAGS = "qwen2-7h1-d64-bf16", ("--quant", "fp8", "--quality", "on")

    def test_both_kinds_of_products_and_the_stored_quality(self):
        path, folder, said = quantized(self.NAME, "fp8", *self.FLAGS)
        self.assertIn("of weights and activations rounded to e4m3", said)
        facts = inspected(path)
        self.assertEqual(facts["model"]["activations"], "e4m3")
        self.assertIn("e4m3", {weight["dtype"] for weight in facts["weights"]})
        self.assertTrue(any(c.startswith("e4m3 as f16: no such products before sm_89") for c in configurations(path, "sm_80")))
        self.assertTrue(any(c.startswith("e4m3 products, ") for c in configurations(path, "sm_90a")))
        native = engine.build(cuda_engine.model(self.NAME), "--activations", "f32", "--kv-cache", "f16", "--selftest-tokens", "0")
        stored = facts["quality"]["kl_mean"]
        for flags in (("--max-num-batched-tokens", 32), ("--streams", 3)):
            with self.subTest(flags=flags):
                found = {capability: logits(path, folder, capability, *flags) for capability in ("8.0", "9.0")}
                between = mean_kl(found["8.0"], found["9.0"])
                kl = mean_kl(engine.logits(native, IDS, *COMMON, *flags), found["9.0"])
                print(f"     fp8 {flags[0]}: mean KL {kl:.1e} from f32, {stored:.1e} stored by the build, "
                      f"{between:.1e} between sm_80 and sm_90")
                self.assertLess(between, ORDER_KL)
                # 40 tokens here, 2048 of a text there.
                self.assertLess(kl, 2.5 * stored)
                self.assertGreater(kl, stored / 2.5)

    def test_bytes_are_the_same_each_time(self):
        first, _, _ = quantized(self.NAME, "fp8", *self.FLAGS)
        content = first.read_bytes()
        again, _, _ = quantized(self.NAME, "fp8-again", *self.FLAGS, "--jobs", "1")
        self.assertEqual(again.read_bytes(), content)


@cuda_engine.needs_emulator
class KvCache(unittest.TestCase):
    """What keys and values are stored as: bytes a token, and the logits of numpy's reference with a cache of that type."""

    CASES = (
        ("llama-9h3-d64-bf16", "f16"),
        ("llama-9h3-d64-bf16", "bf16"),
        ("llama-9h3-d64-bf16", "int8"),
        ("llama-9h3-d64-bf16", "fp8"),
        ("mistral-9h3-d96-bf16", "int8"),
        ("qwen2-7h1-d64-bf16", "fp8"),
        ("qwen3-3h1-d128-f32", "bf16"),
    )

    def test_bytes_and_logits(self):
        for name, kind in self.CASES:
            path, folder, said = quantized(name, f"kv-{name}-{kind}", "--kv-cache", kind, archs=ARCHS[1:])
            facts = inspected(path)
            size = 2 * facts["model"]["layers"] * facts["model"]["kv_heads"]
            size *= facts["model"]["head_dim"] * 2 if kind in ("f16", "bf16") else facts["model"]["head_dim"] + 4
            with self.subTest(model=name, kind=kind):
                self.assertEqual(facts["memory"]["kv_bytes_per_token"], size)
                self.assertEqual(facts["memory"]["kv_dtype"], kind)
                self.assertIn(f"KV cache: {size} bytes a token", said)
            exact, wanted = (reference.load(cuda_engine.model(name), kv=kv).logits(IDS) for kv in ("exact", kind))
            cost = mean_kl(exact, wanted)
            for step, program in ((32, "mixed"), (1, "decode")):
                with self.subTest(model=name, kind=kind, program=program):
                    found = logits(path, folder, "9.0", "--max-num-batched-tokens", step)
                    near, far = mean_kl(wanted, found), mean_kl(exact, found)
                    print(f"     {name}, {kind} ({size} bytes a token), {program}: mean KL {far:.1e} from exact math, {near:.1e} from "
                          f"numpy with such a cache, itself {cost:.1e} from exact math")
                    # x of bf16 flips codes, which costs about as much as they do.
                    self.assertLess(near, BF16_KL + (cost / 2 if kind == "fp8" else cost))
                    self.assertLess(far, BF16_KL + 1.5 * cost)


if __name__ == "__main__":
    unittest.main()
