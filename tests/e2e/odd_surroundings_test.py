"""llmc-run as a server where something around it is odd: a log whose disk is full, no standard streams, no descriptor left, another server on the
same engine, a wall clock that jumps, a stop of the process in the midst of everything."""

import contextlib
import hashlib
import json
import mmap
import os
import pathlib
import re
import resource
import signal
import socket
import subprocess
import tempfile
import time
import unittest
import urllib.request

import engine
import hostile
import mock_server
from mock_server import EngineServer, MockServer, letters, request

FLAGS = ("--max-num-seqs", "2", "--threads", "1", "--kv-memory", "8M")
WALL_CLOCK = engine.BIN.parent / "tests" / "wall_clock.so"
HEALTH = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"


def built() -> pathlib.Path:
    return engine.build(hostile.model_path(hostile.GGUF), "--cpu-levels", "x86-64-v3")


def cpu_seconds(pid: int) -> float:
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def created(url: str) -> int:
    """The server's wall clock, as its answers tell it."""
    body = json.dumps({"prompt": [1], "max_tokens": 1}).encode()
    with urllib.request.urlopen(urllib.request.Request(url + "/v1/completions", body, {"Content-Type": "application/json"}), timeout=30) as reply:
        return json.load(reply)["created"]


def complete(url: str, tokens=5) -> str:
    body = json.dumps({"prompt": [1, 2, 3], "max_tokens": tokens, "temperature": 0, "ignore_eos": True}).encode()
    with urllib.request.urlopen(urllib.request.Request(url + "/v1/completions", body, {"Content-Type": "application/json"}), timeout=30) as reply:
        answer = json.load(reply)
    assert answer["usage"]["completion_tokens"] == tokens, answer
    return answer["choices"][0]["text"]


@unittest.skipUnless(engine.have_binaries(), f"no llmc and llmc-run in {engine.BIN}")
class OddSurroundings(unittest.TestCase):
    @unittest.skipUnless(os.path.exists("/dev/full"), "no /dev/full")
    def test_a_log_on_a_full_disk(self):
        with EngineServer(built(), *FLAGS, "--access-log", "/dev/full") as server:
            for _ in range(3):
                complete(server.url)
            server.child.terminate()
            self.assertEqual(server.child.wait(20), 0)
            server.listener.join(20)
        self.assertEqual(server.said.count("the access log loses lines: No space left on device"), 1, server.said)
        self.assertIn("\n3 lines of the access log were lost\n", server.said)

    def test_no_standard_streams(self):
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        child = subprocess.Popen([engine.BIN / "llmc-run", built(), *FLAGS, "--port", str(port), "--access-log", "-"], preexec_fn=lambda: os.closerange(0, 3))
        try:
            self.wait_until_ready(port, child)
            complete(f"http://127.0.0.1:{port}")
            child.send_signal(signal.SIGTERM)
            self.assertEqual(child.wait(20), 0)
        finally:
            child.kill()
            child.wait()

    def test_descriptors_run_out_and_come_back(self):
        """Who is connected is served, the others wait without costing anything and are served later; the log says it once, not at each try."""
        with EngineServer(built(), *FLAGS) as server, contextlib.ExitStack() as stack:
            pid = server.child.pid
            first = stack.enter_context(contextlib.closing(server.connect()))
            self.assertEqual(self.health(first), 200)
            most = len(os.listdir(f"/proc/{pid}/fd")) + 8
            resource.prlimit(pid, resource.RLIMIT_NOFILE, (most, most))
            for _ in range(2):
                waiting = [server.connect() for _ in range(40)]
                time.sleep(0.3)  # until the 8 are taken
                before = cpu_seconds(pid)
                time.sleep(1.5)
                self.assertLess(cpu_seconds(pid) - before, 0.2, "it spins")
                self.assertEqual(len(os.listdir(f"/proc/{pid}/fd")), most)
                self.assertEqual(self.health(first), 200)
                waiting[-1].sendall(HEALTH)  # its turn comes when others leave
                for sock in waiting[:-1]:
                    sock.close()
                self.assertIn(b" 200 ", waiting[-1].recv(4096))
                waiting[-1].close()
                complete(server.url)
            server.child.terminate()
            self.assertEqual(server.child.wait(20), 0)
            server.listener.join(20)
        self.assertEqual(server.said.count("no more connections can be accepted: Too many open files; new ones wait until others close; "
                                           "lift the limit of open files (ulimit -n)"), 1, server.said)

    @staticmethod
    def health(sock: socket.socket) -> int:
        sock.sendall(HEALTH)
        return int(sock.recv(4096).split()[1])

    @unittest.skipUnless(WALL_CLOCK.exists(), "no wall_clock.so")
    def test_the_wall_clock_jumps(self):
        """By a day, both ways, in the midst of a stream and of half a head: nothing waits by that clock, nothing times out by it, answers carry its time."""
        with tempfile.NamedTemporaryFile() as file:
            file.write(bytes(16))
            file.flush()
            server = EngineServer(built(), *FLAGS, "--watchdog-seconds", 5)
            server.env = os.environ | {"LD_PRELOAD": str(WALL_CLOCK), "LLMC_TEST_WALL_CLOCK": file.name}
            with server, mmap.mmap(file.fileno(), 16) as clock:
                with contextlib.closing(server.connect()) as half, contextlib.closing(server.connect()) as stream:
                    stream.sendall(request("/v1/completions", {"prompt": [1], "max_tokens": 500, "ignore_eos": True, "stream": True}))
                    half.sendall(HEALTH[:20])
                    text = stream.recv(100)
                    for days in (1, -1, 0):
                        clock[:8] = (86400 * days).to_bytes(8, "little", signed=True)
                        self.assertAlmostEqual(created(server.url) - time.time(), 86400 * days, delta=30)
                        time.sleep(0.6)  # two ticks of the connections' clock, some looks of the watchdog
                    half.sendall(HEALTH[20:])
                    self.assertIn(b" 200 ", half.recv(4096))
                    while not text.endswith(b"\r\n0\r\n\r\n") and (piece := stream.recv(65536)):
                        text += piece
                self.assertEqual((text.count(b"data: [DONE]"), text.count(b'"finish_reason":"length"')), (1, 1), text[-500:])
                self.assertEqual(int.from_bytes(clock[8:], "little"), 0, "waits by the wall clock")
                server.child.terminate()
                self.assertEqual(server.child.wait(20), 0)

    def wait_until_ready(self, port: int, child: subprocess.Popen) -> None:
        for _ in range(1000):
            self.assertIsNone(child.poll(), "it ended")
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/ready", timeout=5):
                    return
            except OSError:
                time.sleep(0.02)
        self.fail("never ready")

    def test_two_servers_on_one_engine(self):
        """A killed one leaves nothing that the other, or the next one, would meet."""
        folder = hostile.fresh_folder("two-servers")
        path = folder / "engine.bin"
        path.write_bytes(built().read_bytes())
        before = hashlib.sha256(path.read_bytes()).digest()
        with EngineServer(path, *FLAGS) as first, EngineServer(path, *FLAGS) as second:
            text = complete(first.url)
            self.assertEqual(complete(second.url), text)
            first.child.kill()
            first.child.wait(20)
            self.assertEqual(complete(second.url), text)
            with EngineServer(path, *FLAGS) as third:
                self.assertEqual(complete(third.url), text)
        self.assertEqual(os.listdir(folder), ["engine.bin"])
        self.assertEqual(hashlib.sha256(path.read_bytes()).digest(), before)


@unittest.skipUnless(mock_server.PROGRAM.exists(), "no llmc-mock-server")
class Stopped(unittest.TestCase):
    second_chance = True  # bounds times of a server on a shared machine

    def test_a_stop_fires_no_timeout(self):
        """By a clock twenty times as fast: heads have half a second, bodies 1.5, kept connections 3, stalled readers 1.5; the process stands still for 4."""
        with MockServer("--context", 100_000, "--clock-rate", 20, "--step-us", 1000) as server, contextlib.ExitStack() as stack:
            head, body, kept, stream = (stack.enter_context(contextlib.closing(server.connect())) for _ in range(4))
            kept.sendall(HEALTH)
            self.assertIn(b" 200 ", kept.recv(4096))
            stream.sendall(request("/v1/completions", {"prompt": [7], "max_tokens": 1500, "stream": True, "ignore_eos": True}))
            text = stream.recv(100)
            whole = request("/v1/completions", {"prompt": [3], "max_tokens": 4, "ignore_eos": True})
            body.sendall(whole[:-5])
            head.sendall(HEALTH[:20])
            time.sleep(0.1)
            server.child.send_signal(signal.SIGSTOP)
            time.sleep(4)
            server.child.send_signal(signal.SIGCONT)
            head.sendall(HEALTH[20:])
            body.sendall(whole[-5:])
            kept.sendall(HEALTH)
            for sock in (head, body, kept):
                self.assertIn(b" 200 ", sock.recv(4096))
            while not text.endswith(b"\r\n0\r\n\r\n") and (piece := stream.recv(65536)):
                text += piece
            self.assertEqual("".join(re.findall(r'"text":"(.*?)"', text.decode())), letters(7, 1500))
            self.assertEqual(text.count(b"data: [DONE]"), 1)


if __name__ == "__main__":
    unittest.main()
