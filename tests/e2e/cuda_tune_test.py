"""llmc tune on a CUDA engine: configurations compiled, run on the emulator's device and written as a database that a build takes; what is missing is told."""

import json
import os
import re
import subprocess
import unittest

import cuda_build_test
import cuda_engine
import engine
import tune_test


@cuda_engine.needs_emulator
class TuneDevice(unittest.TestCase):
    """On the emulator: its times say how long a CPU took, so that what is chosen means nothing, and that it runs everything."""

    NAME = "llama-3h1-d64-f32"

    def tune(self, *flags, path=None, folder="tuned", **emulator) -> subprocess.CompletedProcess:
        dump = engine.work_dir() / folder
        environment = dict(cuda_engine.environment(self.NAME, **emulator), LLMC_EMULATOR_PTX=str(dump),
                           XDG_CACHE_HOME=str(engine.work_dir() / "nvrtc-cache"))
        environment.setdefault("LLMC_NVRTC", cuda_build_test.nvrtc())
        command = [engine.BIN / "llmc", "tune", path or cuda_engine.build(self.NAME), "-o", "-", "--sample-ms", "1", "--dump-dir", dump,
                   *map(str, flags)]
        return subprocess.run(command, env=environment, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=300)

    def keys(self, name: str) -> list[str]:
        explained = json.loads(engine.call("llmc", "explain", cuda_engine.build(self.NAME), "--json"))
        return sorted({kernel[name] for kernel in explained["kernels"] if name in kernel})

    def products(self) -> list[str]:
        return self.keys("product")

    def test_attention_of_both_programs(self):
        """Parts of a decoded token's context and tiles of a prompt: every candidate gives what the model's choice gives."""
        self.assertEqual(self.keys("attention"), ["3x1x64,f16,0", "3x1x64,f16,16"])
        done = self.tune("--candidates", 4, "--only", "attend", "--sequences", 2, "--context", 70, folder="tuned-attention", MEMORY=64 << 20)
        self.assertEqual(done.returncode, 0, done.stderr)
        lines = sorted(done.stdout.splitlines()[2:], key=lambda line: re.search(r"attend (\S+)", line).group(1))
        for line, key, numbers, work in zip(lines, self.keys("attention"), (r"row_warps=\d.* warps=\d stages=\d blocks=\d", r"parts=\d+ warps=\d stages=\d blocks=\d"),
                                            ("a prompt of 70 tokens, 2 sequences of 70", "1 and 2 sequences of 70")):
            self.assertRegex(line, rf"^(# )?cuda sm_90a attend {key} 0( {numbers} #|:).* us.*, 4 tried with {work}$")
        self.assertEqual(len(lines), 2)

    def test_measures_and_builds_with_it(self):
        keys = self.products()
        done = self.tune("--candidates", 2, "--only", keys[0], MEMORY=64 << 20)
        self.assertEqual(done.returncode, 0, done.stderr)
        lines = done.stdout.splitlines()
        self.assertRegex(lines[0], r"^# llmc \S+ tune on .*, \d+ multiprocessors, driver for CUDA 1\d\.\d, NVRTC 13\.\d")
        self.assertEqual(lines[1], "llmc-tuning 1")
        found = [re.match(r"^(?:# )?cuda sm_90a linear (\S+) (\d+)(?::| \w+=\d+)", line).groups() for line in lines[2:]]
        self.assertEqual(found, [(keys[0], m) for m in ("8", "16", "32", "64", "0")])
        self.assertTrue(all(re.search(r"\d+\.\d us.*, 2 tried", line) for line in lines[2:]), lines)
        self.assertEqual(len(list((engine.work_dir() / "tuned").glob("*.cubin"))), 10)
        self.assertRegex(done.stderr.splitlines()[-1], r"^\d of 5 are faster than the built-in choice by 3% or more$")

        forced = engine.work_dir() / "forced-cuda.tuning"
        records = [f"cuda sm_90a linear {key} 8 k_warps=6\n" for key in keys]
        for key in self.keys("attention"):
            records.append(f"cuda sm_90a attend {key} 0 {'row_warps=2 pages=2' if key.endswith(',0') else 'parts=2 warps=1'}\n")
        forced.write_text("llmc-tuning 1\n" + "".join(records))
        tuned, dump = engine.work_dir() / "cuda-tuned.bin", engine.work_dir() / "cuda-tuned"
        done, _ = cuda_build_test.build(self.NAME, tuned, "--target", "cuda:sm_90a", "--quant", cuda_engine.SCHEMES[self.NAME], "--tuning", forced,
                                        "--dump-dir", dump)
        self.assertEqual(done.returncode, 0, done.stderr)
        text = engine.call("llmc", "explain", tuned)
        for said in ("stream, 6 warps along K", "tiles of 21 tokens x 3 heads against 32 keys", "2 of 16 splits", "numbers of --tuning"):
            self.assertIn(said, text)
        self.assertNotIn("numbers of --tuning", engine.call("llmc", "explain", cuda_engine.build(self.NAME)))
        ask = ("--prompt-ids", "5,6,7,8", "--max-tokens", 4, "--temperature", 0, "--ignore-eos", "--max-model-len", 64, "--kv-memory", "4M",
               "--threads", 1, "--json")
        want = json.loads(cuda_engine.run(self.NAME, *ask).stdout)["token_ids"]
        got = subprocess.run([engine.BIN / "llmc-run", tuned, *map(str, ask)], env=dict(cuda_engine.environment(self.NAME), LLMC_EMULATOR_PTX=str(dump)),
                             capture_output=True, text=True, timeout=300)
        self.assertEqual(json.loads(got.stdout)["token_ids"], want, got.stderr)

    def test_what_one_gpu_measured_is_not_of_the_ptx_for_all(self):
        """Eight pages fit an A100, whose records they are; GPUs that run its PTX have 99 KB."""
        forced = engine.work_dir() / "forced-sm80.tuning"
        keys = [key for key in self.keys("attention") if key.endswith(",0")]
        forced.write_text("llmc-tuning 1\n" + "".join(f"cuda sm_80 attend {key} 0 pages=8\n" for key in keys))
        tuned = engine.work_dir() / "cuda-tuned-sm80.bin"
        done, _ = cuda_build_test.build(self.NAME, tuned, "--target", "cuda:sm_80", "--quant", cuda_engine.SCHEMES[self.NAME], "--tuning", forced)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("numbers of --tuning", engine.call("llmc", "explain", tuned))

    def test_what_is_missing_is_told(self):
        for emulator, status, code in (({"DEVICES": 0}, 69, "CU_NO_DEVICE"), ({"SM": "8.0"}, 78, "CU_NO_CODE"),
                                       ({"SM": "12.0"}, 78, "TUNE_TARGET"), ({"VERSION": 12040}, 69, "CU_OLD_DRIVER"), ({"FAIL": "cuInit:1:999"}, 69, "CU_INIT"),
                                       ({"FAIL": "cuLaunchKernelEx:1:719"}, 71, "CU_FAULT")):
            done = self.tune("--candidates", 1, "--only", self.products()[0] + " 8", **emulator)
            self.assertEqual(done.returncode, status, done.stderr)
            self.assertIn(f"error[{code}]", done.stderr)
            self.assertEqual(done.stdout, "")
        self.assertIn("no record is for PTX, and llmc-run runs cuda:compute_90: no cubin of the engine (cuda:sm_90a) is for", self.tune(SM="12.0").stderr)
        done = self.tune("--device", "cuda:1")
        self.assertEqual((done.returncode, "error[CU_NO_DEVICE]" in done.stderr), (69, True), done.stderr)
        done = self.tune("--only", "no such product")
        self.assertEqual((done.returncode, "error[TUNE_TARGET]" in done.stderr), (78, True), done.stderr)
        environment = dict(cuda_engine.environment(self.NAME), LLMC_NVRTC="/nowhere")
        done = subprocess.run([engine.BIN / "llmc", "tune", cuda_engine.build(self.NAME), "-o", "-"], env=environment, capture_output=True, text=True, timeout=60)
        self.assertIn("error[CU_NVRTC_MISSING]", done.stderr)

    @unittest.skipIf(os.path.exists("/dev/nvidiactl"), "this machine has a driver")
    def test_a_machine_without_a_driver(self):
        status, said = tune_test.refused("tune", cuda_engine.build(self.NAME), "-o", "-")
        self.assertEqual(status, 69, said)
        self.assertIn("error[CU_NO_DRIVER]", said)


if __name__ == "__main__":
    unittest.main()
