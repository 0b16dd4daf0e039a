"""The catalogue of hostile requests, row by row, and all of it beside streams whose tokens must not change."""

import asyncio
import collections
import json
import pathlib
import resource
import socket
import threading
import time
import unittest

import engine
import hostile_requests
import mock_server
import smollm2
import tiny_models
from hostile_requests import CONTEXT, TEXT, ask, get, send
from mock_server import EngineServer, MockServer, letters


def check(test: unittest.TestCase, row: hostile_requests.Row, reply: hostile_requests.Reply):
    """Status, and for OpenAI's shape type, code and param; nothing of the inside in the text."""
    shown = f"{row.id} {row.data[:200]!r}: {reply}"[:1500]
    test.assertEqual(reply.status, row.status, shown)
    if row.closes:
        test.assertTrue(reply.closed, shown)
    test.assertNotIn("access-control-allow-origin", reply.headers)
    if reply.status < 400:
        return
    error = json.loads(reply.body)["error"]
    test.assertTrue(error["message"], shown)
    for secret in ("right-key", "0x", "/work", ".cc"):
        test.assertNotIn(secret, error["message"].replace("Content-Length", ""), shown)
    if row.code:
        test.assertEqual((error["type"], error["code"], error["param"]), (row.type, row.code, row.param), shown)


class Canaries:
    """Streams of a known text that are read, from start to end, while something else happens to the server."""

    def __init__(self, server, bodies: list[dict]):
        self.server, self.bodies, self.texts = server, bodies, [""] * len(bodies)
        self.stop = False
        self.thread = threading.Thread(target=lambda: asyncio.run(self._all()))

    async def _one(self, index: int):
        reader, writer = await asyncio.open_connection("127.0.0.1", self.server.port, limit=1 << 20)
        writer.write(mock_server.request(TEXT, self.bodies[index] | {"stream": True}))
        for event in await mock_server.read_stream(reader):
            if event != "[DONE]":
                self.texts[index] += json.loads(event)["choices"][0]["text"]
        writer.close()

    async def _all(self):
        await asyncio.gather(*(self._one(i) for i in range(len(self.bodies))))

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.thread.join()


def check_beside(test: unittest.TestCase, server, bodies: list[dict]) -> int:
    """The streams of `bodies` say the same alone and beside all rows that ask the mock for nothing; how many came while they ran."""
    with Canaries(server, bodies) as alone:
        pass
    with Canaries(server, bodies) as beside:
        sent = 0
        for row in hostile_requests.rows():
            if not row.key and not row.mock:
                sent += beside.thread.is_alive()
                check(test, row, send(server, row.data))
    test.assertEqual(beside.texts, alone.texts)
    test.assertGreater(len({text for text in alone.texts if text}), len(bodies) // 2, "streams that say different things")
    test.assertIsNone(server.child.poll())
    return sent


@unittest.skipUnless(mock_server.PROGRAM.exists(), "no llmc-mock-server")
class Rows(unittest.TestCase):
    second_chance = True  # bounds times of a server on a shared machine

    @classmethod
    def setUpClass(cls):
        cls.open = MockServer("--context", CONTEXT).__enter__()
        cls.locked = MockServer("--context", CONTEXT, "--api-key", "right-key").__enter__()

    @classmethod
    def tearDownClass(cls):
        for server in (cls.open, cls.locked):
            server.__exit__()

    def test_every_row(self):
        seen = collections.Counter()
        for row in hostile_requests.rows():
            with self.subTest(row=row.id, data=row.data[:120]):
                begin = time.monotonic()
                check(self, row, send(self.locked if row.key else self.open, row.data))
                self.assertLess(time.monotonic() - begin, 5)
                seen[row.id] += 1
        # The others need a state of the server, and have tests of their own in this file and in server_stream_test.
        elsewhere = {"HT6", "HT13", "HT15", "HT16", "RQ18", "RQ26", "EP2"}
        wanted = {f"HT{i}" for i in range(1, 17)} | {f"RQ{i}" for i in range(1, 27)} | {f"EP{i}" for i in range(1, 5)}
        self.assertEqual(wanted - set(seen), elsewhere)
        self.assertEqual(json.loads(send(self.open, get("/load")).body)["server_load"], 0)

    def test_refused_requests_leave_nothing(self):
        before = self.open.resident_kib()
        for _ in range(3):
            for row in hostile_requests.rows():
                if row.id in ("RQ3", "RQ8", "RQ13", "RQ14", "RQ21"):
                    send(self.open, row.data)
        self.assertLess(self.open.resident_kib() - before, 65536)

    def test_nothing_is_fetched(self):  # RQ11
        """URLs of every API that has them, to a socket that would notice."""
        with socket.create_server(("127.0.0.1", 0)) as bait:
            url = f"http://127.0.0.1:{bait.getsockname()[1]}/a.png"
            parts = {
                "/v1/chat/completions": {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": url}}]}]},
                "/v1/messages": {"messages": [{"role": "user", "content": [{"type": "image", "source": {"type": "url", "url": url}}]}]},
                "/v1/responses": {"input": [{"role": "user", "content": [{"type": "input_image", "image_url": url}]}]},
            }
            for path, fields in parts.items():
                self.assertEqual(send(self.open, ask(path, **fields)).status, 400, path)
            self.assertEqual(send(self.open, ask("/v1/chat/completions", messages=[{"role": "user", "content": url}])).status, 200)
            bait.settimeout(0.5)
            with self.assertRaises(TimeoutError):
                bait.accept()

    def test_exactly_the_context(self):  # RQ5, RQ25
        for fields in ({"max_tokens": 4}, {"max_tokens": None, "ignore_eos": True}):
            reply = json.loads(send(self.open, ask("/v1/chat/completions", **fields)).body)
            prompt = reply["usage"]["prompt_tokens"]
        self.assertEqual(reply["usage"]["total_tokens"], CONTEXT, "without a bound the context is the bound")
        exact = send(self.open, ask("/v1/chat/completions", max_tokens=CONTEXT - prompt))
        self.assertEqual((exact.status, json.loads(exact.body)["usage"]["total_tokens"]), (200, CONTEXT))
        self.assertEqual(send(self.open, ask("/v1/chat/completions", max_tokens=CONTEXT - prompt + 1)).status, 400)

    def test_an_end_in_mid_stream(self):  # RQ18
        for path in hostile_requests.HEADS:
            field = "max_output_tokens" if path.endswith("responses") else "max_tokens"
            for salt in ("mock:nan@3", "mock:fail@3"):
                with self.subTest(path=path, salt=salt), self.open.connect() as sock:
                    sock.sendall(ask(path, cache_salt=salt, stream=True, **{field: 9}))
                    data = b"".join(iter(lambda: sock.recv(65536), b""))
                    self.assertEqual(data.count(b"\"error\":{"), 1, data)
                    self.assertNotIn(b"[DONE]", data)
                    self.assertFalse(data.endswith(b"0\r\n\r\n"), "an answer that ended well has a last chunk")
                    self.assertNotIn(b"secret", data)

    def test_request_ids(self):  # HT13, RQ26
        for given in ("http://evil/", "a" * 10_000, "a b", "a\"b"):
            reply = send(self.open, get("/health", f"X-Request-Id: {given}\r\n"))
            self.assertRegex(reply.headers["x-request-id"], "^[0-9a-f]{32}$")
        self.assertEqual(send(self.open, get("/health", "X-Request-Id: a\rX: b\r\n")).status, 400)
        with self.open.connect() as one, self.open.connect() as two:
            for sock in (one, two):
                sock.sendall(mock_server.request(TEXT, {"prompt": [0], "max_tokens": 50}, "X-Request-Id: same\r\n"))
            for sock in (one, two):
                head = sock.recv(65536)
                self.assertIn(b" 200 ", head)
                self.assertIn(b"X-Request-Id: same\r\n", head)

    def test_labels_are_fixed(self):  # EP4
        send(self.open, get("/secret-of-a-user"))
        send(self.open, ask(TEXT, user="secret-of-a-user", model="secret-of-a-user"))
        self.assertNotIn(b"secret-of-a-user", self.open.get("/metrics"))

    def test_readiness(self):  # EP2, RQ17
        with MockServer("--context", CONTEXT, "--step-us", 2000) as server, server.connect() as running:
            self.assertEqual(send(server, get("/ready")).status, 200)
            running.sendall(ask(TEXT, max_tokens=500, stream=True))
            running.recv(100)
            server.child.terminate()
            end = time.monotonic() + 5
            while send(server, get("/ready")).status != 503:
                self.assertLess(time.monotonic(), end)
            reply = send(server, ask(TEXT))
            self.assertEqual((reply.status, json.loads(reply.body)["error"]["code"]), (503, "draining"))
            self.assertIn("retry-after", reply.headers)
            self.assertEqual(send(server, get("/health")).status, 200)

    def test_health_under_full_load(self):  # EP1, HT16
        with MockServer("--context", 100_000, "--max-connections", 300) as server:
            busy = [server.connect() for _ in range(250)]
            for sock in busy:
                sock.sendall(ask(TEXT, max_tokens=3000, stream=True))
            took = []
            for _ in range(20):
                begin = time.monotonic()
                self.assertEqual(send(server, get("/health")).status, 200)
                took.append(time.monotonic() - begin)
            self.assertLess(sorted(took)[10], 0.5)  # 100 ms on a machine of its own
            more = [server.connect() for _ in range(60)]
            refused = [sock for sock in more if b" 503 " in self.answer(sock)]
            self.assertGreater(len(refused), 0)
            for sock in busy + more:
                sock.close()

    def test_health_beside_the_longest_answers(self):  # EP1
        """The most log probabilities that an answer may hold, and the most of a prompt that it may repeat."""
        messages = [{"role": "user", "content": "hi"}]
        bodies = [("/v1/chat/completions", {"messages": messages, "n": 6, "max_tokens": 8300, "logprobs": True, "top_logprobs": 20}),
                  (TEXT, {"prompt": [65] * 49_000, "max_tokens": 1, "echo": True, "logprobs": 20}),
                  ("/v1/responses", {"input": "hi", "max_output_tokens": 12_400, "top_logprobs": 20, "stream": True}),
                  (TEXT, {"prompt": [65] * 490_000, "n": 80, "max_tokens": 1, "return_token_ids": True})]
        with MockServer("--context", 1_000_000, "--io-threads", 1) as server:
            for path, body in bodies:
                with self.subTest(path=path), server.connect() as sock:
                    sock.sendall(mock_server.request(path, body, "Connection: close\r\n"))
                    reader = threading.Thread(target=lambda: [None for _ in iter(lambda: sock.recv(1 << 20), b"")])
                    reader.start()
                    while reader.is_alive():
                        begin = time.monotonic()
                        self.assertEqual(send(server, get("/health")).status, 200)
                        self.assertLess(time.monotonic() - begin, 0.5)
                        time.sleep(0.005)
            peak = int(pathlib.Path(f"/proc/{server.child.pid}/status").read_text().split("VmHWM:")[1].split()[0])
            self.assertLess(peak, 640 << 10)  # KiB; 450 MiB here

    def test_descriptors_run_out(self):  # HT16
        with MockServer("--context", CONTEXT) as server, server.connect() as first:
            self.assertIn(b" 200 ", self.answer(first))
            resource.prlimit(server.child.pid, resource.RLIMIT_NOFILE, (40, 40))
            waiting = [server.connect() for _ in range(60)]
            self.assertIn(b" 200 ", self.answer(first), "who is connected is served")
            for sock in waiting:
                sock.close()
            self.assertEqual(send(server, get("/health")).status, 200)

    @staticmethod
    def answer(sock: socket.socket) -> bytes:
        try:
            sock.sendall(get("/health"))
            return sock.recv(4096)
        except ConnectionError:
            return b""


@unittest.skipUnless(mock_server.PROGRAM.exists(), "no llmc-mock-server")
class BesideCanaries(unittest.TestCase):
    def test_sixty_four_streams_do_not_change(self):
        with MockServer("--context", CONTEXT, "--step-us", 10_000) as server:
            bodies = [{"prompt": [index], "max_tokens": 900} for index in range(64)]
            with Canaries(server, bodies) as canaries:
                sent = 0
                for row in hostile_requests.rows():
                    if not row.key:
                        check(self, row, send(server, row.data))
                        sent += 1
                self.assertTrue(canaries.thread.is_alive(), "the streams ended before the requests did")
            self.assertGreater(sent, 250)
            self.assertEqual([i for i, text in enumerate(canaries.texts) if text != letters(i, 900)], [])
            self.assertIsNone(server.child.poll())


@unittest.skipUnless(engine.have_binaries(), f"no llmc and llmc-run in {engine.BIN}")
class BesideCanariesOnAnEngine(unittest.TestCase):
    def test_sixty_four_streams_do_not_change(self):
        """Sampled, so that neighbouring tokens differ; the engine is deterministic, so that company changes nothing."""
        spec = next(s for s in tiny_models.SPECS if s.name == "gguf-llama-q4_1")
        built = engine.build(tiny_models.write(spec, engine.work_dir() / "models"))
        flags = ("--max-model-len", CONTEXT, "--max-num-seqs", 96, "--deterministic", "--threads", 1)
        with EngineServer(built, *flags) as server:
            bodies = [{"prompt": [3 + index, 5, 7], "max_tokens": 900, "temperature": 1, "seed": index, "ignore_eos": True} for index in range(64)]
            self.assertGreater(check_beside(self, server, bodies), 100)


@unittest.skipUnless(engine.have_binaries(), f"no llmc and llmc-run in {engine.BIN}")
class BesideCanariesOnSmollm2(unittest.TestCase):
    def test_eight_streams_do_not_change(self):
        flags = ["--max-model-len", CONTEXT, "--max-num-seqs", 16]
        deterministic = "--deterministic" in engine.call("llmc-run", "--help")
        with EngineServer(engine.build(smollm2.gguf()), *flags, *(["--deterministic"] if deterministic else [])) as server:
            # Without the deterministic mode, what runs beside a sequence changes its roundings: then the canaries are told
            # what to say, and only their order, their number and their end can go wrong.
            told = {} if deterministic else {"allowed_token_ids": [28]}
            bodies = [{"prompt": f"Chapter {index}.", "max_tokens": 150, "temperature": 1, "seed": index, "ignore_eos": True} | told for index in range(8)]
            check_beside(self, server, bodies)


if __name__ == "__main__":
    unittest.main()
