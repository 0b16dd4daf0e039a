#!/usr/bin/env python3
"""Ten thousand SSE streams of llmc-run at once: no token lost, doubled or out of order against the engine's own tokens and its trace.

Example: many_streams.py tiny.bin --streams 10000 --tokens 64
The server runs with --deterministic, so that a request's tokens are those that it has alone. First every distinct request (prompt
and seed) is answered whole, with its token ids. Then all streams run, from --clients processes; each event brings one id
(`return_token_ids`). Right is a stream with exactly the ids of the whole answer in that order, one finish reason, one [DONE], and
the same number of tokens in the server's --trace. At the end nothing may be held. Exit status 1 if anything is wrong.
"""

import argparse
import asyncio
import json
import math
import multiprocessing
import pathlib
import random
import re
import sys
import tempfile
import time

import served
from served import Served, ends_in_trace, metrics
from sse_client import Client

PATH = "/v1/completions"
IDS = re.compile(rb'"token_ids":\[([0-9,]*)\]')
REASON = re.compile(rb'"finish_reason":"(\w+)"')
KV_POOL = re.compile(r"KV cache +(\d+) pages x (\d+) tokens x (\d+) bytes")


def body_of(which: int, args, **more) -> dict:
    """Request number `which` of the distinct ones: sampled, so that neighbouring tokens differ."""
    chance = random.Random(which)
    prompt = [chance.randrange(3, args.vocabulary) for _ in range(args.prompt)]
    body = {"prompt": prompt, "max_tokens": args.tokens, "ignore_eos": True, "temperature": 1, "seed": which}
    return body | {"return_token_ids": True} | more


class Stream:
    """What came of one stream."""

    def __init__(self, index: int):
        self.index, self.ids, self.reasons, self.dones = index, [], [], 0

    def on_event(self, event: bytes, _now: float):
        if event == b"data: [DONE]":
            self.dones += 1
        for found in IDS.findall(event):
            self.ids += map(int, found.split(b","))
        self.reasons += REASON.findall(event)

    async def run(self, client: Client, body: dict):
        head = f"X-Request-Id: stream-{self.index}\r\n"
        data = client.message("POST", PATH, json.dumps(body).encode(), head)
        self.outcome = await client.send(data, self.on_event)

    def fault(self, wanted: list[int]) -> str:
        if not self.outcome.success:
            return self.outcome.error
        if self.ids != wanted:
            return f"{len(self.ids)} of {len(wanted)} tokens, {sum(a != b for a, b in zip(self.ids, wanted))} of them others"
        if self.reasons != [b"length"] or self.dones != 1:
            return f"finish reasons {self.reasons}, {self.dones} [DONE]"
        return ""


def client_process(url: str, indices: range, wanted: list, args, go, results):
    """Runs its streams at once and reports faults and times."""

    async def everybody():
        client = Client(url)
        streams = [Stream(i) for i in indices]
        tasks = []
        for i in range(0, len(streams), 250):  # the kernel's backlog is 4,096 at most
            tasks += [asyncio.create_task(s.run(client, body_of(s.index % args.distinct, args, stream=True))) for s in streams[i : i + 250]]
            await asyncio.sleep(0.01)
        await asyncio.gather(*tasks)
        client.close()
        return streams

    go.wait()
    streams = asyncio.run(everybody())
    faults = [(s.index, fault) for s in streams if (fault := s.fault(wanted[s.index % args.distinct]))]
    results.put((faults, [s.outcome.ttft for s in streams], sum(len(s.ids) for s in streams)))


async def whole_answers(url: str, args) -> list[list[int]]:
    client, places = Client(url), asyncio.Semaphore(64)

    async def one(which: int) -> list[int]:
        async with places:
            answer = await client.post(PATH, body_of(which, args))
        if not answer.success:
            raise SystemExit(answer.error)
        return json.loads(answer.body)["choices"][0]["token_ids"]

    wanted = await asyncio.gather(*(one(i) for i in range(args.distinct)))
    client.close()
    return wanted


async def watch(server: Served, processes: list, results, parts: list, kv_bytes: int) -> tuple[int, int]:
    """The most requests that were answered at once, and the most resident memory without the KV pool, until all clients have told."""
    client, most, resident = Client(server.url), 0, 0
    while len(parts) < len(processes):
        if any(p.exitcode for p in processes):
            raise SystemExit("a client process has failed")
        while not results.empty():
            parts.append(results.get())
        most = max(most, json.loads((await client.get("/load")).body)["server_load"])
        resident = max(resident, server.resident_kib(kv_bytes))
        await asyncio.sleep(0.02)  # 600 streams of 48 tokens may be over after half a second
    client.close()
    return most, resident


async def held(url: str) -> dict:
    client = Client(url)
    now = await metrics(client)
    client.close()
    return {name: now["vllm:" + name] for name in ("num_requests_running", "num_requests_waiting", "kv_cache_usage_perc")}


def load(server: Served, wanted: list, args, kv_bytes: int) -> dict:
    context = multiprocessing.get_context("fork")
    go, results = context.Event(), context.Queue()
    ranges = [range(i, args.streams, args.clients) for i in range(args.clients)]
    processes = [context.Process(target=client_process, args=(server.url, r, wanted, args, go, results)) for r in ranges]
    for process in processes:
        process.start()
    before, begin = server.resident_kib(kv_bytes), time.monotonic()
    go.set()
    parts: list = []
    most, resident = asyncio.run(watch(server, processes, results, parts, kv_bytes))
    seconds = time.monotonic() - begin
    firsts = sorted(t for part in parts for t in part[1])
    return {
        "streams": args.streams, "at_once": most, "tokens": sum(part[2] for part in parts), "seconds": round(seconds, 2),
        "tokens_per_s": round(sum(part[2] for part in parts) / seconds), "kib_per_stream": round((resident - before) / args.streams, 1),
        "median_ttft_s": round(firsts[len(firsts) // 2], 2), "faults": [fault for part in parts for fault in part[0]],
    }


def check(result: dict, ended: dict, left: dict, args) -> list[str]:
    faults = [f"stream {index}: {fault}" for index, fault in result["faults"]]
    for i in range(args.streams):
        end = ended.get(f"stream-{i}")
        if not end or (end.reason, end.tokens) != ("length", args.tokens):
            faults.append(f"stream {i}: the engine's log says {end}")
    if result["at_once"] < 0.9 * args.streams:
        faults.append(f"only {result['at_once']} streams were there at once: give more --tokens")
    faults += [f"{name} is {value} at the end" for name, value in left.items() if value]
    if result["kib_per_stream"] > args.kib:
        faults.append(f"{result['kib_per_stream']} KiB a stream")
    return faults


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("engine", type=pathlib.Path)
    parser.add_argument("--streams", type=int, default=10_000, help="default 10000")
    parser.add_argument("--tokens", type=int, default=64, help="of each answer (default 64)")
    parser.add_argument("--prompt", type=int, default=12, help="tokens (default 12)")
    parser.add_argument("--distinct", type=int, default=500, help="different requests (default 500)")
    parser.add_argument("--clients", type=int, default=2, help="processes (default 2)")
    parser.add_argument("--threads", type=int, default=2, help="workers of the server (default 2)")
    parser.add_argument("--vocabulary", type=int, default=250, help="prompts are made of ids below it (default 250)")
    parser.add_argument("--kib", type=float, default=64, help="resident memory a stream at most, without the KV pool (default 64)")
    parser.add_argument("--server-cpus", type=served.cpus, help="such as 0-2; default: all")
    args = parser.parse_args()
    if args.tokens < 2 or len({tuple(body_of(i, args)["prompt"]) for i in range(args.distinct)}) < args.distinct:
        parser.error("--tokens must be 2 at least, and --prompt long enough for so many --distinct prompts")
    served.allow_descriptors(args.streams + 512)
    context = args.prompt + args.tokens
    with tempfile.TemporaryDirectory() as folder:
        trace = pathlib.Path(folder) / "trace.json"
        flags = ["--threads", args.threads, "--deterministic", "--no-prefix-cache", "--max-model-len", context, "--trace", trace]
        flags += ["--max-num-seqs", args.streams, "--max-queue", args.streams, "--max-num-batched-tokens", max(512, args.streams + 2)]
        with Served([args.engine, *flags], args.server_cpus) as server:
            kv_bytes = math.prod(map(int, KV_POOL.search(server.screen).groups()))
            wanted = asyncio.run(whole_answers(server.url, args))
            result = load(server, wanted, args, kv_bytes)
            left = asyncio.run(held(server.url))
            if (status := server.end()) != 0:
                raise SystemExit(f"llmc-run ended with status {status}")
        faults = check(result, ends_in_trace(trace), left, args)
    return served.conclude({k: v for k, v in result.items() if k != "faults"} | {"wrong": len(faults)}, faults, shown=20)


if __name__ == "__main__":
    sys.exit(main())
