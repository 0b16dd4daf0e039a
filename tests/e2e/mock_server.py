"""Starts llmc-mock-server, the server over a backend without a model, and talks to it by plain sockets."""

import asyncio
import json
import pathlib
import signal
import socket
import subprocess
import threading
import urllib.request

import engine

PROGRAM = engine.BIN / "llmc-mock-server"


class MockServer:
    """`with MockServer("--step-us", 1000) as server:`; flags are those of llmc-mock-server."""

    def __init__(self, *flags):
        self.flags = [str(f) for f in flags]

    def __enter__(self):
        self.child = subprocess.Popen([PROGRAM, *self.flags], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        line = self.child.stdout.readline().split()
        assert line[:1] == [b"port"], (line, self.child.stderr.read())
        self.port = int(line[1])
        return self

    def __exit__(self, *_):
        if self.child.poll() is None:
            self.child.send_signal(signal.SIGTERM)
            self.child.send_signal(signal.SIGTERM)
        self.child.wait(timeout=20)
        self.child.stdout.close()
        self.child.stderr.close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def get(self, path: str) -> bytes:
        with urllib.request.urlopen(self.url + path, timeout=10) as reply:
            return reply.read()

    def metric(self, name: str) -> float:
        """Sum of the values of all lines of that name."""
        lines = self.get("/metrics").decode().splitlines()
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(name + "{"))

    def resident_kib(self) -> int:
        status = pathlib.Path(f"/proc/{self.child.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0])

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=60)


def request(path: str, body: dict, headers: str = "") -> bytes:
    data = json.dumps(body).encode()
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n{headers}Content-Length: {len(data)}\r\n\r\n"
    return head.encode() + data


def letters(first: int, count: int) -> str:
    """What the mock backend answers to a prompt whose ids have the sum `first`."""
    return "".join(chr(97 + (first + i) % 26) for i in range(count))


async def read_stream(reader: asyncio.StreamReader) -> list[str]:
    """The payloads of a chunked event stream."""
    head = await reader.readuntil(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 "), head
    text = b""
    while size := int(await reader.readline(), 16):
        text += (await reader.readexactly(size + 2))[:-2]
    await reader.readline()
    events = text.decode().split("\n\n")
    assert events.pop() == "" and all(e.startswith("data: ") for e in events)
    return [e[6:] for e in events]


class EngineServer(MockServer):
    """`with EngineServer(engine_path, "--max-num-seqs", 8) as server:` serves with llmc-run."""

    env = None  # of this process
    said = ""  # on stderr after the start, once `listener` is done

    def __init__(self, path, *flags):
        super().__init__(*flags)
        self.path = path

    def __enter__(self):
        command = [engine.BIN / "llmc-run", self.path, "--port", "0", *self.flags]
        self.child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=self.env)
        seen = b""
        for line in self.child.stderr:
            seen += line
            if line.startswith(b"ready on http://"):
                self.screen = seen.decode()
                self.port = int(line.split(b":")[2].split(b"/")[0])
                self.listener = threading.Thread(target=self._listen, daemon=True)  # the pipe must not fill
                self.listener.start()
                return self
        raise AssertionError(f"status {self.child.wait()}: {seen.decode()}")

    def _listen(self) -> None:
        self.said = self.child.stderr.read().decode(errors="replace")
