"""tests/bench/soak.py for two minutes on a tiny model: cancels, malformed requests, forced preemption; nothing may be left."""

import os
import subprocess
import sys
import unittest

import engine
import tiny_models

SCRIPT = engine.ROOT / "tests" / "bench" / "soak.py"


@unittest.skipUnless(engine.have_binaries(), f"no llmc and llmc-run in {engine.BIN}")
class Soak(unittest.TestCase):
    second_chance = True  # bounds times of a server on a shared machine

    def soak(self, *flags) -> str:
        spec = next(s for s in tiny_models.SPECS if s.name == "gguf-llama-q4_1")
        built = engine.build(tiny_models.write(spec, engine.work_dir() / "models"))
        command = [sys.executable, SCRIPT, built, *map(str, flags)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=400, env=os.environ | {"LLMC_BIN": str(engine.BIN)})
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return done.stdout

    def test_nothing_is_left_after_cancels_malformed_requests_and_preemption(self):
        server = "--threads 2 --max-model-len 512 --max-num-seqs 16 --max-queue 64"
        text = self.soak("--seconds", 120, "--kv-memory", "3M", "--preempt", "--idle-ms", 2000, "--flags", server)
        self.assertIn("nothing leaked", text)

    def test_it_sees_what_is_left(self):
        """The inverse: more memory for the prefix cache than the first half touches is growth, and it says so."""
        server = "--threads 2 --max-num-seqs 16"
        spec = ("--seconds", 6, "--kv-memory", "2G", "--prompt", 900, "--cancelled", 0, "--malformed", 0, "--flags", server)
        with self.assertRaisesRegex(AssertionError, "FAULT resident memory"):
            self.soak(*spec)


if __name__ == "__main__":
    unittest.main()
