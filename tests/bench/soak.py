#!/usr/bin/env python3
"""Runs llmc-run under random clients for long: cancels, malformed requests, forced preemption; then looks for what leaked.

Example: soak.py engine.bin --seconds 1800 --kv-memory 64M
At the end, with nobody connected: within --idle-ms no running or waiting request, no KV page in use, as many descriptors and threads as after
the start, resident memory at most 1% above that after the first fifth, or the first minute (at most half the time) where that is longer. Memory
that has grown more gets up to two more minutes: what the load needs at its rare peaks stops growing, a leak does not. Exit status 1 if anything is left. The seed
replays the same clients.
"""

import argparse
import asyncio
import json
import pathlib
import random
import sys
import time

import served
from served import Served, metrics
from sse_client import Client

PLAIN = "/v1/completions"
GROWTH = 1.01  # of resident memory
MORE = 2  # times that it may be looked at again
HELD = ("vllm:num_requests_running", "vllm:num_requests_waiting", "vllm:kv_cache_usage_perc")
MALFORMED = [
    b"GET / HTTP/9.9\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00",
    b"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: -5\r\n\r\n",
    b"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{\"prompt\"",
    b"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    b"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 20\r\n\r\n[[[[[[[[[[[[[[[[[[[[",
    b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n" + b"X: y\r\n" * 300 + b"\r\n",
]
BAD_FIELDS = [{"max_tokens": -1}, {"temperature": "hot"}, {"n": 10**9}, {"prompt": [10**12]}, {"logit_bias": {"x": 1}}, {"stop": 5}]


class Clients:
    """What the clients did, and what went wrong."""

    def __init__(self, url: str, model: str, args):
        self.url, self.model, self.args = url, model, args
        self.counts = {"complete": 0, "cancelled": 0, "malformed": 0, "refused": 0}
        self.faults: list[str] = []
        self.mean_s = args.patience  # of a whole answer, over the last dozens
        self.prefixes = [[random.Random(i).randrange(1, args.vocabulary) for _ in range(48)] for i in range(4)]

    def request(self, chance: random.Random) -> tuple[dict, int]:
        """A body and how many tokens its answer must have."""
        prompt = list(chance.choice(self.prefixes)) if chance.random() < 0.4 else []
        prompt += [chance.randrange(1, self.args.vocabulary) for _ in range(chance.randint(1, self.args.prompt))]
        tokens, choices = chance.randint(1, self.args.output), 2 if chance.random() < 0.1 else 1
        body = {"model": self.model, "prompt": prompt, "max_tokens": tokens, "ignore_eos": True, "n": choices}
        body |= {"temperature": chance.choice((0, 0.8)), "stream": chance.random() < 0.8, "seed": chance.randrange(1000)}
        if body["stream"]:
            body["stream_options"] = {"include_usage": True}
        if chance.random() < 0.1:
            body["logprobs"] = 3
        return body, tokens * choices

    async def malformed(self, client: Client, chance: random.Random):
        self.counts["malformed"] += 1
        if chance.random() < 0.5:
            body = self.request(chance)[0] | chance.choice(BAD_FIELDS)
            answer = await client.post(PLAIN, body)
            if not 400 <= answer.status < 500:
                self.faults.append(f"{body}: status {answer.status}")
            return
        reader, writer = await asyncio.open_connection(client.host, client.port)
        writer.write(chance.choice(MALFORMED))
        try:
            await asyncio.wait_for(reader.read(100), chance.random())
        except (asyncio.TimeoutError, ConnectionError):
            pass
        writer.close()

    async def one(self, client: Client, chance: random.Random):
        kind = chance.random()
        if kind < self.args.malformed:
            return await self.malformed(client, chance)
        body, tokens = self.request(chance)
        task = asyncio.create_task(client.post(PLAIN, body))
        if kind < self.args.malformed + self.args.cancelled:
            # well within an answer's time, so that nearly all who mean to leave do, on a fast machine too
            await asyncio.wait([task], timeout=chance.expovariate(4 / min(self.args.patience, self.mean_s)))
            if not task.done():
                task.cancel()
                self.counts["cancelled"] += 1
            await asyncio.gather(task, return_exceptions=True)
            return
        begin = time.monotonic()
        answer = await task
        self.mean_s += (time.monotonic() - begin - self.mean_s) / 32
        if answer.status == 429:
            self.counts["refused"] += 1
            return await asyncio.sleep(0.2)
        self.counts["complete"] += 1
        if not answer.success:
            self.faults.append(answer.error)
        elif body["stream"] and (not answer.done or answer.output_tokens != tokens):
            self.faults.append(f"a stream of {tokens} tokens had {answer.output_tokens}, done {answer.done}")
        elif not body["stream"] and json.loads(answer.body)["usage"]["completion_tokens"] != tokens:
            self.faults.append(f"an answer of {tokens} tokens: {answer.body[-300:]!r}")

    async def worker(self, index: int, end: float):
        client, chance = Client(self.url), random.Random(self.args.seed * 10_000 + index)
        while time.monotonic() < end and len(self.faults) < 20:
            await self.one(client, chance)
        client.close()


async def idle(client: Client) -> tuple[dict[str, float], float]:
    """Metrics once nothing runs and no page is in use, or as they are after 10 s; seconds until then."""
    begin = time.monotonic()
    while True:
        now, took = await metrics(client), time.monotonic() - begin
        if all(now[name] == 0 for name in HELD) or took > 10:
            return now, took
        await asyncio.sleep(0.002)


def phases_of(seconds: float) -> tuple[float, float]:
    """Until memory is what the load needs, and what must not add to it: buffers and pages are first used for up to a minute."""
    first = max(seconds / 5, min(60, seconds / 2))
    return first, seconds - first


def grown(phases: list[dict]) -> bool:
    before, after = (phase["rss_kib"] for phase in phases[-2:])
    return after > before * GROWTH


async def soak(server: Served, args) -> int:
    client = Client(server.url)
    model = json.loads((await client.get("/v1/models")).body)["data"][0]["id"]
    clients = Clients(server.url, model, args)
    phases, begin = [], time.monotonic()
    spans = list(phases_of(args.seconds))
    while spans:
        end = time.monotonic() + spans.pop(0)
        await asyncio.gather(*(clients.worker(i + 1000 * len(phases), end) for i in range(args.clients)))
        left, took = await idle(client)
        if took > args.idle_ms / 1e3:
            clients.faults.append(f"idle only {took * 1e3:.0f} ms after the last client had left")
        client.close()
        await asyncio.sleep(2)  # an idle server gives free memory back after a second
        phases.append(server.holds())
        print(f"idle {took * 1e3:.0f} ms after the last client had left")
        print(f"after {time.monotonic() - begin:.0f} s: {clients.counts}, {phases[-1]}", flush=True)
        if not spans and len(phases) < 2 + MORE and grown(phases):
            spans.append(min(60, args.seconds / 2))
    faults = clients.faults
    first, last = phases[0], phases[-1]
    for name in ("descriptors", "threads"):
        if last[name] > first[name]:
            faults.append(f"{name}: {first[name]} before, {last[name]} after")
    if grown(phases):
        faults.append(f"resident memory: {phases[-2]['rss_kib']} KiB before, {last['rss_kib']} KiB after")
    for name in HELD:
        if left[name] != 0:
            faults.append(f"{name} is {left[name]} at idle")
    print(f"preemptions {left['vllm:num_preemptions_total']:.0f}, tokens {left['vllm:generation_tokens_total']:.0f}")
    ended = sum(clients.counts.values())
    if clients.counts["cancelled"] < 0.8 * args.cancelled * ended:
        faults.append(f"{clients.counts['cancelled']} of {ended} left, {args.cancelled:.0%} meant to: lower --patience")
    if args.preempt and left["vllm:num_preemptions_total"] == 0:
        faults.append("nothing was preempted: the soak did not test it; lower --kv-memory")
    status = server.end()
    if status != 0:
        faults.append(f"llmc-run ended with status {status}")
    for fault in faults[:20]:
        print("FAULT", fault)
    print(f"seed {args.seed}: {'nothing leaked' if not faults else str(len(faults)) + ' faults'}")
    return 1 if faults else 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("engine", type=pathlib.Path)
    parser.add_argument("--seconds", type=float, default=120, help="default 120; 1800 before a release")
    parser.add_argument("--clients", type=int, default=24, help="at the same time (default 24)")
    parser.add_argument("--cancelled", type=float, default=0.3, help="share of clients that leave (default 0.3)")
    parser.add_argument("--malformed", type=float, default=0.05, help="share of malformed requests (default 0.05)")
    parser.add_argument("--patience", type=float, default=0.2, help="four times the mean seconds before such a client leaves, or an answer's time where that is less (default 0.2)")
    parser.add_argument("--idle-ms", type=float, default=250, help="after the last client left nothing may be held (default 250)")
    parser.add_argument("--prompt", type=int, default=100, help="tokens of a prompt at most, before prefixes (default 100)")
    parser.add_argument("--output", type=int, default=100, help="tokens of an answer at most (default 100)")
    parser.add_argument("--vocabulary", type=int, default=250, help="prompts are made of ids below it (default 250)")
    parser.add_argument("--kv-memory", default="", help="small enough that requests lose their pages (default: llmc-run's)")
    parser.add_argument("--preempt", action="store_true", help="it is a fault if no request lost its pages")
    parser.add_argument("--flags", default="", help="more flags of llmc-run, separated by spaces")
    parser.add_argument("--seed", type=int, default=int(time.time()) % 10_000)
    args = parser.parse_args()
    served.allow_descriptors(4096)
    flags = [args.engine, *args.flags.split()]
    with Served(flags + (["--kv-memory", args.kv_memory] if args.kv_memory else [])) as server:
        return asyncio.run(soak(server, args))


if __name__ == "__main__":
    sys.exit(main())
