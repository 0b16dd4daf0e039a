#!/usr/bin/env python3
"""Ten thousand connections that are silent or send a byte a second, beside honest clients of llmc-run.

Example: slow_clients.py tiny.bin --slow 10000
A quarter each says nothing, sends a head, sends a body, or stays after an answer. First the honest ones are alone, then beside the slow ones.
Every honest answer must come whole; p99 of their first token and of /health stay under the bounds below; slow ones are cut by the server's
timeouts (heads 10 s, bodies 30 s, silence 60 s: then another takes the place), none earlier, none later. Exit status 1 otherwise.
"""

import argparse
import asyncio
import collections
import multiprocessing
import os
import pathlib
import selectors
import socket
import sys
import time
import urllib.parse

import served
from report import percentile
from served import Served
from sse_client import Client

HEAD = b"GET /health HTTP/1.1\r\nHost: localhost\r\n"
BODY = b"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n"
LINE = b"X-Slow: " + b"x" * 90 + b"\r\n"
# kind: what is sent at once, what drips, seconds until it is cut, how it is told
KINDS = {"silent": (b"", b"", 60, b""), "head": (b"", HEAD + LINE * 50, 10, b"HTTP/1.1 408 "), "body": (BODY, b" " * 99_000, 30, b"HTTP/1.1 408 "),
         "kept": (HEAD + b"\r\n", b"", 60, b"")}


class Slow:
    """One connection; another one takes its place when it has been cut."""

    def __init__(self, index: int, address: tuple, selector, ends: dict):
        self.index, self.kind = index, list(KINDS)[index % len(KINDS)]
        self.address, self.selector, self.ends = address, selector, ends
        self.open()

    def open(self):
        # A source address each few thousand: one has 28,000 ports, and those of closed connections rest for a minute.
        self.sock = socket.create_connection(self.address, timeout=30, source_address=(f"127.0.0.{2 + self.index % 8}", 0))
        self.sock.setblocking(False)
        first, self.drip, _, _ = KINDS[self.kind]
        self.sent, self.asked = 0, self.kind == "kept"
        self.begin = self.seen = time.monotonic()  # the server's time begins between these: before it was sent and when it was answered
        if first:
            self.sock.send(first)
        self.selector.register(self.sock, selectors.EVENT_READ, self)

    def send_byte(self):
        if self.sent < len(self.drip):
            try:
                self.sock.send(self.drip[self.sent : self.sent + 1])
            except OSError:  # cut a moment ago: its answer tells
                return
            if not self.sent and self.kind == "head":
                self.begin = self.seen = time.monotonic()
            self.sent += 1

    def on_readable(self):
        try:
            answer = self.sock.recv(4096)
        except ConnectionError as error:
            answer = repr(error).encode()
        if self.asked and answer.startswith(b"HTTP/1.1 200 "):
            self.asked, self.seen = False, time.monotonic()
            return
        wanted = KINDS[self.kind][3]
        right = answer.startswith(wanted) if wanted else not answer
        now = time.monotonic()
        self.ends[self.kind].append((now - self.begin, now - self.seen) if right else answer[:60])
        self.selector.unregister(self.sock)
        self.sock.close()
        self.open()


def slow_process(address: tuple, count: int, opened, over, results):
    """Holds `count` connections until `over`; then seconds after which those that were cut were, of each kind."""
    selector, ends = selectors.DefaultSelector(), collections.defaultdict(list)
    everybody = [Slow(i, address, selector, ends) for i in range(count)]
    opened.set()
    turn, slots = 0, 20  # of a second
    due = time.monotonic()
    while not over.is_set():
        for key, _ in selector.select(max(0.0, due - time.monotonic())):
            key.data.on_readable()
        if time.monotonic() >= due:
            for one in everybody[turn::slots]:
                one.send_byte()
            turn, due = (turn + 1) % slots, max(due + 1 / slots, time.monotonic() - 1)
    results.put(dict(ends))


async def honest(url: str, clients: int, seconds: float, pause: float, tokens: int, after=lambda: None) -> dict:
    """Clients that ask, read, and rest; one that asks for /health. `after` is called twice a second."""
    client, end, wholes, firsts, health = Client(url), time.monotonic() + seconds, [], [], []

    async def one(index: int):
        await asyncio.sleep(pause * index / clients)
        while time.monotonic() < end:
            body = {"prompt": [1 + index % 200], "max_tokens": tokens, "ignore_eos": True, "stream": True, "stream_options": {"include_usage": True}}
            outcome = await client.post("/v1/completions", body)
            wholes.append(outcome.success and outcome.done and outcome.output_tokens == tokens)
            firsts.append(outcome.ttft if wholes[-1] else seconds)
            await asyncio.sleep(pause)

    async def ask_health():
        while time.monotonic() < end:
            outcome = await client.get("/health")
            health.append(outcome.latency if outcome.status == 200 else seconds)
            await asyncio.sleep(0.05)

    async def look():
        while time.monotonic() < end:
            after()
            await asyncio.sleep(0.5)

    await asyncio.gather(ask_health(), look(), *(one(i) for i in range(clients)))
    client.close()
    ms = lambda values, p: round(percentile(values, p) * 1e3, 2)
    return {"answers": len(wholes), "whole": sum(wholes), "ttft_ms": ms(firsts, 50), "ttft_p99_ms": ms(firsts, 99), "health_p99_ms": ms(health, 99)}


def scenario(url: str, resident, args) -> tuple[dict, dict]:
    """The result, and when which slow ones were cut. `resident`: the server's memory in KiB."""
    ask = lambda seconds, after: asyncio.run(honest(url, args.honest, seconds, args.pause, args.tokens, after))
    seen: list[int] = []
    alone = ask(args.alone, lambda: None)
    before, parts = resident(), urllib.parse.urlsplit(url)
    context = multiprocessing.get_context("fork")
    opened, over, results = context.Event(), context.Event(), context.Queue()
    child = context.Process(target=slow_process, args=((parts.hostname, parts.port), args.slow, opened, over, results))
    child.start()
    try:
        while not opened.wait(0.1):
            if child.exitcode is not None:
                raise SystemExit("the slow clients could not connect")
        beside = ask(args.beside, lambda: seen.append(resident()))
        over.set()
        ends = results.get(timeout=60)
    finally:
        over.set()
        child.join(10)
        child.kill()
    result = {"slow": args.slow, "kib_per_slow": round((max(seen) - before) / args.slow, 2), "alone": alone, "beside": beside}
    return result, ends


def check(result: dict, ends: dict, args) -> list[str]:
    """`args.rate`: how much faster the server's clock is; `args.late`: seconds of it that a timeout may come later."""
    alone, beside = result["alone"], result["beside"]
    faults = [f"{part['answers'] - part['whole']} honest answers were not whole" for part in (alone, beside) if part["whole"] < part["answers"]]
    bound = alone["ttft_p99_ms"] * args.share + args.slack_ms
    if beside["ttft_p99_ms"] > bound:
        faults.append(f"p99 of the first token is {beside['ttft_p99_ms']} ms, bound {bound:.1f}")
    if beside["health_p99_ms"] > args.health_ms:
        faults.append(f"p99 of /health is {beside['health_p99_ms']} ms, bound {args.health_ms}")
    if result["kib_per_slow"] > args.kib:
        faults.append(f"{result['kib_per_slow']} KiB a connection, bound {args.kib}")
    result["cut"] = {}
    for kind, (_, _, seconds, _) in KINDS.items():
        times = [t for t in ends.get(kind, []) if not isinstance(t, bytes)]
        other = [t for t in ends.get(kind, []) if isinstance(t, bytes)]
        result["cut"][kind] = {"count": len(times)}
        if other:
            faults.append(f"{kind}: {len(other)} ended otherwise: {collections.Counter(other).most_common(3)}")
        if times:
            # A client that reads its answer late counts too little from there, and too much from the question.
            first, last = min(longest for longest, _ in times) * args.rate, max(shortest for _, shortest in times) * args.rate
            result["cut"][kind]["s"] = [round(first, 1), round(last, 1)]
            if first < seconds - 1 or last > seconds + args.late:
                faults.append(f"{kind}: cut after {first:.1f} to {last:.1f} s, not {seconds}")
        # All of those that were opened at first are cut, if they were there long enough.
        if args.beside * args.rate > seconds + args.late and len(times) < args.slow // len(KINDS):
            faults.append(f"{kind}: only {len(times)} were cut")
    return faults


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("engine", type=pathlib.Path)
    parser.add_argument("--slow", type=int, default=10_000, help="connections (default 10000)")
    parser.add_argument("--honest", type=int, default=100, help="clients (default 100)")
    parser.add_argument("--pause", type=float, default=1, help="seconds that an honest client rests after an answer (default 1)")
    parser.add_argument("--tokens", type=int, default=16, help="of an honest answer (default 16)")
    parser.add_argument("--alone", type=float, default=20, help="seconds without slow ones (default 20)")
    parser.add_argument("--beside", type=float, default=75, help="seconds with them (default 75: longer than every timeout)")
    parser.add_argument("--share", type=float, default=1.1, help="p99 of the first token at most times that alone (default 1.1)")
    parser.add_argument("--slack-ms", type=float, default=10, help="and so much more (default 10)")
    parser.add_argument("--health-ms", type=float, default=100, help="p99 of /health (default 100)")
    parser.add_argument("--kib", type=float, default=4, help="the server's resident memory a slow connection (default 4)")
    parser.add_argument("--late", type=float, default=5, help="seconds that a timeout may be late (default 5)")
    parser.add_argument("--threads", type=int, default=1, help="workers of the server (default 1)")
    served.add_cpu_arguments(parser)
    args = parser.parse_args()
    args.rate = 1
    served.allow_descriptors(args.slow + 512)
    with Served([args.engine, "--threads", args.threads, "--kv-memory", "16M", "--max-num-seqs", 64], args.server_cpus) as server:
        if args.client_cpus:
            os.sched_setaffinity(0, args.client_cpus)
        result, ends = scenario(server.url, server.resident_kib, args)
        status = server.end()
    faults = check(result, ends, args)
    if status != 0:
        faults.append(f"llmc-run ended with status {status}")
    return served.conclude(result, faults)


if __name__ == "__main__":
    sys.exit(main())
