#!/usr/bin/env python3
"""Ten thousand clients that leave at random moments: every one of them is noticed, and its pages come back at once.

Example: cancels.py tiny.bin --cancels 10000
In rounds of --together requests, each so long that only a cancel can end it: streams and whole answers, in the queue, in the prompt,
while tokens come, after their pages were taken from them (few KV pages). Each client closes or resets its connection after a
random time. When the last one of a round has left, the server must hold nothing within --idle-ms. At the end the engine's own log
(--trace) must say "abort" of each request whose answer had not come whole; one that ended by itself before its client left, or within
--idle-ms, was no cancel (its last bytes were on their way). Exit status 1 otherwise.
"""

import argparse
import asyncio
import collections
import json
import os
import pathlib
import random
import sys
import tempfile
import time

import served
from report import percentile
from served import Served, ends_in_trace, metrics
from sse_client import Client

HELD = ("vllm:num_requests_running", "vllm:num_requests_waiting", "vllm:kv_cache_usage_perc")


class Leaver:
    """A client that asks, reads for a random time, and goes."""

    def __init__(self, index: int, chance: random.Random, args):
        self.id, self.chance = f"cancel-{index}", chance
        prompt = [chance.randrange(3, args.vocabulary) for _ in range(chance.randint(1, args.prompt))]
        self.body = {"prompt": prompt, "max_tokens": args.tokens - len(prompt), "ignore_eos": True, "temperature": 0, "stream": chance.random() < 0.7}
        self.patience = chance.random() * args.patience
        self.answered = self.whole = False  # a byte came; the whole answer did, so that there was nothing to cancel

    async def read(self, reader):
        tail = b""
        while not self.whole and (piece := await reader.read(1 << 16)):
            self.answered, tail = True, (tail + piece)[-7:]
            self.whole = tail.endswith(b"\r\n0\r\n\r\n") if self.body["stream"] else True

    async def run(self, url: str):
        client = Client(url)
        reader, writer = await asyncio.open_connection(client.host, client.port)
        self.sent = time.monotonic()
        writer.write(client.message("POST", "/v1/completions", json.dumps(self.body).encode(), f"X-Request-Id: {self.id}\r\n"))
        try:
            await asyncio.wait_for(self.read(reader), self.patience)
        except asyncio.TimeoutError:
            pass
        self.left = time.monotonic()
        writer.transport.abort() if self.chance.random() < 0.5 else writer.close()
        return self


async def rounds(server: Served, args) -> tuple[list[float], list[Leaver], int]:
    """Milliseconds from the last client's leaving until nothing is held, of each round; the clients; preemptions."""
    client, chance, took, left = Client(server.url), random.Random(args.seed), [], []
    for first in range(0, args.cancels, args.together):
        together = [Leaver(i, chance, args) for i in range(first, min(first + args.together, args.cancels))]
        left += await asyncio.gather(*(one.run(server.url) for one in together))
        begin = time.perf_counter()
        while True:
            now = await metrics(client)
            if not any(now[name] for name in HELD):
                break
            if time.perf_counter() - begin > 10:
                raise SystemExit(f"after 10 s {({name: now[name] for name in HELD})}")
            await asyncio.sleep(0.001)
        took.append((time.perf_counter() - begin) * 1e3)
    client.close()
    return took, left, int(now["vllm:num_preemptions_total"])


def ended_by_themselves(left: list[Leaver], ended: dict[str, served.End], slack: float) -> set[str]:
    """Requests that ended without a cancel no later than `slack` seconds after their client left.

    Each was submitted after it was sent, so the engine's clock began at `sent - submitted` or later, and hardly later than the largest of these.
    """
    start = max(one.sent - ended[one.id].submitted for one in left if one.id in ended)
    return {one.id for one in left if one.id in ended and ended[one.id].reason != "abort" and start + ended[one.id].ended <= one.left + slack}


def judge(took: list[float], left: list[Leaver], preemptions: int, ended: dict[str, served.End], args) -> tuple[dict, list[str]]:
    reasons = collections.Counter(end.reason for end in ended.values())
    whole = {one.id for one in left if one.whole} | ended_by_themselves(left, ended, args.idle_ms * 1e-3)
    answered = sum(one.answered for one in left)
    result = {"cancels": len(left) - len(whole), "after_a_first_byte": sum(one.answered and one.id not in whole for one in left)}
    result |= {"ended_before_they_left": len(whole), "preemptions": preemptions, "engine_log": dict(reasons), "left_before_submission": len(left) - len(ended)}
    result["ms_until_nothing_is_held"] = {name: round(percentile(took, p), 1) for name, p in (("median", 50), ("p99", 99), ("most", 100))}
    faults = []
    missed = [name for name, end in ended.items() if end.reason != "abort" and name not in whole]
    if missed:
        faults.append(f"{len(missed)} requests went on without their client: {missed[:5]}")
    if max(took) > args.idle_ms:
        faults.append(f"it took {max(took):.0f} ms until nothing was held")
    if len(ended) < 0.8 * len(left) or not answered or answered == len(left) or len(whole) > 0.05 * len(left):
        faults.append("too few requests were under way when their client left: give other --patience")
    return result, faults


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("engine", type=pathlib.Path)
    parser.add_argument("--cancels", type=int, default=10_000, help="default 10000")
    parser.add_argument("--together", type=int, default=100, help="in one round (default 100)")
    parser.add_argument("--patience", type=float, default=0.5, help="seconds that a client stays at most (default 0.5)")
    parser.add_argument("--idle-ms", type=float, default=250, help="after the last client left nothing may be held (default 250)")
    parser.add_argument("--prompt", type=int, default=300, help="tokens at most (default 300)")
    parser.add_argument("--tokens", type=int, default=2000, help="of prompt and answer (default 2000)")
    parser.add_argument("--vocabulary", type=int, default=250, help="prompts are made of ids below it (default 250)")
    parser.add_argument("--kv-memory", default="5M", help="little, so that requests lose their pages (default 5M)")
    parser.add_argument("--threads", type=int, default=1, help="workers of the server (default 1)")
    parser.add_argument("--flags", default="", help="more flags of llmc-run, separated by spaces")
    parser.add_argument("--seed", type=int, default=1)
    served.add_cpu_arguments(parser)
    args = parser.parse_args()
    served.allow_descriptors(4096)
    with tempfile.TemporaryDirectory() as folder:
        trace = pathlib.Path(folder) / "trace.json"
        flags = ["--threads", args.threads, "--max-model-len", args.tokens, "--kv-memory", args.kv_memory, "--max-num-seqs", 32, "--trace", trace]
        with Served([args.engine, *flags, *args.flags.split()], args.server_cpus) as server:
            if args.client_cpus:
                os.sched_setaffinity(0, args.client_cpus)
            before = server.holds()
            took, left, preemptions = asyncio.run(rounds(server, args))
            after = server.holds()
            status = server.end()
        result, faults = judge(took, left, preemptions, ends_in_trace(trace), args)
    for name in ("descriptors", "threads"):
        if after[name] > before[name] + 1:  # the connection that asked for metrics
            faults.append(f"{name}: {before[name]} before, {after[name]} after")
    if status != 0:
        faults.append(f"llmc-run ended with status {status}")
    return served.conclude(result, faults)


if __name__ == "__main__":
    sys.exit(main())
