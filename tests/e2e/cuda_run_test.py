"""llmc-run on engines for CUDA over the emulator's driver: the CPU's text, graphs, refusals with numbers, faults."""

import ctypes
import json
import unittest

import compare
import cuda_engine
import engine
import numpy as np

IDS = np.random.default_rng(11).integers(0, 500, 40)
COMMON = ("--max-model-len", 128, "--threads", 1, "--kv-memory", "8M")
GREEDY = ("--temperature", 0, "--ignore-eos", "--repetition-penalty", 1)
# The CUDA target rounds what products read to bf16. Measured on these models against f32 activations: mean KL 0.9e-4
# to 2.1e-4, and all 12 tokens equal; a lead of 0.1 nats is far above what such a KL moves.
KL, LEAD = 6e-4, 0.1


def have_driver() -> bool:
    try:
        ctypes.CDLL("libcuda.so.1")
        return True
    except OSError:
        return False


@cuda_engine.needs_emulator
class CudaRun(unittest.TestCase):
    def json(self, name, *flags, **emulator):
        done = cuda_engine.run(name, *flags, *COMMON, "--json", **emulator)
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout)

    def logits(self, name, *flags):
        path = engine.work_dir() / "cuda-logits.f32"
        done = cuda_engine.run(name, "--prompt-ids", engine.id_list(IDS), "--dump-logits", path, *flags, *COMMON)
        self.assertEqual(done.returncode, 0, done.stderr)
        return np.fromfile(path, "<f4").reshape(len(IDS), -1)

    def test_text_of_the_four_families(self):
        for name in cuda_engine.SCHEMES:
            with self.subTest(model=name):
                wanted = engine.generate(cuda_engine.twin(name), IDS[:21], 12, "--logprobs", 2, "--max-model-len", 128)
                flags = ("--prompt-ids", engine.id_list(IDS[:21]), "--max-tokens", 12, *GREEDY)
                found = self.json(name, *flags)["token_ids"]
                # After a near tie the two may go different ways.
                leads = [first[1] - second[1] for first, second in (step["top"][:2] for step in wanted["logprobs"])]
                sure = next((i for i, lead in enumerate(leads) if lead < LEAD), len(leads))
                self.assertGreater(sure, 0, leads)
                self.assertEqual(found[:sure], wanted["token_ids"][:sure])
                print(f"     {name}: {sure} sure tokens, {sum(a == b for a, b in zip(found, wanted['token_ids']))} of 12 equal")

    def test_logits_of_the_four_families(self):
        for name in cuda_engine.SCHEMES:
            with self.subTest(model=name):
                # The prompt in chunks, then in three pieces side by side: one token of this, several of that.
                for flags in (("--max-num-batched-tokens", 32), ("--streams", 3)):
                    base = engine.logits(cuda_engine.twin(name), IDS, "--max-model-len", 128, *flags)
                    rows = compare.kl_rows(compare.log_softmax(base), compare.log_softmax(self.logits(name, *flags)))
                    print(f"     {name} {flags[0]}: mean KL {rows.mean():.1e}, largest {rows.max():.1e}")
                    self.assertLess(rows.mean(), KL)

    def test_graphs_change_nothing(self):
        name = "llama-3h1-d64-f32"
        flags = ("--prompt-ids", engine.id_list(IDS[:5]), "--max-tokens", 6, "--logprobs", 2, *GREEDY)
        first, second = self.json(name, *flags), self.json(name, *flags, "--no-graphs")
        self.assertEqual(first["logprobs"], second["logprobs"])
        self.assertEqual(first["token_ids"], second["token_ids"])

    def test_the_emulator_finds_no_fault(self):
        name = "llama-3h1-d64-f32"
        self.json(name, "--prompt-ids", engine.id_list(IDS[:20]), "--max-tokens", 2, *GREEDY, CHECK=1)

    def test_bench_and_check(self):
        name = "llama-3h1-d64-f32"
        bench = self.json(name, "--bench", "--prompt-tokens", 4, "--output-tokens", 3, "--repeat", 1, "--streams", 2,
                          MEMORY=1 << 27)
        self.assertGreater(bench["copy_bandwidth_gb_per_s"], 0)
        self.assertIn("cuda:0", bench["device"])
        self.assertEqual(bench["level"], "cuda:" + cuda_engine.ARCH)
        self.assertEqual(cuda_engine.run(name, "--check").returncode, 0)

    def test_refusals(self):
        name = "llama-3h1-d64-f32"
        prompt = ("--prompt-ids", "1,2", "--max-tokens", 1)
        for flags, emulator, status, texts in (
                (("--device", "cpu"), {}, 78, ["RT_DEVICE", "cuda:sm_90a"]),
                (("--device", "cuda:1"), {}, 69, ["CU_NO_DEVICE", "the driver finds 1"]),
                ((), {"SM": "8.0"}, 78, ["CU_NO_CODE", "cuda:sm_90a", "sm_80"]),
                ((), {"DEVICES": 0}, 69, ["CU_NO_DEVICE"]),
                ((), {"MEMORY": 1 << 20}, 69, ["CU_MEMORY", "weights", "1.00 MiB are free"]),
                (("--kv-memory", "3G"), {}, 69, ["RT_KV_MEMORY", "3.00 GiB"]),
                ((), {"FAIL": "cuInit:1:999"}, 69, ["CU_INIT", "999"]),
                ((), {"FAIL": "cuMemAlloc:1:2"}, 69, ["CU_MEMORY"]),
                ((), {"FAIL": "cuModuleLoadDataEx:2:209"}, 78, ["CU_NO_CODE", "kernel "]),
                ((), {"FAIL": "cuStreamSynchronize:2:700"}, 71, ["CU_FAULT", "700"]),
                ((), {"FAIL": "cuLaunchKernelEx:40:719"}, 71, ["CU_FAULT", "719"])):
            with self.subTest(flags=flags, emulator=emulator):
                done = cuda_engine.run(name, *prompt, *flags, **emulator)
                self.assertEqual(done.returncode, status, done.stderr)
                for text in texts:
                    self.assertIn(text, done.stderr)

    @unittest.skipIf(have_driver(), "this machine has a driver")
    def test_without_a_driver(self):
        engine_path = cuda_engine.build("llama-3h1-d64-f32")
        with self.assertRaisesRegex(engine.CommandFailed, r"status 69[^$]*CU_NO_DRIVER"):
            engine.call("llmc-run", engine_path, "--prompt-ids", "1")


if __name__ == "__main__":
    unittest.main()
