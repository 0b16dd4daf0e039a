"""llmc-run's server and llama.cpp's own on the same weights, cores, prompts and client, in rounds of fresh processes.

Example: serve_side_by_side.py --engine engine.bin --q4-0 SmolLM2.Q4_0.gguf --llama-server .venv/llama.cpp/build/bin/llama-server
Each round runs every contestant once, in turning order. The client has cores of its own. llama.cpp counts at its best:
weights as Q4_0, slots and context that fit the load, flash attention on and off. Cases: streams (32 at once, 128 tokens in
and out), prefix (64 requests with 1,000 common tokens, one after another), long (what a prompt of 2,000 tokens does to 8
running streams), start (process to /v1/models), idle (CPU).
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
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "examples" / "bench_serve"))

import bench_serve  # noqa: E402
import inputs  # noqa: E402
import machine  # noqa: E402
import report  # noqa: E402
import workload  # noqa: E402
from serve_contestants import Running, llama_server, ours  # noqa: E402
from sse_client import Client  # noqa: E402

PATH = "/v1/completions"


class Session:
    """A client of one running server, with token ids of the text."""

    def __init__(self, server: Running, seed: int):
        self.client, self.chance = Client(server.url), random.Random(seed)

    async def open(self):
        self.model = await bench_serve.model_of(self.client)
        text = workload.TEXT.read_text()
        self.source = workload.Source(await workload.tokens_of(self.client, self.model, text), text, self.chance)
        await self.ask(self.source.piece(64), 8)  # the first request pays for pages that nobody has touched yet
        return self

    def body(self, prompt: list, tokens: int) -> dict:
        fields = {"model": self.model, "prompt": prompt, "max_tokens": tokens, "temperature": 0, "ignore_eos": True}
        return fields | {"stream": True, "stream_options": {"include_usage": True}}

    async def ask(self, prompt: list, tokens: int, on_event=None):
        outcome = await self.client.post(PATH, self.body(prompt, tokens), on_event)
        if not outcome.success:
            raise SystemExit(f"{self.client.host}:{self.client.port}: {outcome.error}")
        return outcome


async def streams(server, seed, args) -> dict:
    session = await Session(server, seed).open()
    requests = workload.make(workload.Mix(input_len=128, output_len=128), args.requests, session.source, session.chance)
    make_body = lambda r: session.body(r.prompt, r.output_len)
    outcomes, duration = await bench_serve.run(session.client, requests, make_body, PATH, 32)
    session.client.close()
    result = report.summary(outcomes, duration, {}, [99])
    if result["failed"] or result["total_output_tokens"] != 128 * args.requests:
        raise SystemExit(f"{server.contestant.name}: {result['failed']} failed, {result['total_output_tokens']} tokens")
    return {
        "throughput": result["output_throughput"],
        "itl p99": result["p99_itl_ms"],
        "itl median": result["median_itl_ms"],
        "ttft p99": result["p99_ttft_ms"],
        "ttft median": result["median_ttft_ms"],
    }


async def prefix(server, seed, args) -> dict:
    """One request computes the prefix; the others follow one by one."""
    session = await Session(server, seed).open()
    common = session.source.piece(1000)
    outcomes = [await session.ask(common + session.source.piece(24), 4) for _ in range(64)]
    session.client.close()
    first, later = outcomes[0].ttft * 1e3, [o.ttft * 1e3 for o in outcomes[1:]]
    hits = sum(o.cached_tokens for o in outcomes) / sum(o.input_tokens for o in outcomes)
    result = {"ttft first": first, "ttft later median": statistics.median(later), "ttft later p99": report.percentile(later, 99)}
    return result | {"later / first": statistics.median(later) / first, "hit rate": hits}


async def long(server, seed, args) -> dict:
    """Gaps of 8 running streams while nothing enters, and while a prompt of 2,000 tokens is on its way to its first token."""
    session = await Session(server, seed).open()
    gaps: list[tuple[float, float]] = []  # (end, seconds)

    def watch():
        last = [0.0]

        def on_event(event, now):
            if last[0]:
                gaps.append((now, now - last[0]))
            last[0] = now

        return on_event

    running = [asyncio.create_task(session.ask(session.source.piece(64), 1900, watch())) for _ in range(8)]
    await asyncio.sleep(2)
    windows, firsts = [], []
    for _ in range(4):
        await asyncio.sleep(0.4)
        begin = time.perf_counter()
        outcome = await session.ask(session.source.piece(2000), 1)
        windows.append((begin, begin + outcome.ttft))
        firsts.append(outcome.ttft * 1e3)
    busy = not any(task.done() for task in running)
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)
    session.client.close()
    if not busy:
        raise SystemExit(f"{server.contestant.name}: the streams ended before the prompts had entered")
    # A gap belongs to the prompt if any part of it lies in a window.
    during = [g * 1e3 for end, g in gaps if any(a < end and end - g < b for a, b in windows)]
    quiet = [g * 1e3 for end, g in gaps if not any(a < end and end - g < b for a, b in windows)]
    quiet = quiet[8 * 10 :]  # the first tokens come while the streams' own prompts are computed
    result = {"quiet itl median": statistics.median(quiet), "quiet itl p99": report.percentile(quiet, 99)}
    result |= {"itl p99 while it enters": report.percentile(during, 99), "ttft of the prompt": statistics.median(firsts)}
    result["p99 / quiet p99"] = result["itl p99 while it enters"] / result["quiet itl p99"]
    return result | {"p99 / median just before": percentile_over_before(gaps, windows)}


def percentile_over_before(gaps: list[tuple[float, float]], windows: list[tuple[float, float]]) -> float:
    """The p99 of the gaps in the windows, each as a multiple of the median of the 0.3 s before: the streams' contexts grow meanwhile."""
    ratios = []
    for a, b in windows:
        before = [g for end, g in gaps if a - 0.3 < end - g and end < a]
        if not before:  # nothing came for so long: the prompt before this one still held them up
            continue
        ratios += [g / statistics.median(before) for end, g in gaps if a < end and end - g < b]
    return report.percentile(ratios, 99) if ratios else float("nan")


async def start(server, seed, args) -> dict:
    return {"ms to /v1/models": server.seconds * 1e3}


async def idle(server, seed, args) -> dict:
    session = await Session(server, seed).open()
    session.client.close()
    await asyncio.sleep(1)
    before = server.cpu_seconds()
    await asyncio.sleep(3)
    return {"% of a CPU": (server.cpu_seconds() - before) / 3 * 100}


# name -> (function, sequences, tokens of context a sequence, rounds: None is --rounds)
CASES = {
    "streams": (streams, 32, 320, None),
    "prefix": (prefix, 2, 1280, 1),
    "long": (long, 9, 2304, 1),
    "start": (start, 2, 512, 5),
    "idle": (idle, 2, 512, 1),
}
HIGHER_IS_BETTER = {"throughput", "hit rate"}


def measure(name: str, sides: list, args) -> dict:
    """contestant -> measure -> values of the rounds."""
    case, sequences, context, rounds = CASES[name]
    found = {side.name: {} for side in sides}
    for turn in range(rounds or args.rounds):
        for side in sides[turn % len(sides) :] + sides[: turn % len(sides)]:
            watch = machine.Watch()
            own = sum(os.times()[:4])
            with Running(side, sequences, context, args.server_cpus) as server:
                sample = asyncio.run(case(server, turn, args))
                sample["others' CPUs"] = watch.others(server.cpu_seconds() + sum(os.times()[:4]) - own)
            for key, value in sample.items():
                found[side.name].setdefault(key, []).append(value)
            print(name, side.name, {k: round(v, 3) for k, v in sample.items()}, file=sys.stderr, flush=True)
    return found


def number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 2 else f"{value:.2f}"


def markdown(result: dict) -> str:
    about = result["machine"]
    lines = [
        f"{about['date']}; {about['cpu']}, {about['cores']} cores, {' '.join(about['flags'])}. Server on CPUs {result['server_cpus']} "
        f"with {result['threads']} threads, client on {result['client_cpus']}. Peer: {result['peer']}, Q4_0. Medians of "
        f"{result['rounds']} interleaved rounds (start: 5; prefix, long, idle: 1); ms unless said otherwise.",
        "",
    ]
    names = result["contestants"]
    lines += ["| case | what | " + " | ".join(names) + " | ratio to the best |", "| --- | --- |" + " --- |" * (len(names) + 1)]
    for case, sides in result["results"].items():
        for key in next(iter(sides.values())):
            values = {name: statistics.median(sides[name][key]) for name in names}
            others = [v for n, v in values.items() if n != "llmc"]
            ratio = "-"
            if others and "llmc" in values and key != "others' CPUs" and min(others) > 0 and values["llmc"] > 0:
                ratio = number(values["llmc"] / max(others) if key in HIGHER_IS_BETTER else min(others) / values["llmc"])
            cells = [case, key + (", tok/s" if key == "throughput" else ""), *(number(values[n]) for n in names), ratio]
            lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def cpus(text: str) -> set[int]:
    low, _, high = text.partition("-")
    return set(range(int(low), int(high or low) + 1))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--engine", type=pathlib.Path, help="what llmc built")
    parser.add_argument("--q4-0", type=pathlib.Path, help="the same weights as Q4_0 (requantize.py)")
    parser.add_argument("--llama-server", type=pathlib.Path, help="by install_llama_server.sh; without it llmc is alone")
    parser.add_argument("--cases", default=",".join(CASES))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--requests", type=int, default=64, help="of streams, 32 at a time (default 64)")
    parser.add_argument("--threads", type=int, default=3, help="workers of each server (default 3)")
    parser.add_argument("--server-cpus", type=cpus, default={0, 1, 2}, help="default 0-2")
    parser.add_argument("--client-cpus", type=cpus, default={3}, help="default 3")
    parser.add_argument("--json", type=pathlib.Path)
    parser.add_argument("--markdown", type=pathlib.Path)
    args = parser.parse_args()
    for path in filter(None, (args.engine, args.llama_server, args.q4_0)):
        inputs.check_file(parser, path)
    if args.llama_server and not args.q4_0:
        parser.error("--llama-server needs --q4-0, the same weights for it")
    if unknown := sorted(set(args.cases.split(",")) - set(CASES)):
        parser.error(f"--cases: no {unknown[0]!r}, only {', '.join(CASES)}")
    for flag, chosen in (("--server-cpus", args.server_cpus), ("--client-cpus", args.client_cpus)):
        inputs.check_cpus(parser, flag, sorted(chosen))
    binary = pathlib.Path(os.environ.get("LLMC_BIN", ROOT / "build" / "bin")) / "llmc-run"
    sides = [ours(binary, args.engine, args.threads)] if args.engine else []
    peer = "none"
    if args.llama_server:
        sides += [llama_server(args.llama_server, args.q4_0, args.threads, flash) for flash in (True, False)]
        told = subprocess.run([args.llama_server, "--version"], capture_output=True, text=True)
        peer = "llama-server " + next(line for line in (told.stdout + told.stderr).splitlines() if "version" in line)
    os.sched_setaffinity(0, args.client_cpus)
    shown = lambda s: f"{min(s)}-{max(s)}" if len(s) > 1 else str(min(s))
    result = {"machine": machine.facts(), "peer": peer, "threads": args.threads, "rounds": args.rounds}
    result |= {"server_cpus": shown(args.server_cpus), "client_cpus": shown(args.client_cpus)}
    result |= {"contestants": [side.name for side in sides], "results": {}}
    for name in args.cases.split(","):
        result["results"][name] = measure(name, sides, args)
        if args.json:
            args.json.write_text(json.dumps(result, indent=1))
    text = markdown(result)
    print(text)
    if args.markdown:
        args.markdown.write_text(text)


if __name__ == "__main__":
    main()
