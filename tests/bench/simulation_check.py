"""Plays a trace against llmc-run's server, simulates the same trace, and prints both side by side.

"simulated" is the mean of simulations just before and after; "replayed" takes the step times of the served run itself from its --trace, so that
a machine that others use meanwhile disturbs both sides alike: what differs then is the simulation, not the machine.

Usage: tests/bench/simulation_check.py ENGINE [--requests N] [--rate R] [--prompt LOW-HIGH] [--output LOW-HIGH] [--threads N]
       [--seed N] [--rounds N] [--within SHARE] [--server-cpus 0-2 --client-cpus 3 | --shared-cpus] [-- FLAGS OF llmc-run]
The client has the last CPU to itself where the server keeps one more than its threads, as --simulate has clients elsewhere
unless it is told --client-us; --shared-cpus has both on all of them.
Exit status 1 if throughput, TTFT or TPOT (BOUND) of the simulation is further from the server's than --within in the
median of the rounds. How far the server's rounds are from each other says what no simulation can come closer than.
"""

import argparse
import asyncio
import json
import os
import pathlib
import random
import statistics
import subprocess
import sys
import tempfile
import time

import machine
import served
from served import Served

BOUND = ("output_throughput", "mean_ttft_ms", "median_ttft_ms", "p99_ttft_ms", "mean_tpot_ms", "median_tpot_ms", "p99_tpot_ms")
ROWS = ("completed", "duration", "output_throughput", "mean_ttft_ms", "median_ttft_ms", "p99_ttft_ms", "mean_tpot_ms",
        "median_tpot_ms", "p99_tpot_ms", "mean_e2el_ms", "p99_e2el_ms")


def make_trace(options) -> list[dict]:
    chance = random.Random(options.seed)
    at, trace = 0.0, []
    for _ in range(options.requests):
        at += chance.expovariate(options.rate)
        trace.append({"time": at, "prompt": chance.randint(*options.prompt), "output": chance.randint(*options.output)})
    return trace


def percentile(values: list[float], share: float) -> float:
    """Of sorted values, linear between neighbours, as the simulation's are and numpy's."""
    place = share * (len(values) - 1)
    below = int(place)
    return values[below] + (place - below) * (values[min(below + 1, len(values) - 1)] - values[below])


def summary(results: list[dict]) -> dict:
    """vLLM's keys from the times of each request."""
    def spread(name, values):
        values = sorted(values)
        at = lambda share: percentile(values, share) * 1e3
        return {f"mean_{name}_ms": sum(values) / len(values) * 1e3, f"median_{name}_ms": at(0.5), f"p99_{name}_ms": at(0.99)}

    begin, end = min(r["sent"] for r in results), max(r["end"] for r in results)
    tokens = sum(r["tokens"] for r in results)
    return {"completed": len(results), "duration": end - begin, "output_throughput": tokens / (end - begin),
            **spread("ttft", [r["first"] - r["sent"] for r in results]),
            **spread("tpot", [(r["end"] - r["first"]) / (r["tokens"] - 1) for r in results if r["tokens"] > 1]),
            **spread("e2el", [r["end"] - r["sent"] for r in results])}


class Answer(asyncio.Protocol):
    """Keeps what comes with its time and reads it when all is there: where the client runs on the server's CPUs, its work is the server's loss."""

    def __init__(self, request: bytes):
        self.request, self.pieces, self.over = request, [], asyncio.get_running_loop().create_future()

    def connection_made(self, transport):
        transport.write(self.request)

    def data_received(self, data):
        self.pieces.append((time.monotonic(), data))

    def connection_lost(self, _):
        self.over.set_result(None)


async def one(port: int, begin: float, item: dict, index: int) -> dict:
    await asyncio.sleep(max(0.0, begin + item["time"] - time.monotonic()))
    chance = random.Random(index)
    ids = [chance.randrange(300, 30000) for _ in range(item["prompt"])]
    body = json.dumps({"model": "m", "prompt": ids, "max_tokens": item["output"], "temperature": 0, "ignore_eos": True,
                       "stream": True}).encode()
    sent = time.monotonic()
    head = (b"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nConnection: close\r\n"
            b"Content-Length: %d\r\n\r\n" % len(body))
    _, answer = await asyncio.get_running_loop().create_connection(lambda: Answer(head + body), "127.0.0.1", port)
    await answer.over
    times = [at for at, piece in answer.pieces if b'data: {"' in piece]
    tokens = sum(piece.count(b'data: {"') for _, piece in answer.pieces)
    if tokens != item["output"]:
        raise SystemExit(f"request {index} got {tokens} of {item['output']} tokens")
    return {"sent": sent, "first": times[0], "end": times[-1], "tokens": tokens}


def costs_of(path: pathlib.Path) -> dict:
    """Step costs from a --trace file: the mean duration of steps with about so many tokens, the warm-up left out."""
    steps = [e for e in json.loads(path.read_text())["traceEvents"] if e["name"] == "step"][16:]
    bins: dict[int, list] = {}
    for step in steps:
        bins.setdefault(step["args"]["tokens"].bit_length(), []).append(step)
    mean = lambda values: sum(values) / len(values)
    points = sorted((round(mean([s["args"]["tokens"] for s in group])), mean([s["dur"] for s in group]) / 1e6) for group in bins.values())
    return {"tokens": points, "rows": [], "per_attended": 0, "per_attended_alone": 0, "per_moved_page": 0}  # serving is in them


def play(options, trace: list[dict], record: pathlib.Path) -> dict:
    """summary(), and client_us: what this process's CPU time comes to for a token, which --simulate cannot know."""
    flags = [options.engine, "--served-model-name", "m", "--trace", record, *options.flags]
    with Served(flags, options.server_cpus) as server:
        port = int(server.url.rsplit(":", 1)[1])

        async def everybody():
            await one(port, time.monotonic(), {"time": 0, "prompt": 64, "output": 16}, -1)  # first use of pages and threads
            begin, worked = time.monotonic() + 0.2, time.process_time()
            results = await asyncio.gather(*(one(port, begin, item, i) for i, item in enumerate(trace)))
            return results, time.process_time() - worked

        results, worked = asyncio.run(everybody())
        server.end()
        return summary(results) | {"client_us": worked * 1e6 / sum(r["tokens"] for r in results)}


def simulate(options, trace: list[dict], folder: pathlib.Path, costs: dict | None = None) -> dict:
    load, cost = folder / "load.jsonl", folder / "cost.json"
    load.write_text("".join(json.dumps(item) + "\n" for item in trace))
    command = [served.PROGRAM, options.engine, "--simulate", load, "--json", *options.flags]
    if costs:
        cost.write_text(json.dumps(costs))
        command += ["--step-cost", cost]
    elif options.client_us:
        command += ["--client-us", str(options.client_us)]
    pin = lambda: os.sched_setaffinity(0, options.server_cpus or os.sched_getaffinity(0))
    return json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True, preexec_fn=pin).stdout)


def between(before: dict, after: dict) -> dict:
    """In the middle of two simulations: a shared machine's speed drifts within a minute."""
    return {row: (before[row] + after[row]) / 2 for row in ROWS}


def one_round(options, trace: list[dict], folder: pathlib.Path, before: dict) -> tuple[dict, dict, dict, dict]:
    """Served, simulated before and after in the mean, replayed with its own step times; and the simulation after it."""
    machine.wait_quiet(0.2, 20)
    real = play(options, trace, folder / "trace.json")
    after = simulate(options, trace, folder)
    return real, between(before, after), simulate(options, trace, folder, costs_of(folder / "trace.json")), after


def main() -> int:
    span = lambda text: tuple(map(int, text.split("-")))
    parser = argparse.ArgumentParser()
    parser.add_argument("engine")
    parser.add_argument("--requests", type=int, default=200)
    parser.add_argument("--rate", type=float, default=3)
    parser.add_argument("--prompt", type=span, default=(64, 256))
    parser.add_argument("--output", type=span, default=(32, 128))
    parser.add_argument("--threads", default="2")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--within", type=float, default=0.15)
    parser.add_argument("--server-cpus", type=served.cpus)
    parser.add_argument("--client-cpus", type=served.cpus)
    parser.add_argument("--shared-cpus", action="store_true")
    parser.add_argument("flags", nargs="*")
    options = parser.parse_args()
    options.flags += ["--threads", options.threads]
    mine = sorted(os.sched_getaffinity(0))
    if not (options.client_cpus or options.server_cpus or options.shared_cpus) and len(mine) >= int(options.threads) + 2:
        options.server_cpus, options.client_cpus = set(mine[:-1]), set(mine[-1:])
    if options.client_cpus:
        options.server_cpus = options.server_cpus or os.sched_getaffinity(0)
        os.sched_setaffinity(0, options.client_cpus)
    trace = make_trace(options)
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        watch, begun, rounds = machine.Watch(), sum(os.times()[:4]), []
        elsewhere = options.client_cpus and not options.client_cpus & options.server_cpus
        options.client_us = 0 if elsewhere else play(options, trace[:12], folder / "trace.json")["client_us"]
        before = simulate(options, trace, folder)
        for _ in range(options.rounds):
            *one, before = one_round(options, trace, folder, before)
            rounds.append(one)
        client = "had a CPU of its own" if elsewhere else f"took {options.client_us:.0f} us a token on the server's CPUs"
        print(f"others used {watch.others(sum(os.times()[:4]) - begun):.2f} CPUs; {options.rounds} rounds, medians; the client {client}")
    middle = lambda values: statistics.median(values)
    print(f"{'':20} {'served':>10} {'simulated':>10} {'':>8} {'replayed':>10} {'':>8}  simulated, each round; the server's rounds")
    far = []
    for row in ROWS:
        off, replays = ([sides[k][row] / sides[0][row] - 1 for sides in rounds] for k in (1, 2))
        real, simulated, replayed = (middle([sides[k][row] for sides in rounds]) for k in range(3))
        each = " ".join(f"{share:+.0%}" for share in off)
        served_each = [sides[0][row] for sides in rounds]
        own = f"; {max(served_each) / min(served_each) - 1:.1%} apart" if len(rounds) > 1 else ""  # the server from itself
        print(f"{row:20} {real:10.1f} {simulated:10.1f} {middle(off):+8.1%} {replayed:10.1f} {middle(replays):+8.1%}  {each}{own}")
        if row in BOUND and abs(middle(off)) > options.within:
            far.append(f"FAULT {row} is {middle(off):+.1%} off{own}")
    print("\n".join(far))
    return 1 if far else 0


if __name__ == "__main__":
    sys.exit(main())
