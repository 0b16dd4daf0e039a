"""llmc build --target cuda on a machine without a GPU: tiny models of the four families, what inspect and explain say, equal bytes, errors."""

import json
import os
import pathlib
import re
import site
import struct
import subprocess
import time
import unittest

import engine
import smollm2
import tiny_models

PIP = 'pip install "nvidia-cuda-nvrtc==13.0.*"'
FAMILIES = {  # a model of each -> its scheme
    "llama-3h1-d64-f32": "w4",
    "mistral-9h3-d96-bf16": "native",
    "qwen2-7h1-d64-bf16": "w8",
    "qwen3-3h1-d128-f32": "w16",
}
ARCHS = ("sm_80", "sm_90a", "sm_120a")  # mma.sync, wgmma, mma.sync again with another set of instructions
CUDA_ELF = 190  # e_machine
FAKE_DRIVER = engine.BIN.parent / "tests/emulator/libcuda.so.1"


def nvrtc() -> str:
    """The folder of NVRTC: what llmc would find by itself, or the one of this Python's packages; empty when there is none."""
    if os.environ.get("LLMC_NVRTC"):
        return os.environ["LLMC_NVRTC"]
    places = [pathlib.Path(place) / "nvidia/cu13/lib" for place in site.getsitepackages()]
    places.append(pathlib.Path("/usr/local/cuda/lib64"))
    return next((str(place) for place in places if (place / "libnvrtc.so.13").exists()), "")


def model_path(name: str) -> pathlib.Path:
    spec = next(s for s in tiny_models.SPECS if s.name == name)
    return tiny_models.write(spec, engine.work_dir() / "models")


def build(model: str | pathlib.Path, output: pathlib.Path, *flags, cache: str = "nvrtc-cache", **variables) -> tuple[subprocess.CompletedProcess, float]:
    """Of a tiny model, by name, or of a file; and the seconds it took."""
    environment = dict(os.environ, LLMC_NVRTC=nvrtc(), XDG_CACHE_HOME=str(engine.work_dir() / cache), **variables)
    begin = time.monotonic()
    done = subprocess.run([engine.BIN / "llmc", "build", model_path(model) if isinstance(model, str) else model, "-o", output, "--force", *flags],
                          env=environment, capture_output=True, text=True, timeout=600)
    return done, time.monotonic() - begin


@unittest.skipUnless(engine.have_binaries(), f"no llmc and llmc-run in {engine.BIN}")
class CudaErrors(unittest.TestCase):
    def test_without_nvrtc_the_error_says_how_to_get_it(self):
        output = engine.work_dir() / "no-nvrtc.bin"
        done = subprocess.run([engine.BIN / "llmc", "build", model_path("llama-3h1-d64-f32"), "-o", output, "--target", "cuda:sm_80"],
                              env=dict(os.environ, LLMC_NVRTC="/nowhere/at/all"), capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, 66, done.stderr)
        self.assertIn("CU_NVRTC_MISSING", done.stderr)
        self.assertIn(PIP, done.stderr)
        self.assertFalse(output.exists())

    def test_auto_is_the_cpu_where_no_driver_answers(self):
        output = engine.work_dir() / "auto.bin"
        done = subprocess.run([engine.BIN / "llmc", "build", model_path("llama-3h1-d64-f32"), "-o", output, "--target", "auto", "--force",
                               "--cpu-levels", "x86-64-v3", "--selftest-tokens", "0"],
                              env=dict(os.environ, LD_LIBRARY_PATH=""), capture_output=True, text=True, timeout=120)
        if done.returncode == 64:
            self.skipTest("this machine has a CUDA device: --cpu-levels is refused")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(json.loads(engine.call("llmc", "inspect", output, "--json"))["target"], {"name": "cpu"})


@unittest.skipUnless(engine.have_binaries(), f"no llmc and llmc-run in {engine.BIN}")
@unittest.skipUnless(FAKE_DRIVER.exists(), f"no {FAKE_DRIVER}")
class CudaAuto(unittest.TestCase):
    def test_what_was_found_is_said(self):
        """A driver that is too old, cannot start or has no device: the CPU, and why."""
        for emulator, found in (({"VERSION": "12040"}, "the CUDA driver is one for CUDA 12.4, the engine's code needs one for 13.0 or later"),
                                ({"DEVICES": "0"}, "the CUDA driver finds no device"),
                                ({"FAIL": "cuInit:1:803"}, "the CUDA driver cannot start: cuInit says CUDA_ERROR_SYSTEM_DRIVER_MISMATCH (803)"),
                                ({"FAIL": "cuInit:1:34"}, "libcuda.so.1 is a toolkit's stub for linking, not a driver"),
                                ({"FAIL": "cuDevicePrimaryCtxRetain:1:2"}, "the device has not enough memory: cuDevicePrimaryCtxRetain says")):
            with self.subTest(emulator=emulator):
                folder = engine.work_dir() / "auto-found"
                done = subprocess.run([engine.BIN / "llmc", "build", model_path("llama-3h1-d64-f32"), "--target", "auto", "--stop-after", "plan",
                                       "--dump-dir", folder, "--force"], capture_output=True, text=True, timeout=120,
                                      env=dict(os.environ, LD_LIBRARY_PATH=str(FAKE_DRIVER.parent), **{f"LLMC_EMULATOR_{key}": value for key, value in emulator.items()}))
                self.assertEqual(done.returncode, 0, done.stderr)
                self.assertIn("notice: --target auto builds for the CPU: " + found, done.stderr)
                self.assertNotIn('levels = ["cuda', next(folder.glob("*-plan.mlir")).read_text())

    def test_the_device_decides(self):
        """A driver that says it has a device of this compute capability: its own architecture, else one whose code it runs, else the CPU."""
        ptx = "has no cubins of its own, its driver compiles the engine's PTX when it loads it"
        for capability, wanted, notice in (("9.0", "cuda:sm_90a", ""), ("8.7", "cuda:sm_86", ""), ("12.0", "cuda:sm_120a", ""),
                                           ("12.1", "cuda:sm_120a", ptx), ("10.3", "cuda:sm_100a", ptx),
                                           ("7.5", "x86-64-v3", "--target auto builds for the CPU: ")):
            with self.subTest(capability=capability):
                folder = engine.work_dir() / f"auto-{capability}"
                done = subprocess.run([engine.BIN / "llmc", "build", model_path("llama-3h1-d64-f32"), "--target", "auto", "--stop-after", "plan",
                                       "--dump-dir", folder, "--force"], capture_output=True, text=True, timeout=120,
                                      env=dict(os.environ, LD_LIBRARY_PATH=str(FAKE_DRIVER.parent), LLMC_EMULATOR_SM=capability))
                self.assertEqual(done.returncode, 0, done.stderr)
                self.assertIn(notice, done.stderr)
                self.assertEqual("notice: " in done.stderr, bool(notice), done.stderr)
                plan = next(folder.glob("*-plan.mlir")).read_text()
                self.assertIn(f'levels = ["{wanted}"', plan)


@unittest.skipUnless(engine.have_binaries(), f"no llmc and llmc-run in {engine.BIN}")
@unittest.skipUnless(nvrtc(), f"no NVRTC: {PIP}")
class CudaBuild(unittest.TestCase):
    def built(self, name: str, *flags, archs=("sm_80",), cache: str = "nvrtc-cache", **variables) -> pathlib.Path:
        output = engine.work_dir() / f"cuda-{name}-{cache}.bin"
        target = "cuda:" + ",".join(archs)
        done, seconds = build(name, output, "--target", target, "--quant", FAMILIES[name], *flags, cache=cache, **variables)
        self.assertEqual(done.returncode, 0, done.stderr)
        print(f"     {name} for {target}: {seconds:.1f} s", re.search(r"\d+ kernels in \d+ variants", done.stderr)[0])
        return output

    def test_four_families_for_three_architectures(self):
        for name in FAMILIES:
            with self.subTest(model=name):
                output = self.built(name, "--quality", "off", archs=ARCHS)
                facts = json.loads(engine.call("llmc", "inspect", output, "--json"))
                self.assertEqual(facts["model"]["family"], name.split("-")[0])
                self.assertEqual(facts["target"], {"name": "cuda", "architectures": list(ARCHS), "ptx": "sm_120 and later", "driver": ">= 580"})
                self.assertEqual([level["name"] for level in facts["levels"]], [f"cuda:{n}" for n in ARCHS] + ["cuda:compute_120"])
                self.assertEqual(facts["model"]["activations"], "bf16")
                self.assertLess(sum(level["code_bytes"] for level in facts["levels"]), 4 << 20)
                stored = [section["bytes"] for section in facts["sections"] if section["kind"] == "code"]
                self.assertEqual([level["packed_bytes"] for level in facts["levels"]], stored)
                self.assertLess(sum(stored) * 4, sum(level["code_bytes"] for level in facts["levels"]))
                self.check_kernels(json.loads(engine.call("llmc", "explain", output, "--json"))["kernels"])
                self.check_programs(facts["memory"]["programs"])

    def test_smollm2_for_three_architectures(self):
        """The real model: its layers share their kernels, its weights are of two types, its tokenizer is a whole one."""
        output = engine.work_dir() / "cuda-smollm2.bin"
        done, seconds = build(smollm2.gguf(), output, "--target", "cuda:" + ",".join(ARCHS), "--quality", "off")
        self.assertEqual(done.returncode, 0, done.stderr)
        print(f"     SmolLM2 for {', '.join(ARCHS)}: {seconds:.1f} s", re.search(r"\d+ kernels in \d+ variants", done.stderr)[0])
        facts = json.loads(engine.call("llmc", "inspect", output, "--json"))
        self.assertEqual(facts["target"]["architectures"], list(ARCHS))
        self.assertEqual(facts["model"]["scheme"], "i4 g32 asym + i8 g32 sym")
        beside = output.stat().st_size - facts["memory"]["weights_bytes"]
        self.assertLess(beside, len(ARCHS) * 4_000_000)  # of which the tokenizer is nearly the half
        self.check_kernels(json.loads(engine.call("llmc", "explain", output, "--json"))["kernels"])

    def check_kernels(self, kernels: list):
        self.assertLess(len(kernels), 30)
        families = {kernel["family"] for kernel in kernels}
        self.assertLessEqual({"linear", "attend", "norm", "kv_write"}, families)
        for kernel in kernels:
            for variant in kernel["variants"]:
                for arch in ARCHS:
                    launch = variant["launch"][f"cuda:{arch}"]
                    self.assertIn(launch["threads"], range(32, 1025, 32))
                    self.assertGreater(launch["registers"], 0)
                    self.assertLessEqual(launch["registers"] * launch["threads"], 65536)
                    self.assertEqual(launch["local_bytes"], 0, variant["symbol"])
                    self.assertEqual(len(launch["grid"]), 3)

    def check_programs(self, programs: list):
        self.assertEqual([(p["name"], p["max_tokens"], p["max_tokens_per_sequence"]) for p in programs], [("decode", 0, 1), ("mixed", 0, 0)])
        self.assertEqual([p["bytes_per_worker"] for p in programs], [0, 0])

    def test_equal_bytes_with_and_without_the_cache(self):
        name = "qwen2-7h1-d64-bf16"
        first = self.built(name).read_bytes()
        self.assertEqual(self.built(name).read_bytes(), first)
        # NVRTC looks for a driver, too: with one there the bytes stay the same.
        self.assertEqual(self.built(name, "--jobs", "1", cache="empty-cache", LD_LIBRARY_PATH=str(FAKE_DRIVER.parent)).read_bytes(), first)

    def test_the_dump_has_every_variant(self):
        folder = engine.work_dir() / "cuda-dump"
        output = self.built("qwen2-7h1-d64-bf16", "--dump-dir", str(folder))
        kernels = json.loads(engine.call("llmc", "explain", output, "--json"))["kernels"]
        for variant in (v for kernel in kernels for v in kernel["variants"]):
            for arch in ("sm_80", "compute_80"):
                stem = folder / f"{variant['symbol']}.{arch}"
                self.assertIn("kern.func", stem.with_name(stem.name + ".mlir").read_text())
                text = stem.with_name(stem.name + ".cu").read_text()
                self.assertRegex(text, rf"^// launch {variant['symbol']}: grid \(.*\), \d+ threads, \d+ bytes of shared memory\n")
                # Every op that makes code says where in the model it comes from; the head has all layers, the ops the first.
                places = re.findall(r"^ *// (llm\.\w+)(, [\w.]+)?(.*)$", text, re.MULTILINE)
                self.assertTrue(places and all(place and not rest for _, place, rest in places), text)
                self.assertRegex(text, r"(?m)^// from \w+")
                if arch == "sm_80":
                    registers = variant["launch"]["cuda:sm_80"]["registers"]
                    self.assertIn(f"\n// {registers} registers a thread, 0 bytes of spills", text)
                self.assertRegex(stem.with_name(stem.name + ".ptx").read_text(), r"\.target sm_80\b")
            cubin = (folder / f"{variant['symbol']}.sm_80.cubin").read_bytes()
            self.assertEqual(struct.unpack_from("<4sxxxxxxxxxxxxxxH", cubin), (b"\x7fELF", CUDA_ELF))
            self.assertEqual(len(cubin), variant["bytes"]["cuda:sm_80"])


if __name__ == "__main__":
    unittest.main()
