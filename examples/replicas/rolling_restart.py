#!/usr/bin/env python3
"""Restarts two replicas of llmc-run one after the other under load, behind nginx and behind HAProxy; no request may fail.

Usage: rolling_restart.py --engine ENGINE [--llmc-run PROGRAM] [--proxy nginx|haproxy|both] [--clients N]
Every client streams answers all the time; each must be whole: all its tokens, one [DONE], no error, no second try by the
client. Tokens must come while the answer is made, not in one heap at its end. Exit status 1 if anything was lost.
"""

import argparse
import asyncio
import json
import pathlib
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "bench_serve"))

from sse_client import Client  # noqa: E402

REPLICAS, PROXIES = (8101, 8102), {"nginx": 8110, "haproxy": 8120}


class Replica:
    def __init__(self, args, port: int):
        self.command = [args.llmc_run, args.engine, "--port", port, "--served-model-name", "m", "--max-num-seqs", 32]
        self.command += ["--threads", args.threads, "--drain-seconds", 30]
        self.port, self.starts = port, 0

    async def start(self):
        self.child = subprocess.Popen([str(c) for c in self.command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.starts += 1
        client, end = Client(f"http://127.0.0.1:{self.port}"), time.monotonic() + 30
        while (await client.get("/ready")).status != 200:
            if self.child.poll() is not None or time.monotonic() > end:
                raise SystemExit(f"the replica on port {self.port} does not become ready; is the port taken?")
            await asyncio.sleep(0.02)
        client.close()

    async def restart(self) -> float:
        """Seconds from the signal until it serves again."""
        begin = time.monotonic()
        self.child.send_signal(signal.SIGTERM)
        while self.child.poll() is None:
            await asyncio.sleep(0.01)
        if self.child.returncode != 0:
            raise SystemExit(f"the replica on port {self.port} ended with status {self.child.returncode}")
        await self.start()
        return time.monotonic() - begin

    async def tokens(self) -> float:
        client = Client(f"http://127.0.0.1:{self.port}")
        text = (await client.get("/metrics")).body.decode()
        client.close()
        return sum(float(t.rsplit(" ", 1)[1]) for t in text.splitlines() if t.startswith("vllm:generation_tokens_total{"))

    async def served(self, patience: float = 30) -> float:
        """Tokens since its start; waits for the first: on a busy machine the answers of the other replica take long, and only the next requests come here."""
        end = time.monotonic() + patience
        while (tokens := await self.tokens()) == 0 and time.monotonic() < end:
            await asyncio.sleep(0.1)
        return tokens


def start_proxy(name: str, folder: pathlib.Path) -> subprocess.Popen:
    (folder / "tmp").mkdir(exist_ok=True)
    if name == "nginx":
        command = ["nginx", "-e", "stderr", "-p", str(folder), "-c", str(HERE / "nginx.conf")]
    else:
        command = ["haproxy", "-f", str(HERE / "haproxy.cfg"), "-q"]
    program = shutil.which(command[0]) or shutil.which(command[0], path="/usr/sbin")
    if not program:
        raise SystemExit(f"{command[0]} is not installed: examples/replicas/run.sh does it (apt)")
    return subprocess.Popen([program, *command[1:]], stdout=subprocess.DEVNULL)


async def clients(port: int, args, stop: asyncio.Event, outcomes: list):
    """Each asks again as soon as its answer is whole."""

    async def one(index: int):
        client, number = Client(f"http://127.0.0.1:{port}"), 0
        while not stop.is_set():
            number += 1
            body = {"model": "m", "prompt": f"Client {index} asks for the {number}th time:", "max_tokens": args.tokens, "temperature": 0}
            body |= {"ignore_eos": True, "stream": True, "stream_options": {"include_usage": True}}
            outcome = await client.post("/v1/completions", body)
            outcomes.append(outcome)
        outcomes[-1].resent = client.resent
        client.close()

    await asyncio.gather(*(one(i) for i in range(args.clients)))


async def prove(name: str, replicas: list, args) -> list[str]:
    """What went wrong."""
    port, faults, outcomes, stop = PROXIES[name], [], [], asyncio.Event()
    with tempfile.TemporaryDirectory() as folder:
        proxy = start_proxy(name, pathlib.Path(folder))
        try:
            probe, end = Client(f"http://127.0.0.1:{port}"), time.monotonic() + 10
            while (await probe.get("/ready")).status != 200:
                if time.monotonic() > end or proxy.poll() is not None:
                    raise SystemExit(f"{name} does not serve on port {port}")
                await asyncio.sleep(0.05)
            probe.close()
            load = asyncio.create_task(clients(port, args, stop, outcomes))
            served = []
            for replica in replicas:
                await asyncio.sleep(args.seconds)
                served.append(await replica.served())
                took = await replica.restart()
                print(f"{name}: replica on {replica.port} drained and restarted in {took:.1f} s, {len(outcomes)} answers so far", flush=True)
            await asyncio.sleep(args.seconds)
            served += [await replica.served() for replica in replicas]
            stop.set()
            await load
        finally:
            proxy.terminate()
            proxy.wait(timeout=20)
    for outcome in outcomes:
        if not (outcome.success and outcome.done and outcome.output_tokens == args.tokens):
            faults.append(f"status {outcome.status}, {outcome.output_tokens} tokens, done {outcome.done}: {outcome.error}")
    if resent := sum(getattr(o, "resent", 0) for o in outcomes):
        faults.append(f"{resent} requests had to be sent again by the client")
    if min(served) == 0:
        faults.append(f"a replica had nothing to do: tokens {served}")
    whole = [o for o in outcomes if o.success]
    if whole and statistics.median(o.ttft / o.latency for o in whole) > 0.7:
        faults.append("the first token comes with the last: something buffers")
    times = [statistics.median(v) * 1e3 for v in ([o.ttft for o in whole], [o.latency for o in whole])] if whole else [0, 0]
    print(f"{name}: {len(outcomes)} streams of {args.tokens} tokens, {len(faults)} faults; median ms: first token {times[0]:.0f}, all {times[1]:.0f}")
    return faults


async def main(args) -> int:
    replicas, faults = [Replica(args, port) for port in REPLICAS], []
    try:
        await asyncio.gather(*(r.start() for r in replicas))
        for name in PROXIES if args.proxy == "both" else [args.proxy]:
            faults += await prove(name, replicas, args)
    finally:
        for replica in replicas:
            if hasattr(replica, "child"):
                replica.child.terminate()
                replica.child.wait(timeout=40)
    for fault in faults[:10]:
        print("FAILED", fault)
    return 1 if faults else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--engine", required=True)
    parser.add_argument("--llmc-run", default=str(HERE.parents[1] / "build" / "bin" / "llmc-run"))
    parser.add_argument("--proxy", choices=(*PROXIES, "both"), default="both")
    parser.add_argument("--clients", type=int, default=12, help="default 12")
    parser.add_argument("--tokens", type=int, default=60, help="of each answer (default 60)")
    parser.add_argument("--threads", type=int, default=1, help="of each replica (default 1)")
    parser.add_argument("--seconds", type=float, default=3, help="of load before, between and after the restarts (default 3)")
    sys.exit(asyncio.run(main(parser.parse_args())))
