"""llmc-run as a child process that scripts load and watch: its address, what it holds, its metrics, its trace."""

import json
import os
import pathlib
import re
import resource
import signal
import subprocess
import sys
from typing import NamedTuple

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "examples" / "bench_serve"))

from sse_client import Client  # noqa: E402

PROGRAM = pathlib.Path(os.environ.get("LLMC_BIN", ROOT / "build" / "bin")) / "llmc-run"
READY = re.compile(r"ready on http://127\.0\.0\.1:(\d+)/")
RAN = re.compile(r"finished: (\w+) after (\d+) tokens")


class Served:
    """`with Served([engine, "--threads", 2], {0, 1}) as server:`; without CPUs it runs where this process may."""

    def __init__(self, arguments, cpus: set[int] | None = None):
        self.command = [str(PROGRAM), *map(str, arguments), "--port", "0"]
        self.cpus = cpus or os.sched_getaffinity(0)

    def __enter__(self):
        pin = lambda: os.sched_setaffinity(0, self.cpus)
        self.child = subprocess.Popen(self.command, preexec_fn=pin, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        self.screen = ""
        for line in self.child.stderr:
            self.screen += line
            if found := READY.search(line):
                self.url = f"http://127.0.0.1:{found[1]}"
                return self
        raise SystemExit(f"{' '.join(self.command)} ended with status {self.child.wait()}:\n{self.screen}")

    def __exit__(self, *_):
        if self.child.poll() is None:
            self.child.kill()
            self.child.wait()
        self.child.stderr.close()

    def end(self, seconds: float = 60) -> int:
        """The exit status after SIGTERM."""
        self.child.send_signal(signal.SIGTERM)
        return self.child.wait(timeout=seconds)

    def holds(self) -> dict:
        folder = pathlib.Path(f"/proc/{self.child.pid}")
        status = (folder / "status").read_text()
        number = lambda name: int(status.split(name + ":")[1].split()[0])
        return {"descriptors": len(os.listdir(folder / "fd")), "threads": number("Threads"), "rss_kib": number("VmRSS")}

    def cpu_seconds(self) -> float:
        fields = pathlib.Path(f"/proc/{self.child.pid}/stat").read_text().rsplit(") ", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def resident_kib(self, but_mappings_over: int = 1 << 62) -> int:
        """Resident memory without mappings of so many bytes and more: the KV pool is one, its pages are no stream's own."""
        total = 0
        for line in pathlib.Path(f"/proc/{self.child.pid}/smaps").read_text().splitlines():
            if line.startswith("Size:"):
                counted = int(line.split()[1]) * 1024 < but_mappings_over
            elif line.startswith("Rss:") and counted:
                total += int(line.split()[1])
        return total


async def metrics(client: Client) -> dict[str, float]:
    """Sums over labels."""
    found: dict[str, float] = {}
    for line in (await client.get("/metrics")).body.decode().splitlines():
        if line and not line.startswith("#"):
            name, value = line.split("{")[0].split(" ")[0], float(line.rsplit(" ", 1)[1])
            found[name] = found.get(name, 0.0) + value
    return found


class End(NamedTuple):
    """Times are seconds since the engine's start."""

    reason: str
    tokens: int
    submitted: float
    ended: float


def ends_in_trace(path: pathlib.Path) -> dict[str, End]:
    """The engine's own log: request id -> how it ended. A request has one choice."""
    begun: dict[str, tuple[str, float]] = {}
    ended: dict[str, End] = {}
    for event in json.loads(path.read_text())["traceEvents"]:
        if event["name"].startswith("the trace is full"):
            raise SystemExit(f"{path} is full: fewer or shorter streams are needed")
        if event.get("cat") != "request":
            continue
        if event["ph"] == "b":
            begun[event["id"]] = event["args"]["request_id"], event["ts"] * 1e-6
        elif event["ph"] == "e" and (found := RAN.search(event["args"]["reason"])):
            name, submitted = begun[event["id"]]
            ended[name] = End(found[1], int(found[2]), submitted, event["ts"] * 1e-6)
    return ended


def allow_descriptors(wanted: int):
    """For this process and the children that it starts from here on."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < wanted:
        raise SystemExit(f"{wanted} descriptors are needed and the hard limit is {hard} (ulimit -Hn)")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted) if soft != resource.RLIM_INFINITY else soft, hard))


def cpus(text: str) -> set[int]:
    """`0-2` or `3`."""
    low, _, high = text.partition("-")
    return set(range(int(low), int(high or low) + 1))


def add_cpu_arguments(parser):
    parser.add_argument("--server-cpus", type=cpus, help="such as 0-2; default: all")
    parser.add_argument("--client-cpus", type=cpus, help="default: all")


def conclude(result: dict, faults: list[str], shown: int | None = None) -> int:
    """Prints both, of the faults the first `shown`; the exit status."""
    print(json.dumps(result))
    for fault in faults[:shown]:
        print("FAULT", fault)
    return 1 if faults else 0
