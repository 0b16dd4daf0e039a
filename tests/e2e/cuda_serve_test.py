"""llmc-run as a server on an engine for CUDA over the emulator's driver: the cases of every engine, hostile requests beside streams,
metrics under load, sampling on the device, swap, a device that fails."""

import asyncio
import http.client
import json
import os
import pathlib
import tempfile
import unittest

import cuda_engine
import metrics_test
import serve_cases
from hostile_requests import CONTEXT, get, send
from server_rows_test import check_beside

NAME = "llama-3h1-d64-f32"
FLAGS = ("--served-model-name", "tiny", "--max-model-len", 128, "--max-num-seqs", 4, "--max-num-batched-tokens", 64, "--threads", 1)


def launch(*flags) -> cuda_engine.CudaServer:
    memory = () if "--kv-memory" in flags else ("--kv-memory", "4M")
    return cuda_engine.CudaServer(NAME, *flags, *memory, "--threads", 1)


@cuda_engine.needs_emulator
class CudaServe(serve_cases.Answers, unittest.TestCase):
    second_chance = True  # bounds times of a server on a shared machine
    flags = ("--max-model-len", 512, "--max-num-seqs", 8)
    length, crowd, prefix, context = 24, 12, 6, 600
    launch = staticmethod(launch)

    def command(self, *flags) -> dict:
        done = cuda_engine.run(NAME, *flags, "--json", *self.flags[:2], "--threads", 1, "--kv-memory", "4M")
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout)

    def test_the_device_samples_what_the_host_samples(self):
        # The command line samples on the host, the server on the device: the same tokens for the same seed, whatever the filters.
        for flags, fields in ((("--temperature", 0.8, "--seed", 7), {}),
                              (("--temperature", 1.2, "--seed", 8, "--top-k", 30, "--top-p", 0.9, "--min-p", 0.01), {"top_k": 30, "min_p": 0.01, "top_p": 0.9}),
                              (("--temperature", 0.9, "--seed", 9, "--repetition-penalty", 1.3, "--presence-penalty", 0.4), {"repetition_penalty": 1.3, "presence_penalty": 0.4})):
            wanted = self.command("--prompt", "Once upon", "--max-tokens", 8, "--ignore-eos", *flags)["text"]
            body = {"model": self.name, "prompt": "Once upon", "max_tokens": 8, "ignore_eos": True, "temperature": flags[1], "seed": flags[3], **fields}
            self.assertEqual(json.loads(serve_cases.post(self.server, "/v1/completions", body))["choices"][0]["text"], wanted)


@cuda_engine.needs_emulator
class CudaMetrics(metrics_test.Moving, unittest.TestCase):
    second_chance = True  # bounds times of a server on a shared machine
    room = "640K"
    launch = staticmethod(launch)


@cuda_engine.needs_emulator
class CudaBesideCanaries(unittest.TestCase):
    def test_hostile_requests_change_no_stream(self):
        with launch("--max-model-len", CONTEXT, "--max-num-seqs", 8, "--deterministic") as server:
            bodies = [{"prompt": [3 + index, 5, 7], "max_tokens": 80, "temperature": 1, "seed": index, "ignore_eos": True} for index in range(3)]
            self.assertGreater(check_beside(self, server, bodies), 20)


@cuda_engine.needs_emulator
class CudaStartAndStop(serve_cases.Ends, unittest.TestCase):
    second_chance = True  # bounds times of a server on a shared machine
    tight = ("--kv-memory", "108K")
    launch = staticmethod(launch)

    def test_start_screen_and_swap(self):
        # Nine pages for three sequences of up to four: somebody has to leave, and comes back with the same text.
        trace = tempfile.NamedTemporaryFile(suffix=".json")
        self.addCleanup(trace.close)
        flags = (*FLAGS[:2], "--max-model-len", 80, *FLAGS[4:], "--trace", trace.name, "--kv-memory", "108K", "--preempt", "swap", "--swap-space", "4M", "--deterministic", "--no-prefix-cache")
        with cuda_engine.CudaServer(NAME, *flags) as server:
            ask = lambda i: {"model": "tiny", "prompt": [3 + i, *range(40, 66)], "max_tokens": 34, "temperature": 0, "ignore_eos": True}
            alone = [json.loads(serve_cases.post(server, "/v1/completions", ask(i), 300))["choices"][0]["text"] for i in range(3)]

            async def everybody():
                return await asyncio.gather(*(asyncio.to_thread(serve_cases.post, server, "/v1/completions", ask(i), 300) for i in range(3)))

            together = [json.loads(answer)["choices"][0]["text"] for answer in asyncio.run(everybody())]
            self.assertEqual(together, alone)
            self.assertGreater(server.metric("vllm:num_preemptions_total"), 0)
            # A driver's threads have the CPUs of the thread that made them, which so must have all.
            threads = [int(task.name) for task in pathlib.Path(f"/proc/{server.child.pid}/task").iterdir()]
            self.assertEqual({frozenset(os.sched_getaffinity(thread)) for thread in threads}, {frozenset(os.sched_getaffinity(0))})
        # Alone each token but the first two comes of a step that began before the one before had ended.
        with open(trace.name, encoding="utf-8") as file:
            self.assertGreater(sum(event["name"] == "start ahead" for event in json.load(file)["traceEvents"]), 3 * 30)

    def test_a_device_that_fails_ends_streams_with_an_error_and_the_process_with_71(self):
        with cuda_engine.CudaServer(NAME, *FLAGS, "--kv-memory", "4M", FAIL="cuGraphLaunch:5:719") as server:
            body = {"model": "tiny", "prompt": "Once upon a time", "max_tokens": 50, "temperature": 0, "ignore_eos": True, "stream": True}
            # The stream breaks off after its error event, without the end that a whole answer has.
            with self.assertRaises(http.client.IncompleteRead) as caught:
                serve_cases.post(server, "/v1/completions", body)
            events = caught.exception.partial.decode().strip().split("\n\n")
            self.assertGreater(len(events), 3)
            error = json.loads(events[-1].removeprefix("data: "))["error"]
            self.assertEqual(error["code"], "engine_unavailable")
            self.assertIn("CU_FAULT", error["message"])
            ready = None  # EP2: until the process has ended nobody is told to come
            while server.child.poll() is None and ready is None:
                try:
                    ready = send(server, get("/ready"))
                except OSError:
                    break
            self.assertTrue(ready is None or ready.status in (0, 503), ready)
            self.assertEqual(server.child.wait(timeout=20), 71)

    def test_a_server_that_does_not_fit_says_so(self):
        done = cuda_engine.run(NAME, *FLAGS, "--port", 0, "--kv-memory", "3G")
        self.assertEqual(done.returncode, 69, done.stderr)
        self.assertIn("RT_KV_MEMORY", done.stderr)


if __name__ == "__main__":
    unittest.main()
