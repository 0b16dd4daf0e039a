"""Servers that serve_side_by_side.py compares: how each is started, pinned, waited for and ended."""

import dataclasses
import http.client
import os
import pathlib
import signal
import socket
import subprocess
import time


@dataclasses.dataclass
class Contestant:
    """`arguments(need)` gives the flags for so many sequences of so many tokens each."""

    name: str
    program: pathlib.Path
    arguments: object

    def command(self, sequences: int, context: int, port: int) -> list[str]:
        return [str(self.program), *map(str, self.arguments(sequences, context)), "--port", str(port)]


def ours(program, engine, threads) -> Contestant:
    """Nothing but the number of threads is set: the defaults are what is measured."""
    return Contestant("llmc", program, lambda sequences, context: [engine, "--threads", threads])


def llama_server(program, gguf, threads, flash: bool) -> Contestant:
    """Slots and context fit the load exactly, which is best for it; no copies of finished prompts into its RAM cache."""

    def arguments(sequences, context):
        slots = ["-np", sequences, "-c", sequences * context, "--cont-batching", "--cache-ram", 0]
        return ["-m", gguf, "-t", threads, "-tb", threads, "-fa", "on" if flash else "off", *slots, "--no-webui", "--host", "127.0.0.1"]

    return Contestant(f"llama.cpp{' fa' if flash else ''}", program, arguments)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as one:
        return one.getsockname()[1]


class Running:
    """`with Running(contestant, 32, 320, cpus) as server:`; `seconds` from the start of the process until /v1/models says 200."""

    def __init__(self, contestant: Contestant, sequences: int, context: int, cpus: set[int]):
        self.contestant, self.cpus, self.port = contestant, cpus, free_port()
        self.command = contestant.command(sequences, context, self.port)

    def __enter__(self):
        begin = time.monotonic()
        pin = lambda: os.sched_setaffinity(0, self.cpus)
        self.child = subprocess.Popen(self.command, preexec_fn=pin, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while not self.healthy():
            if self.child.poll() is not None or time.monotonic() - begin > 60:
                raise SystemExit(f"{' '.join(self.command)}: does not become healthy (status {self.child.poll()})")
            time.sleep(0.002)
        self.seconds = time.monotonic() - begin
        return self

    def healthy(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", "/v1/models")
            return connection.getresponse().status == 200
        except OSError:
            return False
        finally:
            connection.close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def cpu_seconds(self) -> float:
        fields = pathlib.Path(f"/proc/{self.child.pid}/stat").read_text().rsplit(") ", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def __exit__(self, *_):
        self.child.send_signal(signal.SIGTERM)
        try:
            self.child.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()
