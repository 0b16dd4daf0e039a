"""The server under more load than it can carry: 10,000 streams, ten times the rate, drain with 1,000 streams, stalled readers."""

import asyncio
import collections
import json
import re
import resource
import signal
import sys
import time
import unittest

import engine
import mock_server
import tiny_models
from mock_server import EngineServer, MockServer, letters, request

sys.path.insert(0, str(engine.ROOT / "examples" / "bench_serve"))

from report import percentile  # noqa: E402
from sse_client import Client  # noqa: E402

PATH = "/v1/completions"
TEXT = re.compile(rb'"text":"(.*?)"')
REASON = re.compile(rb'"finish_reason":"(\w+)"')


def descriptors(wanted: int) -> bool:
    """Allows this process that many; the server does so for itself."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < wanted <= hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0] >= wanted


class Stream:
    """One stream and whether every token came once, in order, with one reason and one end."""

    def __init__(self, index: int, tokens: int):
        self.index, self.tokens, self.texts, self.reasons = index, tokens, [], []

    def on_event(self, event: bytes, _now: float):
        self.texts += TEXT.findall(event)
        self.reasons += REASON.findall(event)

    def body(self) -> dict:
        return {"prompt": [self.index % 200], "max_tokens": self.tokens, "stream": True, "ignore_eos": True}

    async def run(self, client: Client) -> bool:
        self.outcome = await client.post(PATH, self.body(), self.on_event)
        return self.complete()

    def complete(self) -> bool:
        text = b"".join(self.texts).decode()
        right = text == letters(self.index % 200, self.tokens) and self.reasons == [b"length"]
        return right and self.outcome.success and self.outcome.done


async def load_of(client: Client) -> int:
    return json.loads((await client.get("/load")).body)["server_load"]


@unittest.skipUnless(mock_server.PROGRAM.exists(), "needs llmc-mock-server")
class Load(unittest.TestCase):
    second_chance = True  # bounds times of a server on a shared machine

    def test_ten_thousand_streams_are_complete(self):
        count, tokens = 10_000, 10
        if not descriptors(count + 200):
            self.skipTest(f"RLIMIT_NOFILE cannot be raised to {count + 200}")

        async def everybody(server):
            client = Client(server.url)
            streams = [Stream(i, tokens) for i in range(count)]
            tasks = []
            for i in range(0, count, 500):  # the kernel's backlog is 4,096 at most
                tasks += [asyncio.create_task(s.run(client)) for s in streams[i : i + 500]]
                await asyncio.sleep(0.02)
            most = 0
            while most < count and not all(t.done() for t in tasks):
                most = max(most, await load_of(client))
                await asyncio.sleep(0.1)
            whole = await asyncio.gather(*tasks)
            client.close()
            return whole, most

        # A stream lasts 25 s, so that the first are still there when the last have come.
        with MockServer("--step-us", 2_500_000, "--max-connections", 12_000) as server:
            whole, most = asyncio.run(everybody(server))
            self.assertEqual(whole.count(True), count)
            self.assertGreater(most, count * 0.9, "they were not at once")
            self.assertEqual(server.metric("vllm:generation_tokens_total"), count * tokens)
            self.assertEqual(server.metric("vllm:num_requests_running"), 0)

    def test_ten_times_the_load_is_refused_quickly_and_costs_no_goodput(self):
        """32 requests a second fit; 320 come."""
        flags = ("--step-us", 5000, "--max-running", 8, "--max-queue", 8)

        async def closed(server, seconds):
            client, end, done = Client(server.url), time.monotonic() + seconds, 0

            async def worker(index):
                nonlocal done
                while time.monotonic() < end:
                    whole = await Stream(index, 50).run(client)
                    done += whole

            begin = time.monotonic()
            await asyncio.gather(*(worker(i) for i in range(12)))
            client.close()
            return done / (time.monotonic() - begin)

        async def flood(server, rate, seconds):
            client, streams, begin = Client(server.url), [], time.monotonic()
            tasks = []
            for i in range(int(rate * seconds)):
                wait = begin + i / rate - time.monotonic()
                if wait > 0:
                    await asyncio.sleep(wait)
                streams.append(Stream(i, 50))
                tasks.append(asyncio.create_task(streams[-1].run(client)))
            await asyncio.gather(*tasks)
            took = time.monotonic() - begin
            client.close()
            return streams, took

        with MockServer(*flags) as server:
            peak = asyncio.run(closed(server, 4))
            streams, took = asyncio.run(flood(server, 10 * peak, 4))
        refused = [s.outcome for s in streams if s.outcome.status == 429]
        good = sum(s.complete() for s in streams)
        self.assertEqual(good + len(refused), len(streams), "neither complete nor refused")
        self.assertGreater(len(refused), 0.5 * len(streams))
        self.assertGreaterEqual(good / took, 0.9 * peak, f"{good} in {took:.1f} s, peak {peak:.1f}/s")
        for outcome in refused:
            self.assertGreaterEqual(int(outcome.headers["retry-after"]), 1)
        late = percentile([o.latency for o in refused], 50)
        self.assertLess(late, 0.1, "a refusal must not queue")

    def test_sigterm_cuts_no_stream_of_a_thousand(self):
        async def scenario(server):
            client = Client(server.url)
            streams = [Stream(i, 100) for i in range(1000)]
            tasks = [asyncio.create_task(s.run(client)) for s in streams]
            while await load_of(client) < 1000:
                await asyncio.sleep(0.02)
            server.child.send_signal(signal.SIGTERM)
            return await asyncio.gather(*tasks)

        with MockServer("--step-us", 20_000) as server:
            self.assertEqual(asyncio.run(scenario(server)).count(True), 1000)
            self.assertEqual(server.child.wait(timeout=5), 0)

    def test_stalled_readers_cost_little_and_hold_up_nobody(self):
        count = 100

        async def scenario(server):
            client = Client(server.url)
            stalled = []
            before = server.resident_kib()
            for i in range(count):
                sock = server.connect()
                sock.sendall(request(PATH, {"prompt": [i % 200], "max_tokens": 90_000, "stream": True, "ignore_eos": True}))
                stalled.append(sock)
            await asyncio.sleep(2)
            whole = await asyncio.gather(*(Stream(i, 40).run(client) for i in range(50)))
            grown = server.resident_kib() - before
            for sock in stalled:
                sock.close()
            end = time.monotonic() + 5
            while await load_of(client) and time.monotonic() < end:
                await asyncio.sleep(0.02)
            left = await load_of(client)
            client.close()
            return whole.count(True), grown, left

        with MockServer("--context", 100_000) as server:
            whole, grown, left = asyncio.run(scenario(server))
            self.assertEqual(whole, 50)
            self.assertLess(grown / count, 600, "KiB a stalled stream: its buffer is 256, at most twice that")
            self.assertEqual(left, 0)


@unittest.skipUnless(engine.have_binaries(), f"no llmc and llmc-run in {engine.BIN}")
class FullQueue(unittest.TestCase):
    def test_it_is_429_whoever_finds_it_full(self):
        """The server looks at numbers of the last step; what slips through then is refused by the engine's own thread."""
        spec = next(s for s in tiny_models.SPECS if s.name == "gguf-llama-q4_1")
        built = engine.build(tiny_models.write(spec, engine.work_dir() / "models"))

        async def flood(url):
            client, statuses = Client(url), collections.Counter()

            async def one(index):
                for i in range(25):
                    body = {"prompt": [1 + (index * 31 + i) % 200] * 40, "max_tokens": 30, "stream": True, "ignore_eos": True}
                    statuses[(await client.post(PATH, body)).status] += 1

            await asyncio.gather(*(one(i) for i in range(200)))
            client.close()
            return statuses

        with EngineServer(built, "--threads", 2, "--max-num-seqs", 16, "--max-queue", 16) as server:
            statuses = asyncio.run(flood(server.url))
        self.assertEqual(set(statuses), {200, 429}, statuses)


if __name__ == "__main__":
    unittest.main()
