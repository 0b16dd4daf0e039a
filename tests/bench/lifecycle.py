#!/usr/bin/env python3
"""llmc-run from start to end: how soon it is ready, a taken port, an idle server, SIGTERM under a thousand streams, a second signal.

Example: lifecycle.py engine.bin --load-engine tiny.bin
`engine` starts and idles, `--load-engine` (default: the same) serves the streams. Exit status 1 beyond a bound.
"""

import argparse
import asyncio
import http.client
import json
import multiprocessing
import os
import pathlib
import signal
import socket
import statistics
import subprocess
import sys
import time
import urllib.parse
from multiprocessing import connection

import served
from served import PROGRAM, Served
from sse_client import Client

PATH = "/v1/completions"


def ready_ms(args) -> list[float]:
    """From the start of the process until /ready says 200, asked by another process' clock; file caches are warm."""
    found = []
    for _ in range(args.starts + 1):
        with socket.create_server(("127.0.0.1", 0)) as one:
            port = one.getsockname()[1]
        begin = time.perf_counter()
        pin = lambda: os.sched_setaffinity(0, args.server_cpus or os.sched_getaffinity(0))
        command = [PROGRAM, args.engine, "--port", str(port), "--threads", str(args.threads)]
        child = subprocess.Popen(command, preexec_fn=pin, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while not is_ready(port):
            if time.perf_counter() - begin > 30 or child.poll() is not None:
                raise SystemExit("llmc-run does not become ready")
            time.sleep(0.001)
        found.append((time.perf_counter() - begin) * 1e3)
        child.send_signal(signal.SIGTERM)
        child.wait(timeout=30)
    return found[1:]  # the first one warms the caches


def is_ready(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as sock:
            sock.sendall(b"GET /ready HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            return sock.recv(100).startswith(b"HTTP/1.1 200 ")
    except OSError:
        return False


def taken_port_ms(args) -> float:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        begin = time.perf_counter()
        done = subprocess.run([PROGRAM, args.engine, "--port", str(taken.getsockname()[1])], capture_output=True, timeout=30)
        took = (time.perf_counter() - begin) * 1e3
    if done.returncode != 69:
        raise SystemExit(f"a taken port: status {done.returncode}, {done.stderr.decode()}")
    return took


async def ask_once(url: str):
    client = Client(url)
    answer = await client.post(PATH, {"prompt": [5, 6, 7], "max_tokens": 8, "temperature": 0})
    client.close()
    if not answer.success:
        raise SystemExit(answer.error)


def idle_percent(args) -> float:
    """CPU of a server that has answered, has nobody connected, and has taken the memory that it takes ahead of need, 30 s at most."""
    with Served([args.engine, "--threads", args.threads], args.server_cpus) as server:
        asyncio.run(ask_once(server.url))
        for _ in range(30):
            before = server.cpu_seconds()
            time.sleep(1)
            if server.cpu_seconds() == before:
                break
        before = server.cpu_seconds()
        time.sleep(args.idle_seconds)
        return (server.cpu_seconds() - before) / args.idle_seconds * 100


class Stream:
    """Counts the tokens of one stream and what ends it."""

    def __init__(self):
        self.tokens = self.dones = self.errors = 0

    def on_event(self, event: bytes, _now: float):
        self.tokens += b'"text":"' in event
        self.dones += event == b"data: [DONE]"
        self.errors += event.startswith(b'data: {"error"')

    async def run(self, client: Client, body: dict):
        self.outcome = await client.post(PATH, body, self.on_event)
        return self


async def until_load(client: Client, count: int):
    end = time.perf_counter() + 60
    while json.loads((await client.get("/load")).body)["server_load"] < count:
        if time.perf_counter() > end:
            raise SystemExit(f"{count} streams do not come together")
        await asyncio.sleep(0.02)


def until_unready(host: str, port: int, until: connection.Connection):
    """Sends when /ready no longer said 200, and what it said. In a process of its own: the loop that reads a thousand streams comes back to a probe late."""
    while True:
        probe = http.client.HTTPConnection(host, port, timeout=30)
        probe.request("GET", "/ready")
        status = probe.getresponse().status
        probe.close()
        if status != 200:
            return until.send((time.monotonic(), status))
        time.sleep(0.001)


async def signalled(server: Served, args, tokens: int, again: float | None) -> tuple[list, float]:
    """SIGTERM while all streams run; `again`: a second one so many seconds later. Streams, and ms until /ready said 503."""
    client = Client(server.url)
    body = {"prompt": [5, 6, 7], "max_tokens": tokens, "ignore_eos": True, "temperature": 0, "stream": True}
    tasks = [asyncio.create_task(Stream().run(client, body)) for _ in range(args.streams)]
    await until_load(client, args.streams)
    where = urllib.parse.urlsplit(server.url)
    said, saying = multiprocessing.Pipe(False)
    watcher = multiprocessing.Process(target=until_unready, args=(where.hostname, where.port, saying), daemon=True)
    watcher.start()
    begin = time.monotonic()
    server.child.send_signal(signal.SIGTERM)
    while not said.poll():
        await asyncio.sleep(0.005)
    at, status = said.recv()
    watcher.join()
    if status != 503:
        raise SystemExit(f"/ready said {status} after SIGTERM")
    if again is not None:
        await asyncio.sleep(again)
        server.child.send_signal(signal.SIGTERM)
    streams = await asyncio.gather(*tasks)
    client.close()
    return streams, (at - begin) * 1e3


def drained(args, result: dict) -> list[str]:
    flags = [args.load_engine, "--threads", args.threads, "--max-num-seqs", args.streams, "--max-queue", args.streams, "--max-model-len", 2048]
    flags += ["--kv-memory", args.kv_memory]
    faults = []
    with Served(flags, args.server_cpus) as server:
        streams, unready = asyncio.run(signalled(server, args, args.tokens, None))
        status = server.child.wait(timeout=30)
    cut = sum(s.tokens != args.tokens or s.dones != 1 or not s.outcome.success for s in streams)
    result |= {"sigterm_streams": len(streams), "sigterm_cut": cut, "ms_to_ready_503": round(unready, 1), "exit_status": status}
    if cut or status != 0:
        faults.append(f"{cut} streams were cut, exit status {status}")
    if unready > args.unready_ms:
        faults.append(f"/ready said 503 only {unready:.0f} ms after SIGTERM")
    with Served(flags, args.server_cpus) as server:
        begin = time.perf_counter()
        streams, unready = asyncio.run(signalled(server, args, 2000, 0.2))
        status = server.child.wait(timeout=30)
        took = time.perf_counter() - begin
    # Before its first token an answer is an HTTP status, after it an event.
    told = sum(s.outcome.status == 503 or (s.errors == 1 and s.dones == 0) for s in streams)
    result |= {"second_signal_told": told, "second_signal_exit_status": status}
    if told != len(streams) or status != 0:
        faults.append(f"after a second signal {told} of {len(streams)} streams were told, exit status {status}, {took:.1f} s")
    return faults


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("engine", type=pathlib.Path)
    parser.add_argument("--load-engine", type=pathlib.Path, help="a tiny one, for the streams")
    parser.add_argument("--starts", type=int, default=9, help="default 9")
    parser.add_argument("--ready-ms", type=float, default=300, help="median until /ready, at most (default 300)")
    parser.add_argument("--port-ms", type=float, default=100, help="to the exit with a taken port, at most (default 100)")
    parser.add_argument("--unready-ms", type=float, default=100, help="from SIGTERM until /ready says 503, at most (default 100)")
    parser.add_argument("--idle-seconds", type=float, default=10, help="default 10")
    parser.add_argument("--streams", type=int, default=1000, help="default 1000")
    parser.add_argument("--tokens", type=int, default=400, help="of each (default 400): the first must not end before the last has come")
    parser.add_argument("--kv-memory", default="1G", help="of the streams' server (default 1G)")
    parser.add_argument("--threads", type=int, default=2, help="workers of the server (default 2)")
    served.add_cpu_arguments(parser)
    args = parser.parse_args()
    args.load_engine = args.load_engine or args.engine
    served.allow_descriptors(args.streams + 512)
    if args.client_cpus:
        args.server_cpus = args.server_cpus or os.sched_getaffinity(0)
        os.sched_setaffinity(0, args.client_cpus)
    starts, port = ready_ms(args), min(taken_port_ms(args) for _ in range(5))
    result = {"ready_ms": {"median": round(statistics.median(starts)), "most": round(max(starts))}, "taken_port_ms": round(port, 1)}
    result["idle_percent_of_a_cpu"] = round(idle_percent(args), 2)
    faults = drained(args, result)
    if result["ready_ms"]["median"] > args.ready_ms:
        faults.append(f"ready only after {result['ready_ms']['median']} ms")
    if port > args.port_ms:
        faults.append(f"a taken port was told after {port:.0f} ms")
    if result["idle_percent_of_a_cpu"] > 0:
        faults.append(f"an idle server takes {result['idle_percent_of_a_cpu']}% of a CPU")
    return served.conclude(result, faults)


if __name__ == "__main__":
    sys.exit(main())
