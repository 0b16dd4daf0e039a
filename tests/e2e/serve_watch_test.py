"""The watchdog of llmc-run: a thread of the real program is stopped by ptrace, as if it hung, and the server ends with 72 and says where it stood;
a server that is stopped as a whole, or slow, or idle, goes on."""

import contextlib
import ctypes
import http.client
import json
import os
import pathlib
import signal
import time
import unittest
import urllib.request

import engine
import smollm2
from mock_server import EngineServer

SEIZE, INTERRUPT = 0x4206, 0x4207
WALL = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)
_libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]


def may_trace() -> bool:
    """Whether this process may stop threads of its children: some sandboxes forbid it."""
    child = os.fork()
    if child == 0:
        time.sleep(60)
        os._exit(0)
    allowed = _libc.ptrace(SEIZE, child, None, None) == 0
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, WALL)
    return allowed


def thread_of(server, name: str) -> int:
    for task in pathlib.Path(f"/proc/{server.child.pid}/task").iterdir():
        if (task / "comm").read_text().strip() == name:
            return int(task.name)
    raise AssertionError(f"no thread {name}")


def freeze(thread: int) -> None:
    """It runs not one more instruction; the others go on."""
    for request in (SEIZE, INTERRUPT):
        if _libc.ptrace(request, thread, None, None):
            raise OSError(ctypes.get_errno(), "ptrace")
    os.waitpid(thread, WALL)


class WatchedServer(EngineServer):
    def __init__(self, *flags):
        super().__init__(engine.build(smollm2.gguf()), "--served-model-name", "m", *flags)

    def stream(self, tokens: int):
        body = {"model": "m", "prompt": "Once", "max_tokens": tokens, "ignore_eos": True, "stream": True}
        headers = {"Content-Type": "application/json", "X-Request-Id": "the-one-that-hangs"}
        return urllib.request.urlopen(urllib.request.Request(self.url + "/v1/completions", json.dumps(body).encode(), headers), timeout=60)


@unittest.skipUnless(engine.have_binaries(), f"no llmc and llmc-run in {engine.BIN}")
class Watchdog(unittest.TestCase):
    second_chance = True  # bounds times of a server on a shared machine

    def ends(self, server, thread: int) -> None:
        """With status 72, soon, a dump before."""
        begin = time.monotonic()
        os.waitpid(thread, WALL)  # the kernel shows the process' end only then
        status = server.child.wait(timeout=20)
        server.listener.join()
        self.assertEqual(status, 72, server.said)
        self.assertLess(time.monotonic() - begin, 8)

    def check(self, server, *parts):
        for part in parts:
            self.assertRegex(server.said, part)

    @unittest.skipUnless(may_trace(), "ptrace is not allowed here")
    def test_a_step_that_hangs(self):
        trace = engine.work_dir() / "watch-trace.json"
        with WatchedServer("--watchdog-seconds", 1, "--threads", 2, "--trace", trace) as server:
            rest = b""
            with server.stream(7000) as stream:
                self.assertTrue(stream.readline().startswith(b"data: "))
                thread = thread_of(server, "llmc-engine")  # which is worker 0, too
                freeze(thread)
                with contextlib.suppress(OSError, http.client.HTTPException):  # an error ends the stream without its last chunk
                    while piece := stream.read1(65536):
                        rest += piece
            self.ends(server, thread)
        self.assertEqual(rest.count(b'"error":{'), 1, rest[-500:])
        self.assertNotIn(b"server_shutdown", rest)
        self.check(server, r"error\[SV_STUCK\] a step has made no progress for \d\.\d to \d\.\d s \(at most", "in the kernels", r"worker 0 ", r"worker 1 ",
                   r"step \d+: 1 tokens, 0 of them of prompts, 1 sequences, 1 rows, program for",
                   r"request the-one-that-hangs choice 0 running: 1 prompt tokens, \d+ generated",
                   r"thread \d+ llmc-engine t", r"thread \d+ llmc-worker-1 \w", r"thread \d+ llmc-io-0 S", r"thread \d+ llmc-watchdog \w")
        self.assertGreater(sum(e["name"] == "step" for e in json.loads(trace.read_text())["traceEvents"]), 0)

    @unittest.skipUnless(may_trace(), "ptrace is not allowed here")
    def test_an_io_thread_that_hangs(self):
        with WatchedServer("--watchdog-seconds", 1) as server, server.connect() as sock:
            sock.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
            self.assertIn(b" 200 ", sock.recv(4096))
            thread = thread_of(server, "llmc-io-0")
            freeze(thread)
            self.ends(server, thread)
        self.check(server, r"error\[SV_STUCK\] I/O thread 0 has done nothing for \d\.\d to 1\.\d s \(at most 1 s, looked at every 0\.1 s\)", r"the engine's loop is (idle|making memory ready)", r"thread \d+ llmc-io-0 t")

    def test_who_is_stopped_as_a_whole_goes_on(self):
        with WatchedServer("--watchdog-seconds", 1) as server:
            with server.stream(200) as stream:
                for _ in range(3):
                    stream.readline()
                server.child.send_signal(signal.SIGSTOP)
                time.sleep(3)
                server.child.send_signal(signal.SIGCONT)
                self.assertIn(b"[DONE]", stream.read())
            self.assertEqual(server.get("/health"), b"")
            self.assertIsNone(server.child.poll())

    def test_off(self):
        with WatchedServer("--watchdog-seconds", 0) as server:
            names = [(task / "comm").read_text().strip() for task in pathlib.Path(f"/proc/{server.child.pid}/task").iterdir()]
            self.assertNotIn("llmc-watchdog", names)
            self.assertIn("llmc-engine", names)


if __name__ == "__main__":
    unittest.main()
