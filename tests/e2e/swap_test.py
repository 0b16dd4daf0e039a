"""--preempt swap on SmolLM2 while KV pages run out: what comes back from the host is bit for bit what went there, the metrics say so, and the
start refuses memory that is not there."""

import asyncio
import json
import subprocess
import tempfile
import unittest

import engine
import smollm2
from determinism_test import ask, requests
from mock_server import EngineServer
from serve_cases import until

try:
    import openai
except ImportError:
    openai = None

PAGE = 360 << 10  # of SmolLM2: bytes of 16 tokens
# 23 pages for answers of up to 18 each.
TIGHT = ("--served-model-name", "m", "--kv-memory", "8M", "--max-model-len", 288, "--threads", 2, "--old-metric-names")
SWAPPED, HOST = "vllm:num_requests_swapped", "vllm:cpu_cache_usage_perc"


def asked() -> list[dict]:
    """Seeds make a sequence's numbers those that it has alone, if it is not computed from other ones."""
    return [request | {"max_tokens": 48, "n": 1} for request in requests(8)]


async def answers(server, wanted: list[dict], watch=None) -> list:
    async with openai.AsyncOpenAI(base_url=server.url + "/v1", api_key="none", timeout=120) as client:
        running = asyncio.gather(*(ask(client, request) for request in wanted))
        while watch and not running.done():
            await asyncio.to_thread(watch)
            await asyncio.sleep(0.01)
        return await running


@unittest.skipUnless(openai and engine.have_binaries(), f"no llmc and llmc-run in {engine.BIN}, or no openai package")
class Swap(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        with EngineServer(engine.build(smollm2.gguf()), "--served-model-name", "m", "--threads", 2, "--no-prefix-cache") as server:
            cls.alone = [asyncio.run(answers(server, [request]))[0] for request in asked()]

    def under_pressure(self, *flags):
        """Most sequences and most of the host's pages that were swapped at a time, preemptions, tokens to compute again, the trace's decisions."""
        most = {SWAPPED: 0.0, HOST: 0.0}
        with tempfile.NamedTemporaryFile(suffix=".json") as trace:
            with EngineServer(engine.build(smollm2.gguf()), *TIGHT, "--no-prefix-cache", "--preempt", "swap", *flags, "--trace", trace.name) as server:

                def watch():
                    for name in most:
                        most[name] = max(most[name], server.metric(name))

                together = asyncio.run(answers(server, asked(), watch))
                for index, (ours, alone) in enumerate(zip(together, self.alone, strict=True)):
                    self.assertEqual(ours, alone, f"request {index}")
                self.assertTrue(until(lambda: server.metric(SWAPPED) == 0 and server.metric(HOST) == 0), "host pages are left")
                counts = server.metric("vllm:num_preemptions_total"), server.metric("vllm:prompt_tokens_recomputed_total")
                screen = server.screen
            with open(trace.name, encoding="utf-8") as file:
                names = [event["name"] for event in json.load(file)["traceEvents"] if event["ph"] == "i"]
        return most, *counts, screen, names

    def test_pages_come_back_bit_for_bit(self):
        most, preempted, recomputed, screen, names = self.under_pressure("--swap-space", "64M")
        self.assertGreater(preempted, 0)
        self.assertEqual(recomputed, 0, "so every sequence went on with the pages that had been away")
        self.assertEqual(names.count("swapped in"), preempted)
        self.assertGreater(most[SWAPPED], 0)
        self.assertTrue(0 < most[HOST] <= 1, most)
        self.assertIn(f"swap       {(64 << 20) // PAGE} pages on the host", screen)

    def test_a_full_host_computes_again(self):
        _, preempted, recomputed, _, names = self.under_pressure("--swap-space", "2M")  # 5 pages
        self.assertGreater(recomputed, 0)
        self.assertLess(names.count("swapped in"), preempted)

    def test_memory_that_is_not_there(self):
        for size, status, parts in (("900T", 69, ["error[RT_SWAP_SPACE]", "asks for 900.0 TiB", "KV cache of 7.73 MiB", "are available now"]),
                                    ("100K", 64, ["error[CLI_FLAG]", "holds no KV page of 360.0 KiB"])):
            command = [engine.BIN / "llmc-run", engine.build(smollm2.gguf()), "--port", "0", *map(str, TIGHT), "--preempt", "swap", "--swap-space", size]
            done = subprocess.run(command, capture_output=True, text=True, timeout=20)
            self.assertEqual((done.returncode, [part for part in parts if part not in done.stderr]), (status, []), done.stderr)


if __name__ == "__main__":
    unittest.main()
