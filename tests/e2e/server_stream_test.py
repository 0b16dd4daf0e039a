"""Streams by the thousand over plain sockets: none lost, doubled or out of order; slow, absent and hostile readers; drain."""

import asyncio
import json
import pathlib
import random
import signal
import socket
import subprocess
import time
import unittest

import mock_server
from mock_server import MockServer, letters, read_stream, request


CHUNKED = b"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"


def wait_until(condition, seconds: float = 5) -> bool:
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.01)
    return condition()


def stream_body(index: int, tokens: int) -> dict:
    return {"prompt": [index % 200], "max_tokens": tokens, "stream": True, "ignore_eos": True}


async def whole_stream(port: int, index: int, tokens: int) -> bool:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 20)
    writer.write(request("/v1/completions", stream_body(index, tokens)))
    events = await read_stream(reader)
    writer.close()
    if events.pop() != "[DONE]" or len(events) != tokens:
        return False
    choices = [json.loads(e)["choices"][0] for e in events]
    reasons = [c["finish_reason"] for c in choices]
    return "".join(c["text"] for c in choices) == letters(index % 200, tokens) and reasons == [None] * (tokens - 1) + ["length"]


@unittest.skipUnless(mock_server.PROGRAM.exists(), "needs llmc-mock-server")
class Streams(unittest.TestCase):
    second_chance = True  # bounds times of a server on a shared machine

    def test_a_thousand_at_once_are_complete(self):
        async def everybody(port):
            return await asyncio.gather(*(whole_stream(port, i, 60) for i in range(1000)))

        with MockServer("--step-us", 5000) as server:
            self.assertEqual(asyncio.run(everybody(server.port)).count(True), 1000)
            self.assertEqual(server.metric("vllm:generation_tokens_total"), 60_000)
            self.assertEqual(server.metric("vllm:num_requests_running"), 0)

    def test_every_disconnect_cancels(self):
        chance = random.Random(7)

        async def leave(port, index):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            body = stream_body(index, 100_000) | {"stream": chance.random() < 0.7}
            writer.write(request("/v1/completions", body))
            await asyncio.sleep(chance.random() * 0.3)
            writer.transport.abort() if chance.random() < 0.5 else writer.close()

        async def everybody(port):
            await asyncio.gather(*(leave(port, i) for i in range(500)))

        with MockServer("--step-us", 1000, "--context", 200_000) as server:
            asyncio.run(everybody(server.port))
            idle = lambda: server.metric("vllm:num_requests_running") + server.metric("vllm:num_requests_waiting") == 0
            self.assertTrue(wait_until(idle, 0.25))
            self.assertEqual(json.loads(server.get("/load")), {"server_load": 0})

    def test_a_slow_reader_takes_no_memory_and_loses_nothing(self):
        with MockServer("--context", 400_000) as server, server.connect() as slow:
            slow.sendall(request("/v1/completions", stream_body(0, 200_000)))  # 38 MB of events
            time.sleep(1)
            before = server.resident_kib()
            time.sleep(1)
            self.assertLess(server.resident_kib() - before, 300)
            self.assertLess(server.resident_kib(), 60_000)
            self.assertTrue(asyncio.run(whole_stream(server.port, 5, 100)), "others are not held up")
            text = b""
            while not text.endswith(b"0\r\n\r\n"):
                piece = slow.recv(1 << 20)
                self.assertTrue(piece)
                text += piece
            self.assertEqual(text.count(b'"text":"'), 200_000)
            self.assertIn(b"data: [DONE]", text)

    def test_timeouts(self):
        """By a clock of the server that runs ten times as fast: head 10 s, body 30 s, kept connection 60 s, stalled reader 30 s."""
        rate = 10

        def drip(sock, data: bytes):
            sock.setblocking(False)
            for byte in data:
                try:
                    sock.send(bytes([byte]))
                except OSError:
                    return
                yield

        def started(sock) -> bytes:
            """What has come by now; None while nothing has, b"" when the connection has ended."""
            try:
                return sock.recv(64)
            except BlockingIOError:
                return None
            except ConnectionError:
                return b""

        with MockServer("--context", 400_000, "--clock-rate", rate) as server:
            head, body, endless, kept, stalled = (server.connect() for _ in range(5))
            kept.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
            self.assertTrue(kept.recv(4096).startswith(b"HTTP/1.1 200 "))
            stalled.sendall(request("/v1/completions", stream_body(0, 300_000)))
            text = request("/v1/completions", {"prompt": "x" * 100})
            at = text.index(b"\r\n\r\n") + 4
            body.sendall(text[:at])
            endless.sendall(CHUNKED + b"5\r\n{\"a\":\r\n")  # and no end chunk
            drips = [drip(head, text[:60]), drip(body, text[at : at + 80])]
            wanted = {"head": (head, b"HTTP/1.1 408 "), "body": (body, b"HTTP/1.1 408 "), "endless": (endless, b"HTTP/1.1 408 "), "kept": (kept, b"")}
            for sock, _ in wanted.values():
                sock.setblocking(False)
            begin, ends = time.monotonic(), {}
            while len(ends) < 5 and time.monotonic() - begin < 15:
                for one in drips:
                    next(one, None)
                time.sleep(0.5 / rate)
                for name, (sock, answer) in wanted.items():
                    if name not in ends and (seen := started(sock)) is not None:
                        self.assertTrue(seen.startswith(answer) and bool(seen) == bool(answer), (name, seen))
                        ends[name] = (time.monotonic() - begin) * rate
                if "stalled" not in ends and server.metric("vllm:num_requests_waiting") + server.metric("vllm:num_requests_running") == 0:
                    ends["stalled"] = (time.monotonic() - begin) * rate
            for name, seconds in {"head": 10, "body": 30, "endless": 30, "kept": 60, "stalled": 31}.items():
                self.assertAlmostEqual(ends.get(name, 0), seconds, delta=8, msg=name)
            for sock in (head, body, endless, kept, stalled):
                sock.close()

    def test_the_deadline_of_a_request(self):
        """600 s by a clock that runs 300 times as fast: 504 before the first token, an error event after it."""
        with MockServer("--step-us", 20_000, "--clock-rate", 300) as server:
            for salt, stream in (("mock:hang", False), ("mock:hang", True), ("", True)):
                body = {"prompt": [0], "max_tokens": 4000, "ignore_eos": True, "stream": stream} | ({"cache_salt": salt} if salt else {})
                with self.subTest(body), server.connect() as sock:
                    begin = time.monotonic()
                    sock.sendall(request("/v1/completions", body))
                    text = b""
                    while b"deadline_exceeded" not in text and (piece := sock.recv(65536)):
                        text += piece
                    self.assertAlmostEqual((time.monotonic() - begin) * 300, 600, delta=300)
                    self.assertTrue(text.startswith(b"HTTP/1.1 200 " if stream and not salt else b"HTTP/1.1 504 "), text[:300])
                    self.assertEqual(text.count(b'"code":"deadline_exceeded"'), 1)
                    self.assertNotIn(b"[DONE]", text)
            self.assertTrue(wait_until(lambda: server.metric("vllm:num_requests_running") == 0))

    def test_an_idle_server_does_nothing(self):
        with MockServer() as server:
            self.assertTrue(server.get("/health") == b"")
            stat = pathlib.Path(f"/proc/{server.child.pid}/stat")
            ticks = lambda: sum(map(int, stat.read_text().split()[13:15]))
            time.sleep(0.5)
            before = ticks()
            time.sleep(2)
            self.assertEqual(ticks(), before)


@unittest.skipUnless(mock_server.PROGRAM.exists(), "needs llmc-mock-server")
class StartAndStop(unittest.TestCase):
    second_chance = True  # bounds times of a server on a shared machine

    def refused(self, *flags) -> tuple[int, str]:
        done = subprocess.run([mock_server.PROGRAM, *map(str, flags)], capture_output=True, timeout=10)
        self.assertEqual(done.stdout, b"")
        return done.returncode, done.stderr.decode()

    def test_a_taken_port(self):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            begin = time.monotonic()
            status, text = self.refused("--port", taken.getsockname()[1])
            self.assertLess(time.monotonic() - begin, 1)
            self.assertEqual(status, 69)
            self.assertIn(f"error[SV_PORT] cannot listen on 127.0.0.1 port {taken.getsockname()[1]}", text)

    def test_a_public_bind_without_a_key(self):
        status, text = self.refused("--host", "0.0.0.0")
        self.assertEqual(status, 77)
        self.assertIn("error[SV_PUBLIC_BIND]", text)

    def test_sigterm_lets_streams_end(self):
        async def scenario(server):
            streams = [asyncio.create_task(whole_stream(server.port, i, 200)) for i in range(200)]
            while json.loads(await asyncio.to_thread(server.get, "/load"))["server_load"] < 200:
                await asyncio.sleep(0.01)
            server.child.send_signal(signal.SIGTERM)
            answer = b""
            for _ in range(50):  # the signal is on its way
                reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
                writer.write(b"GET /ready HTTP/1.1\r\nHost: localhost\r\n\r\n")
                answer = await reader.readline()
                writer.close()
                if b"503" in answer:
                    break
                await asyncio.sleep(0.02)
            self.assertIn(b"503", answer)
            return await asyncio.gather(*streams)

        with MockServer("--step-us", 5000) as server:
            self.assertEqual(asyncio.run(scenario(server)), [True] * 200)
            self.assertEqual(server.child.wait(timeout=5), 0)

    def test_a_second_signal_ends(self):
        with MockServer("--step-us", 5000, "--context", 100_000) as server, server.connect() as client:
            client.sendall(request("/v1/completions", stream_body(0, 90_000)))
            self.assertTrue(client.recv(100))
            server.child.send_signal(signal.SIGTERM)
            time.sleep(0.3)
            self.assertIsNone(server.child.poll())
            begin = time.monotonic()
            server.child.send_signal(signal.SIGTERM)
            text = b""
            while piece := client.recv(65536):
                text += piece
            self.assertIn(b'"code":"server_shutdown"', text)
            self.assertNotIn(b"[DONE]", text)
            client.close()
            self.assertEqual(server.child.wait(timeout=5), 0)
            self.assertLess(time.monotonic() - begin, 2)


if __name__ == "__main__":
    unittest.main()
