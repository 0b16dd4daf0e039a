"""tests/gpu: what it takes to a GPU is made, small, and its run checks and times on the emulator's driver; engines without weights."""

import importlib.util
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time
import unittest
import zipfile

import cuda_engine
import engine
import large_shape
from cuda_build_test import nvrtc

GPU = engine.ROOT / "tests" / "gpu"
CASES = "NormsTest.SumNormAndCastInOne:KvWriteKernelTest.PageEdges:ArgmaxKernelTest.*:QuantizeTest.TinyAndHugeRows:ProductLogitsTest.*:ProductWarpgroupTest.Epilogues"  # of each kind a few


def script(name: str, *flags, timeout: int = 600) -> subprocess.CompletedProcess:
    environment = dict(os.environ, LLMC_BIN=str(engine.BIN), LLMC_NVRTC=nvrtc(), XDG_CACHE_HOME=str(engine.work_dir() / "nvrtc-cache"),
                       LD_LIBRARY_PATH=str(cuda_engine.DRIVER.parent))
    return subprocess.run([sys.executable, str(GPU / name), *map(str, flags)], env=environment, capture_output=True, text=True, timeout=timeout)


@cuda_engine.needs_emulator
class GpuCheck(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = engine.work_dir() / "gpu-check"
        done = script("prepare.py", cls.folder, "--shapes", "tiny-native", "--dump", "--kernels", CASES)
        assert done.returncode == 0, done.stderr

    def run_script(self, folder: pathlib.Path, out: str, *flags):
        path = engine.work_dir() / out
        done = script("run.py", folder, "--out", path, "--quick", *flags)
        return done, json.loads(path.read_text())

    def cut(self) -> pathlib.Path:
        """What a run leaves that is killed once it has measured something with numbers and something of speed."""
        path = engine.work_dir() / "gpu-cut.json"
        command = [sys.executable, GPU / "run.py", self.folder, "--out", path, "--quick", "--skip", "sanitizer"]
        environment = dict(os.environ, LD_LIBRARY_PATH=str(cuda_engine.DRIVER.parent), TMPDIR=str(engine.work_dir()))
        run = subprocess.Popen([str(c) for c in command], env=environment, stdout=subprocess.DEVNULL, process_group=0)
        try:
            until = time.monotonic() + 120
            while time.monotonic() < until and not (path.exists() and "speed" in json.loads(path.read_text())):
                time.sleep(0.02)
        finally:
            os.killpg(run.pid, signal.SIGKILL)
            run.wait()
        return path

    def test_everything_in_one_command_and_what_a_cut_one_had(self):
        path = self.cut()
        cut = json.loads(path.read_text())
        self.assertEqual((len(cut["numbers"]), len(cut["speed"]["tiny-native"])), (4, 1))
        self.assertNotIn("serving", cut)
        shown = script("result_table.py", path)
        self.assertIn("| tiny-native | decode, 1 stream, 1K |", shown.stdout, shown.stderr)
        done, result = self.run_script(self.folder, "gpu-result.json", "--skip", "sanitizer", "--before", path)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertEqual(result["failures"], [])
        self.assertGreater(result["kernels"]["cases"], 10)
        self.assertEqual(len(result["numbers"]), 4)
        for one in result["numbers"].values():
            self.assertGreater(one["equal_tokens"], 0)
            self.assertIn(one["model"], done.stdout)
        # What the cut one had measured is there, as it was.
        for part in ("kernels", "numbers"):
            self.assertEqual(result[part], cut[part])
        speed, long, served = result["speed"]["tiny-native"], result["long"]["tiny-native"], result["serving"]["tiny-native, 6 + 4"]
        first = next(iter(cut["speed"]["tiny-native"]))
        self.assertEqual(speed[first], cut["speed"]["tiny-native"][first])
        self.assertEqual((len(speed), len(long)), (2, 4))
        for made in (*speed.values(), *long.values()):
            self.assertGreater(made["best"]["prefill_tokens_per_s"], 0)
            self.assertGreater(made["load_ms"], 0)
        self.assertGreater(result["load"]["tiny-native"]["seconds"], 0)
        attention = result["attention"]["tiny-native"]["decode 2 x 40"]
        self.assertEqual(attention["kv_bytes"], 2 * 2 * 40 * 2 * 32 * 2)
        self.assertGreater(attention["us"], 0)
        # Every request over HTTP has its tokens; what is not installed here says so.
        self.assertEqual((served["requests"], served["output"]), (3, 4))
        self.assertGreater(served["output_throughput"], 0)
        self.assertIn("| tiny-native, 6 + 4 | 3 |", done.stdout)
        host = served["host"]
        self.assertTrue(host["ahead"], host)
        self.assertGreater(host["host_us"], 0)
        self.assertLess(host["host_us"], host["step_us"])
        self.assertEqual(result["sanitizer"], {"skipped": "--skip sanitizer"})
        for beside in (result["torch"], result["transformers"]["tiny-native"]):
            self.assertIn("torch", beside["skipped"])

    def test_what_would_begin_too_late_is_left_out(self):
        done, result = self.run_script(self.folder, "gpu-late.json", "--seconds", 0)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        for part in ("kernels", "numbers", "speed", "torch", "attention", "load", "serving", "long", "transformers", "sanitizer"):
            self.assertEqual(result[part], {"skipped": "no time: 0.0 s are over"})

    def test_a_kernel_that_computes_something_else_is_told(self):
        path = engine.work_dir() / "gpu-kernels.zip"
        with zipfile.ZipFile(self.folder / "kernels.zip") as whole, zipfile.ZipFile(path, "w") as few:
            names = sorted(name[:-5] for name in whole.namelist() if name.endswith(".json"))
            norm, kv = next(name for name in names if "NormsTest" in name), next(name for name in names if "KvWrite" in name)
            for name in (norm, kv):
                for end in ("json", "bin", "cubin", "ptx"):
                    content = whole.read(f"{name}.{end}")
                    if end == "bin":  # results of other numbers, and of fewer: NaN is what nobody writes
                        one = json.loads(whole.read(f"{name}.json"))["written"][0]
                        content = content[:one["at"]] + (bytes(64) if name == norm else b"\xff" * 4096) + content[one["at"] + (64 if name == norm else 4096):]
                    few.writestr(f"{name}.{end}", content)
        done = script("kernels.py", path)
        self.assertEqual(done.returncode, 1, done.stderr)
        found = json.loads(done.stdout)
        self.assertEqual(found["cases"], 2)
        self.assertEqual(len(found["failures"]), 2, found)
        self.assertIn("differ", found["failures"][0])
        path.write_bytes(path.read_bytes()[:-10])
        self.assertNotEqual(script("kernels.py", path).returncode, 0)

    def test_wrong_numbers_are_told(self):
        name, folder = "llama-3h1-d64-f32", engine.work_dir() / "gpu-wrong"
        folder.mkdir(exist_ok=True)
        for file in (f"{name}.bin", f"{name}.npy", "manifest.json", "llmc-run"):
            shutil.copy(self.folder / file, folder)
        (folder / "dump").unlink(missing_ok=True)
        (folder / "dump").symlink_to(self.folder / "dump")
        manifest = json.loads((folder / "manifest.json").read_text())
        manifest["tiny"], manifest["shapes"] = [case for case in manifest["tiny"] if case["name"] == name], []  # one is enough
        (folder / "manifest.json").write_text(json.dumps(manifest))
        path = folder / f"{name}.npy"
        path.write_bytes(path.read_bytes()[:-4000] + bytes(4000))
        done, result = self.run_script(folder, "gpu-wrong.json", "--skip", "torch,sanitizer")
        self.assertEqual(done.returncode, 1)
        self.assertEqual(len(result["failures"]), 1, result["failures"])
        self.assertIn(f"{name}: a mean KL of", result["failures"][0])
        self.assertIn("FAILED", done.stdout)


class BesideTorch(unittest.TestCase):
    """The scripts that need torch, on CPU tensors and small shapes: what they call is there, and what they print can be read."""

    def beside(self, name: str, *flags) -> dict:
        done = subprocess.run([sys.executable, str(GPU / name), *map(str, flags), "--device", "cpu"], capture_output=True, text=True, timeout=300)
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout.strip().splitlines()[-1])

    @unittest.skipUnless(importlib.util.find_spec("torch"), "no torch: pip install torch")
    def test_torch(self):
        found = self.beside("torch_side.py", "--quick")
        self.assertEqual((len(found["products"]), len(found["attention"])), (6, 4))
        for one in (*found["products"].values(), *found["attention"].values()):
            self.assertTrue(all(number > 0 for name, number in one.items() if name != "by"), found)
        self.assertIn("flash_ms", found["attention"]["decode 32 x 4096"])

    @unittest.skipUnless(importlib.util.find_spec("torch") and importlib.util.find_spec("transformers"), "no transformers: pip install torch transformers")
    def test_transformers(self):
        config = engine.work_dir() / "tiny-config.json"
        config.write_text(json.dumps(large_shape.config(large_shape.SIZES["tiny"])))
        found = self.beside("transformers_side.py", config, "--prompt", 8, "--tokens", 3, "--prefill", "16,24", "--no-compile")
        self.assertGreater(found["decode"]["tokens_per_s"], 0)
        for prompt in (16, 24):
            self.assertGreater(found[f"prefill {prompt}"]["tokens_per_s"], 0)


@cuda_engine.needs_emulator
class EnginesWithoutWeights(unittest.TestCase):
    def test_a_hole_that_is_measured_with_made_up_weights(self):
        sys.path.insert(0, str(GPU))
        import holes

        name, path = "mistral-9h3-d96-bf16", engine.work_dir() / "no-weights.bin"
        dump = engine.work_dir() / "no-weights-dump"
        done = subprocess.run([engine.BIN / "llmc", "build", cuda_engine.model(name), "-o", path, "--target", "cuda:sm_90a", "--no-weights",
                               "--dump-dir", dump, "--force"], env=dict(os.environ, LLMC_NVRTC=nvrtc()), capture_output=True, text=True, timeout=600)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("weights: none", done.stderr)
        # Packed and unpacked it is the same file, and a whole engine.
        packed, again = engine.work_dir() / "no-weights.packed", engine.work_dir() / "no-weights-again.bin"
        holes.pack(path, packed)
        holes.unpack(packed, again)
        self.assertEqual(again.read_bytes(), path.read_bytes())
        self.assertEqual(cuda_engine.run(name, "--check", path=again).returncode, 0)
        bench = ("--bench", "--prompt-tokens", 4, "--output-tokens", 3, "--repeat", 1, "--max-model-len", 64, "--kv-memory", "8M", "--json")
        environment = dict(os.environ, LD_LIBRARY_PATH=str(cuda_engine.DRIVER.parent), LLMC_EMULATOR_PTX=str(dump))
        done = subprocess.run([engine.BIN / "llmc-run", again, *map(str, bench), "--random-weights"], env=environment, capture_output=True, text=True,
                              timeout=300)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertGreater(json.loads(done.stdout)["repeats"][0]["decode_tokens_per_s"], 0)

    def test_refusals(self):
        model = cuda_engine.model("llama-3h1-d64-f32")
        output = engine.work_dir() / "none.bin"
        for flags, text in ((("--no-weights",), "--no-weights is for --target cuda"),
                            (("--no-weights", "--target", "cuda:sm_80", "--quality", "on"), "--quality on does not go with --no-weights")):
            done = subprocess.run([engine.BIN / "llmc", "build", model, "-o", output, *flags], capture_output=True, text=True, timeout=60)
            self.assertEqual(done.returncode, 64, done.stderr)
            self.assertIn(text, done.stderr)
        twin = cuda_engine.twin("llama-3h1-d64-f32")
        for flags, text in ((("--bench", "--random-weights"), "goes with an engine for CUDA"), (("--prompt-ids", "1", "--random-weights"), "goes with serving or --bench")):
            done = subprocess.run([engine.BIN / "llmc-run", twin, *flags], capture_output=True, text=True, timeout=60)
            self.assertEqual(done.returncode, 64, done.stderr)
            self.assertIn(text, done.stderr)


if __name__ == "__main__":
    unittest.main()
