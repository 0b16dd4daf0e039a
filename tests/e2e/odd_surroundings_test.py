"""llmc-run as a server where something around it is odd: a log whose disk is full, no standard streams, another server on the same engine."""

import hashlib
import json
import os
import pathlib
import signal
import socket
import subprocess
import time
import unittest
import urllib.request

import engine
import hostile
from mock_server import EngineServer

FLAGS = ("--max-num-seqs", "2", "--threads", "1", "--kv-memory", "8M")


def built() -> pathlib.Path:
    return engine.build(hostile.model_path(hostile.GGUF), "--cpu-levels", "x86-64-v3")


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


if __name__ == "__main__":
    unittest.main()
