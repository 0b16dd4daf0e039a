"""--trace FILE on a server that is terminated while it answers: the file is JSON with steps, requests and reasons."""

import json
import signal
import threading
import unittest
import urllib.request

import engine
import smollm2
from mock_server import EngineServer


@unittest.skipUnless(engine.have_binaries(), f"no llmc and llmc-run in {engine.BIN}")
class Trace(unittest.TestCase):
    def test_the_file_is_whole_after_sigterm(self):
        path = engine.work_dir() / "trace.json"
        flags = ("--served-model-name", "m", "--trace", path, "--drain-seconds", 1)
        with EngineServer(engine.build(smollm2.gguf()), *flags) as server:
            def ask(tokens):
                body = json.dumps({"model": "m", "prompt": "Once", "max_tokens": tokens, "ignore_eos": True, "temperature": 0})
                headers = {"Content-Type": "application/json", "X-Request-Id": f"for {tokens}"}
                try:
                    with urllib.request.urlopen(urllib.request.Request(server.url + "/v1/completions", body.encode(), headers)) as reply:
                        return reply.read()
                except OSError:
                    return None  # cut by the end of the drain

            ask(20)
            long = threading.Thread(target=ask, args=(7000,))
            long.start()
            while server.metric("vllm:num_requests_running") == 0:
                pass
            server.child.send_signal(signal.SIGTERM)
            self.assertEqual(server.child.wait(timeout=20), 0)
            long.join()
        events = json.loads(path.read_text())["traceEvents"]
        named = {}
        for event in events:
            named.setdefault(event["name"], []).append(event)
        self.assertGreater(len(named["step"]), 20)
        self.assertTrue(all(e["ph"] == "X" and e["dur"] >= 0 for e in named["step"]))
        begun = [e for e in events if e["ph"] == "b"]
        self.assertEqual(len(begun), 2)
        self.assertTrue(all(e["args"]["prompt_tokens"] == 1 for e in begun), begun)
        self.assertEqual(len({e["id"] for e in begun}), 2)
        self.assertIn("length after 20 tokens", " ".join(e["args"]["reason"] for e in named["finished"]))


if __name__ == "__main__":
    unittest.main()
