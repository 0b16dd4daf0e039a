#!/usr/bin/env python3
"""Ten times the load that llmc-run can carry: how soon it says 429, and what is left of its throughput.

Example: overload.py engine.bin --server-cpus 0-2 --client-cpus 3 --threads 3
First the peak: as many clients as sequences run and wait, each asking again when it has its answer. Then requests arrive at
--times that rate, as a Poisson process, whatever comes of them. Each is answered whole or refused with 429 and Retry-After. Goodput
counts the tokens of whole answers, from the first request to the last token. Exit status 1 beyond --late or below --share.
"""

import argparse
import asyncio
import json
import os
import pathlib
import random
import sys
import time

import machine
import served
from served import Served
from report import percentile
from sse_client import Client

PATH = "/v1/completions"


def body_of(chance: random.Random, args) -> dict:
    prompt = [chance.randrange(3, args.vocabulary) for _ in range(args.prompt)]
    fields = {"prompt": prompt, "max_tokens": args.tokens, "temperature": 0, "ignore_eos": True}
    return fields | {"stream": True, "stream_options": {"include_usage": True}}


def whole(outcome, args) -> bool:
    return outcome.success and outcome.done and outcome.output_tokens == args.tokens


async def peak(url: str, args) -> tuple[float, float]:
    """Tokens and requests a second of a closed loop that keeps every place taken, its first and last answers left out."""
    client, chance, ends = Client(url), random.Random(1), []
    end = time.perf_counter() + args.seconds

    async def worker():
        while time.perf_counter() < end:
            outcome = await client.post(PATH, body_of(chance, args))
            if not whole(outcome, args):
                raise SystemExit(f"at the peak: {outcome.error or 'an answer was cut'}")
            ends.append(time.perf_counter())

    await asyncio.gather(*(worker() for _ in range(3 * args.sequences // 2)))
    client.close()
    ends = sorted(e for e in ends if e <= end)[args.sequences :]
    if len(ends) < 2 * args.sequences:
        raise SystemExit(f"at the peak: {len(ends)} answers in {args.seconds:g} s, behind the first {args.sequences}, say nothing; give more --seconds or fewer --tokens")
    rate = (len(ends) - 1) / (ends[-1] - ends[0])
    return rate * args.tokens, rate


async def flood(url: str, rate: float, args) -> tuple[list, float]:
    """Outcomes, and seconds from the first request to the end of the last answer."""
    client, chance, tasks = Client(url), random.Random(2), []
    begin = at = time.perf_counter()
    while at < begin + args.seconds:
        at += chance.expovariate(rate)
        data = client.message("POST", PATH, json.dumps(body_of(chance, args)).encode())
        await asyncio.sleep(max(0.0, at - time.perf_counter()))
        tasks.append(asyncio.create_task(client.send(data)))
    outcomes = await asyncio.gather(*tasks)
    client.close()
    return outcomes, max(o.start + o.latency for o in outcomes) - begin


def judge(outcomes: list, took: float, best: float, rate: float, args) -> tuple[dict, list[str]]:
    refused = [o for o in outcomes if o.status == 429]
    good = sum(whole(o, args) for o in outcomes)
    late = sorted(o.first_byte * 1e3 for o in refused)
    result = {
        "peak_tokens_per_s": round(best), "times": args.times, "arrivals_per_s": round(rate * args.times, 1), "requests": len(outcomes), "whole": good,
        "refused": len(refused), "goodput_tokens_per_s": round(good * args.tokens / took), "goodput_of_peak": round(good * args.tokens / took / best, 3),
        "ms_to_429": {name: round(percentile(late, p), 2) for name, p in (("median", 50), ("p99", 99), ("most", 100))} if late else {},
        "ttft_ms_of_admitted_median": round(percentile([o.ttft * 1e3 for o in outcomes if whole(o, args)], 50)),
    }
    faults = []
    if good + len(refused) < len(outcomes):
        faults.append(f"{len(outcomes) - good - len(refused)} requests were neither answered whole nor refused")
    if not refused or not all(o.headers.get("retry-after", "").isdigit() for o in refused):
        faults.append("no request was refused, or one without Retry-After")
    elif result["ms_to_429"]["p99"] > args.late:
        faults.append(f"p99 of the time to a 429 is {result['ms_to_429']['p99']} ms, above {args.late}")
    if result["goodput_of_peak"] < args.share:
        faults.append(f"goodput is {result['goodput_of_peak']} of the peak, below {args.share}")
    return result, faults


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("engine", type=pathlib.Path)
    parser.add_argument("--seconds", type=float, default=30, help="of the peak, and of the flood (default 30)")
    parser.add_argument("--times", type=float, default=10, help="arrivals over those that fit (default 10)")
    parser.add_argument("--sequences", type=int, default=32, help="that run together (default 32)")
    parser.add_argument("--queue", type=int, default=64, help="requests that may wait (default 64)")
    parser.add_argument("--prompt", type=int, default=64, help="tokens (default 64)")
    parser.add_argument("--tokens", type=int, default=64, help="of an answer (default 64)")
    parser.add_argument("--vocabulary", type=int, default=30_000, help="prompts are made of ids below it (default 30000)")
    parser.add_argument("--threads", type=int, default=3, help="workers of the server (default 3)")
    parser.add_argument("--late", type=float, default=10, help="ms to a 429 at the 99th percentile (default 10)")
    parser.add_argument("--share", type=float, default=0.9, help="goodput over the peak, at least (default 0.9)")
    served.add_cpu_arguments(parser)
    args = parser.parse_args()
    served.allow_descriptors(16_384)
    flags = ["--threads", args.threads, "--max-num-seqs", args.sequences, "--max-queue", args.queue, "--no-prefix-cache"]
    with Served([args.engine, *flags], args.server_cpus) as server:
        if args.client_cpus:
            os.sched_setaffinity(0, args.client_cpus)
        best, rate = asyncio.run(peak(server.url, args))
        watch, begun = machine.Watch(), sum(os.times()[:4]) + server.cpu_seconds()
        outcomes, took = asyncio.run(flood(server.url, args.times * rate, args))
        others = watch.others(sum(os.times()[:4]) + server.cpu_seconds() - begun)
        status = server.end()
    result, faults = judge(outcomes, took, best, rate, args)
    if status != 0:
        faults.append(f"llmc-run ended with status {status}")
    return served.conclude(result | {"cpus_of_others_meanwhile": round(others, 2)}, faults)


if __name__ == "__main__":
    sys.exit(main())
