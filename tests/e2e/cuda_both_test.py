"""One engine for the CPU and for CUDA: each target as a build for it alone makes it, who runs it, what inspect and explain say."""

import json
import os
import re
import subprocess
import unittest

import cuda_engine
import engine
import serve_cases
from cuda_build_test import build

NAME = "llama-3h1-d64-f32"
SCHEME = ("--quant", cuda_engine.SCHEMES[NAME])
CPU = ("--cpu-levels", "host")
ASK = ("--prompt-ids", engine.id_list(range(5, 20)), "--max-tokens", 8, "--temperature", 0, "--ignore-eos", "--max-model-len", 128,
       "--threads", 1, "--kv-memory", "4M", "--json")


def sections(path) -> dict[str, list[bytes]]:
    """Contents by kind, in the order of the file."""
    content, found = path.read_bytes(), {}
    for section in json.loads(engine.call("llmc", "inspect", path, "--json"))["sections"]:
        found.setdefault(section["kind"], []).append(content[section["offset"] : section["offset"] + section["bytes"]])
    return found


@cuda_engine.needs_emulator
class CudaAndCpu(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.path = engine.work_dir() / "both.bin"
        cls.dump = engine.work_dir() / "both-dump"
        done, _ = build(NAME, cls.path, "--target", f"cuda:{cuda_engine.ARCH},cpu", *SCHEME, *CPU, "--dump-dir", cls.dump)
        assert done.returncode == 0, done.stderr
        cls.said = done.stderr
        cls.cuda = cuda_engine.build(NAME)
        cls.cpu = engine.build(cuda_engine.model(NAME), *SCHEME, *CPU)

    def ids(self, path, *flags, status=0, notice="", **emulator) -> list[int]:
        done = cuda_engine.run(NAME, *ASK, *flags, path=path, **emulator)
        self.assertEqual(done.returncode, status, done.stderr)
        self.assertIn(notice, done.stderr)
        if not notice:
            self.assertNotIn("runs on the CPU", done.stderr)
        return json.loads(done.stdout)["token_ids"]

    def test_each_target_is_what_its_own_build_makes(self):
        both, cpu, cuda = sections(self.path), sections(self.cpu), sections(self.cuda)
        for kind in ("code", "weights"):
            self.assertEqual(both[kind], cpu[kind] + cuda[kind], kind)
        self.assertEqual([len(both[kind]) for kind in ("plan", "explain", "tokenizer", "tokens", "provenance")], [2, 2, 1, 1, 1])
        for kind in ("tokenizer", "tokens", "defaults", "selftest"):
            self.assertEqual(both.get(kind), cpu.get(kind), kind)
        # Required features, which a runtime without them refuses: 1 for two targets, 2 for the table of tokens, 4 for packed code.
        self.assertEqual([path.read_bytes()[24:32] for path in (self.path, self.cpu, self.cuda)], [bytes([7]) + bytes(7), bytes([2]) + bytes(7), bytes([6]) + bytes(7)])

    def test_equal_bytes(self):
        again = engine.work_dir() / "both-again.bin"
        done, _ = build(NAME, again, "--target", f"cpu,cuda:{cuda_engine.ARCH}", *SCHEME, *CPU, "--jobs", "1")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(again.read_bytes(), self.path.read_bytes())

    def test_the_dump_has_a_folder_for_each_target(self):
        self.assertEqual(sorted(path.name for path in self.dump.iterdir()), ["cpu", "cuda"])
        alone = {path.name: path.read_bytes() for path in cuda_engine.dump_dir(NAME).iterdir()}
        self.assertEqual({path.name: path.read_bytes() for path in (self.dump / "cuda").iterdir()}, alone)
        (level,) = (self.dump / "cpu").iterdir()
        self.assertEqual({path.suffix for path in level.iterdir()}, {".mlir", ".ll", ".s"})
        # The IR of passes goes there, too; a build of one target takes what another one left along.
        stop = ("--target", "cpu,cuda:sm_80", "--stop-after", "kernels", "--dump-dir", self.dump, "--quiet")
        done = subprocess.run([str(c) for c in (engine.BIN / "llmc", "build", cuda_engine.model(NAME), *stop)], capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, 64, done.stderr)
        self.assertIn("error[OUT_EXISTS]", done.stderr)
        done = subprocess.run([str(c) for c in (engine.BIN / "llmc", "build", cuda_engine.model(NAME), *stop, "--force")], capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, 0, done.stderr)
        left = sorted(str(path.relative_to(self.dump)) for path in self.dump.rglob("*") if path.is_file())
        self.assertEqual(left, ["cpu/000-kernels.mlir", "cuda/001-kernels.mlir"])
        for path in left:
            self.assertEqual("cuda" in path, 'llmc.target = "cuda"' in (self.dump / path).read_text(), path)

    def test_the_device_where_there_is_one(self):
        on_device, on_cpu = self.ids(self.cuda), self.ids(self.cpu)
        self.assertEqual(self.ids(self.path), on_device)
        self.assertEqual(self.ids(self.path, "--device", "cuda:0"), on_device)
        self.assertEqual(self.ids(self.path, "--device", "cpu"), on_cpu)
        self.assertEqual(self.ids(self.path, SM="8.0", notice="runs on the CPU, although there is a driver: the engine holds code for"), on_cpu)
        self.assertEqual(self.ids(self.path, DEVICES=0, notice="the CUDA driver finds no device"), on_cpu)
        stub = "runs on the CPU, without a driver: libcuda.so.1 is a toolkit's stub for linking, not a driver"
        self.assertEqual(self.ids(self.path, FAIL="cuInit:1:34", notice=stub), on_cpu)
        done = cuda_engine.run(NAME, *ASK, "--device", "cuda:0", path=self.path, SM="8.0")
        self.assertEqual(done.returncode, 78, done.stderr)
        self.assertIn("CU_NO_CODE", done.stderr)
        short = "runs on the CPU, because the device's memory does not suffice: the engine does not fit: weights"
        self.assertEqual(self.ids(self.path, MEMORY=1 << 20, notice=short), on_cpu)
        done = cuda_engine.run(NAME, *ASK, "--device", "cuda:0", path=self.path, MEMORY=1 << 20)
        self.assertEqual(done.returncode, 69, done.stderr)
        self.assertRegex(done.stderr, r"error\[CU_MEMORY\] the engine does not fit: weights .* 1\.00 MiB of 1\.00 MiB are free on cuda:0")

    def test_the_cpu_where_the_driver_is_too_old(self):
        on_cpu = self.ids(self.cpu)
        old = "runs on the CPU, although there is a driver: the CUDA driver is one for CUDA 12.4, the engine's code needs one for 13.0 or later"
        self.assertEqual(self.ids(self.path, VERSION=12040, notice=old), on_cpu)
        refuses = ": the driver (for CUDA 13.0) does not take the engine's code: cuModuleLoadDataEx says"
        self.assertEqual(self.ids(self.path, FAIL="cuModuleLoadDataEx:1:222", notice=refuses), on_cpu)
        done = cuda_engine.run(NAME, *ASK, VERSION=12040)
        self.assertEqual(done.returncode, 69, done.stderr)
        self.assertIn("error[CU_OLD_DRIVER] the CUDA driver is one for CUDA 12.4", done.stderr)
        self.assertNotIn("room for a KV cache", done.stderr)  # before anything is allocated

    def test_the_memory_plan_comes_before_the_answer(self):
        plan = r"cuda:0 .*, CUDA 13\.0, .* of .* free: weights .*, workspace .*, room for a KV cache of .*; takes "
        for mode in (ASK, ("--bench", "--prompt-tokens", 8, "--output-tokens", 2, "--repeat", 1)):
            self.assertRegex(cuda_engine.run(NAME, *mode).stderr, plan)

    @unittest.skipIf(os.path.exists("/dev/nvidiactl"), "this machine has a driver")
    def test_the_cpu_without_a_driver(self):
        self.assertEqual(engine.run_json(self.path, *ASK[:-1])["token_ids"], engine.run_json(self.cpu, *ASK[:-1])["token_ids"])
        golden = engine.call("llmc-run", self.path, "--selftest", "--threads", 1)
        self.assertIn("ok: 16 of 16 greedy tokens equal", golden)

    def test_a_server_takes_the_device(self):
        server = cuda_engine.CudaServer(NAME, *ASK[7:-1], "--served-model-name", "both")
        server.path = self.path
        with server:
            answer = json.loads(serve_cases.post(server, "/v1/completions", {"model": "both", "prompt": [5, 6, 7], "max_tokens": 2, "ignore_eos": True}))
        self.assertEqual(answer["usage"]["completion_tokens"], 2)
        self.assertIn("cuda:0", server.screen)

    def test_what_the_build_says(self):
        self.assertRegex(self.said, r"both\.bin: [\d.]+ MiB, for the CPU and for CUDA devices\n")
        self.assertRegex(self.said, r"\ncpu: weights [\d.]+ MiB, code [\d.]+ MiB at 1 level\n")
        self.assertRegex(self.said, rf"\ncuda: weights [\d.]+ MiB, code [\d.]+ MiB unpacked at 2 levels: cuda {cuda_engine.ARCH}, PTX\n")
        self.assertEqual(self.said.count("KL divergence from the unquantized model"), 2)
        self.assertEqual(self.said.count("not of the device's bf16"), 1)
        self.assertEqual(self.said.count("golden tokens: 16 stored"), 1)
        self.assertEqual(len(re.findall(r"import", self.said)), 2)

    def test_inspect_shows_both(self):
        facts = json.loads(engine.call("llmc", "inspect", self.path, "--json"))
        cpu, cuda = facts["targets"]
        self.assertEqual((cpu["target"]["name"], cuda["target"]), ("cpu", {"name": "cuda", "architectures": [cuda_engine.ARCH], "ptx": "sm_90 and later", "driver": ">= 580"}))
        self.assertEqual((cpu["model"]["activations"], cuda["model"]["activations"]), ("int8", "bf16"))
        alone = json.loads(engine.call("llmc", "inspect", self.cuda, "--json"))
        for part in ("levels", "memory", "kernels", "weights"):
            self.assertEqual(cuda[part], alone[part], part)
        # The level of the CPU that measured may be another one.
        self.assertAlmostEqual(cuda["quality"]["kl_mean"], alone["quality"]["kl_mean"], delta=alone["quality"]["kl_mean"] / 100)
        self.assertNotEqual(cpu["quality"]["kl_mean"], cuda["quality"]["kl_mean"])
        self.assertNotIn("quality_cuda", facts["provenance"])
        self.assertEqual(facts["provenance"]["nvrtc"], "13.0")
        text = engine.call("llmc", "inspect", self.path)
        self.assertRegex(text.splitlines()[0], r"; cpu: kernel ABI \d+, \d+ kernels; cuda: kernel ABI \d+, \d+ kernels$")
        for line in ("  name                cpu", "  name                cuda"):
            self.assertIn(line, text)

    def test_explain_shows_both(self):
        roots = json.loads(engine.call("llmc", "explain", self.path, "--json"))["targets"]
        self.assertEqual([root["target"] for root in roots], ["cpu", "cuda"])
        for root, path in zip(roots, (self.cpu, self.cuda)):
            alone = json.loads(engine.call("llmc", "explain", path, "--json"))
            self.assertEqual((root["kernels"], root["refused"]), (alone["kernels"], alone["refused"]))
        name = roots[1]["kernels"][0]["name"]
        text = engine.call("llmc", "explain", self.path, "--kernel", name)
        self.assertIn("target cuda\n\n" + name, text)
        with self.assertRaisesRegex(engine.CommandFailed, "no kernel 'none' in this engine; kernels: .*" + name):
            engine.call("llmc", "explain", self.path, "--kernel", "none")


if __name__ == "__main__":
    unittest.main()
