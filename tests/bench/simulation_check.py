"""Plays a trace against llmc-run's server, simulates the same trace, and prints both side by side.

"simulated" measures the machine just before; "replayed" takes the step times of the served run itself from its --trace, so that
a machine that others use meanwhile disturbs both sides alike: what differs then is the simulation, not the machine.

Usage: tests/bench/simulation_check.py ENGINE [--requests N] [--rate R] [--prompt LOW-HIGH] [--output LOW-HIGH] [--threads N]
       [--seed N] [--within SHARE] [--server-cpus 0-2] [--client-cpus 3] [-- FLAGS OF llmc-run]
Exit status 1 if throughput, TTFT or TPOT (BOUND) of the simulation is further from the server's than --within.
"""

import argparse
import asyncio
import json
import os
import pathlib
import random
import subprocess
import sys
import tempfile
import time

import machine
import served
from served import Served

BOUND = ("output_throughput", "mean_ttft_ms", "median_ttft_ms", "mean_tpot_ms", "median_tpot_ms")
ROWS = ("completed", "duration", "output_throughput", "mean_ttft_ms", "median_ttft_ms", "p99_ttft_ms", "mean_tpot_ms",
        "median_tpot_ms", "p99_tpot_ms", "mean_e2el_ms", "p99_e2el_ms")


def make_trace(options) -> list[dict]:
    chance = random.Random(options.seed)
    at, trace = 0.0, []
    for _ in range(options.requests):
        at += chance.expovariate(options.rate)
        trace.append({"time": at, "prompt": chance.randint(*options.prompt), "output": chance.randint(*options.output)})
    return trace


def summary(results: list[dict]) -> dict:
    """vLLM's keys from the times of each request."""
    def spread(name, values):
        values = sorted(values)
        at = lambda share: values[int(share * (len(values) - 1) + 0.5)] * 1e3
        return {f"mean_{name}_ms": sum(values) / len(values) * 1e3, f"median_{name}_ms": at(0.5), f"p99_{name}_ms": at(0.99)}

    begin, end = min(r["sent"] for r in results), max(r["end"] for r in results)
    tokens = sum(r["tokens"] for r in results)
    return {"completed": len(results), "duration": end - begin, "output_throughput": tokens / (end - begin),
            **spread("ttft", [r["first"] - r["sent"] for r in results]),
            **spread("tpot", [(r["end"] - r["first"]) / (r["tokens"] - 1) for r in results if r["tokens"] > 1]),
            **spread("e2el", [r["end"] - r["sent"] for r in results])}


async def one(port: int, begin: float, item: dict, index: int) -> dict:
    await asyncio.sleep(max(0.0, begin + item["time"] - time.monotonic()))
    chance = random.Random(index)
    ids = [chance.randrange(300, 30000) for _ in range(item["prompt"])]
    body = json.dumps({"model": "m", "prompt": ids, "max_tokens": item["output"], "temperature": 0, "ignore_eos": True,
                       "stream": True}).encode()
    sent = time.monotonic()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nConnection: close\r\n"
                 b"Content-Length: %d\r\n\r\n" % len(body) + body)
    first = last = 0.0
    tokens = 0
    while line := await reader.readline():
        if line.startswith(b'data: {"'):
            last = time.monotonic()
            first = first or last
            tokens += 1
    writer.close()
    if tokens != item["output"]:
        raise SystemExit(f"request {index} got {tokens} of {item['output']} tokens")
    return {"sent": sent, "first": first, "end": last, "tokens": tokens}


def costs_of(path: pathlib.Path) -> dict:
    """Step costs from a --trace file: the mean duration of steps with about so many tokens, the warm-up left out."""
    steps = [e for e in json.loads(path.read_text())["traceEvents"] if e["name"] == "step"][16:]
    bins: dict[int, list] = {}
    for step in steps:
        bins.setdefault(step["args"]["tokens"].bit_length(), []).append(step)
    mean = lambda values: sum(values) / len(values)
    points = sorted((round(mean([s["args"]["tokens"] for s in group])), mean([s["dur"] for s in group]) / 1e6) for group in bins.values())
    return {"tokens": points, "rows": [], "per_attended": 0, "per_attended_alone": 0, "per_moved_page": 0}


def play(options, trace: list[dict], record: pathlib.Path) -> dict:
    flags = [options.engine, "--served-model-name", "m", "--trace", record, *options.flags]
    with Served(flags, options.server_cpus) as server:
        port = int(server.url.rsplit(":", 1)[1])

        async def everybody():
            await one(port, time.monotonic(), {"time": 0, "prompt": 64, "output": 16}, -1)  # first use of pages and threads
            begin = time.monotonic() + 0.2
            return await asyncio.gather(*(one(port, begin, item, i) for i, item in enumerate(trace)))

        results = asyncio.run(everybody())
        server.end()
        return summary(results)


def simulate(options, trace: list[dict], folder: pathlib.Path, costs: dict | None = None) -> dict:
    load, cost = folder / "load.jsonl", folder / "cost.json"
    load.write_text("".join(json.dumps(item) + "\n" for item in trace))
    command = [served.PROGRAM, options.engine, "--simulate", load, "--json", *options.flags]
    if costs:
        cost.write_text(json.dumps(costs))
        command += ["--step-cost", cost]
    pin = lambda: os.sched_setaffinity(0, options.server_cpus or os.sched_getaffinity(0))
    return json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True, preexec_fn=pin).stdout)


def undisturbed(what: str, run, tries: int = 3):
    """What `run` gives while others leave the CPUs alone; after so many tries, all the same, and it says so."""
    for attempt in range(tries):
        machine.wait_quiet(0.2, 20)
        watch, before = machine.Watch(), os.times()
        result = run()
        after = os.times()  # of this process and of the children that have ended
        others = watch.others(sum(after[:4]) - sum(before[:4]))
        print(f"{what}: others used {others:.2f} CPUs meanwhile")
        if others < 0.3:
            break
    return result


def main() -> int:
    span = lambda text: tuple(map(int, text.split("-")))
    parser = argparse.ArgumentParser()
    parser.add_argument("engine")
    parser.add_argument("--requests", type=int, default=60)
    parser.add_argument("--rate", type=float, default=3)
    parser.add_argument("--prompt", type=span, default=(64, 256))
    parser.add_argument("--output", type=span, default=(32, 128))
    parser.add_argument("--threads", default="2")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--within", type=float, default=0.15)
    parser.add_argument("--server-cpus", type=served.cpus)
    parser.add_argument("--client-cpus", type=served.cpus)
    parser.add_argument("flags", nargs="*")
    options = parser.parse_args()
    options.flags += ["--threads", options.threads]
    if options.client_cpus:
        options.server_cpus = options.server_cpus or os.sched_getaffinity(0)
        os.sched_setaffinity(0, options.client_cpus)
    trace = make_trace(options)
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        simulated = undisturbed("measuring", lambda: simulate(options, trace, folder))
        real = undisturbed("serving", lambda: play(options, trace, folder / "trace.json"))
        replayed = simulate(options, trace, folder, costs_of(folder / "trace.json"))
    print(f"{'':20} {'served':>10} {'simulated':>10} {'':>8} {'replayed':>10}")
    for row in ROWS:
        share = lambda side: f"{side[row] / real[row] - 1:+8.1%}"
        print(f"{row:20} {real[row]:10.1f} {simulated[row]:10.1f} {share(simulated)} {replayed[row]:10.1f} {share(replayed)}")
    far = [row for row in BOUND if abs(simulated[row] / real[row] - 1) > options.within]
    for row in far:
        print(f"FAULT {row} is {simulated[row] / real[row] - 1:+.1%} off")
    return 1 if far else 0


if __name__ == "__main__":
    sys.exit(main())
