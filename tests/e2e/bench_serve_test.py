"""examples/bench_serve against the mock server, whose pace is known, and its percentiles against numpy's."""

import json
import os
import random
import subprocess
import sys
import unittest

import engine
import mock_server
import numpy as np
from mock_server import MockServer

FOLDER = engine.ROOT / "examples" / "bench_serve"
sys.path.insert(0, str(FOLDER))

import report  # noqa: E402
import workload  # noqa: E402

# What `vllm bench serve` writes with --save-result, and its notebooks read.
KEYS = """date endpoint_type backend label model_id tokenizer_id num_prompts request_rate burstiness max_concurrency duration completed
failed total_input_tokens total_output_tokens request_throughput request_goodput output_throughput total_token_throughput
max_output_tokens_per_s max_concurrent_requests input_lens output_lens ttfts itls errors mean_ttft_ms median_ttft_ms std_ttft_ms
p99_ttft_ms mean_tpot_ms median_tpot_ms std_tpot_ms p99_tpot_ms mean_itl_ms median_itl_ms std_itl_ms p99_itl_ms mean_e2el_ms
median_e2el_ms std_e2el_ms p99_e2el_ms""".split()


@unittest.skipUnless(mock_server.PROGRAM.exists(), "needs llmc-mock-server")
class BenchServe(unittest.TestCase):
    second_chance = True  # bounds times of a server on a shared machine

    def bench(self, server, *flags) -> tuple[str, dict]:
        path = engine.work_dir() / f"bench-{os.getpid()}.json"
        command = [sys.executable, FOLDER / "bench_serve.py", "--base-url", server.url, "--result-filename", path, "--save-detailed"]
        done = subprocess.run([*command, *map(str, flags)], capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout, json.loads(path.read_text())

    def test_the_pace_of_the_server_is_what_it_reports(self):
        with MockServer("--step-us", 20_000) as server:
            text, result = self.bench(server, "--num-prompts", 12, "--max-concurrency", 4, "--input-len", 30, "--output-len", 40,
                                      "--goodput", "ttft:5000", "tpot:1000")  # fmt: skip
        self.assertEqual([k for k in KEYS if k not in result], [])
        self.assertEqual((result["completed"], result["failed"]), (12, 0))
        self.assertEqual((result["total_input_tokens"], result["total_output_tokens"]), (360, 480))
        self.assertEqual(result["output_lens"], [40] * 12)
        self.assertTrue(all(len(gaps) == 39 for gaps in result["itls"]))
        self.assertGreater(result["median_itl_ms"], 18)
        self.assertLess(result["median_itl_ms"], 40)
        self.assertGreater(result["duration"], 3 * 40 * 0.019, "4 at a time: three rounds of 40 steps")
        self.assertEqual(result["max_concurrent_requests"], 4)
        self.assertAlmostEqual(result["request_goodput"], 12 / result["duration"])
        for line in ("Successful requests:                     12", "P99 ITL (ms):", "Median TPOT (ms):", "Mean E2EL (ms):"):
            self.assertIn(line, text)
        self.assertIn(f"Output token throughput (tok/s):         {result['output_throughput']:.2f}", text)

    def test_a_plot_without_matplotlib_is_refused_before_the_load(self):
        """As if it were not installed; no server is there to be asked either."""
        call = "import sys; sys.modules['matplotlib'] = None; import bench_serve; bench_serve.parse(['--plot', 'run.png'])"
        done = subprocess.run([sys.executable, "-c", call], cwd=FOLDER, capture_output=True, text=True, timeout=60)
        self.assertEqual((done.returncode, "--plot needs matplotlib" in done.stderr), (2, True), done.stderr)

    def test_arrivals_and_mixes(self):
        with MockServer() as server:
            _, result = self.bench(server, "--num-prompts", 60, "--request-rate", 60, "--burst-size", 3, "--output-len", 5)
            starts = np.sort(result["start_times"])
            self.assertTrue(np.all(starts[2::3] - starts[0::3] < 0.05), "three at a time")
            self.assertGreater(starts[-1] - starts[0], 0.3)
            mix = ("--dataset-name", "prefix_repetition", "--prefix-len", 50, "--input-len", 10, "--output-len", 2)
            self.assertEqual(self.bench(server, "--num-prompts", 6, *mix)[1]["input_lens"], [60] * 6)
            chat = ("--endpoint", "/v1/chat/completions", "--dataset-name", "lognormal", "--max-len", 100)
            self.assertEqual(self.bench(server, "--num-prompts", 20, *chat)[1]["completed"], 20)

    def test_refused_requests_are_counted_as_failed(self):
        with MockServer("--max-running", 2, "--max-queue", 2, "--step-us", 5000) as server:
            _, result = self.bench(server, "--num-prompts", 30, "--output-len", 50)
        self.assertEqual(result["completed"] + result["failed"], 30)
        self.assertGreater(result["failed"], 0)
        self.assertIn("HTTP 429", next(e for e in result["errors"] if e))

    def test_percentiles_and_the_poisson_process(self):
        values = np.random.default_rng(1).exponential(size=500)
        for p in (0, 50, 90, 99, 100):
            self.assertAlmostEqual(report.percentile(list(values), p), np.percentile(values, p))
        requests = [workload.Request([1], 1, 1) for _ in range(20_000)]
        workload.arrive(requests, 50, 1.0, 1, random.Random(3))
        gaps = np.diff([r.at for r in requests])
        self.assertAlmostEqual(gaps.mean(), 1 / 50, delta=0.001)
        self.assertAlmostEqual(gaps.std(), 1 / 50, delta=0.001)


if __name__ == "__main__":
    unittest.main()
