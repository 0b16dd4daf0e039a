"""llmc-run as a server over SmolLM2: the cases of every engine, and what the start says and refuses."""

import functools
import http.client
import json
import pathlib
import signal
import socket
import subprocess
import tempfile
import time
import unittest
import urllib.error
import urllib.request

import engine
import serve_cases
import smollm2
from mock_server import EngineServer


def built():
    return engine.build(smollm2.gguf())


def launch(*flags) -> EngineServer:
    return EngineServer(built(), *flags)


@unittest.skipUnless(engine.have_binaries(), f"no llmc and llmc-run in {engine.BIN}")
class Serve(serve_cases.Answers, unittest.TestCase):
    second_chance = True  # bounds times of a server on a shared machine
    flags = ("--max-num-seqs", 16)

    launch = staticmethod(launch)

    def command(self, *flags) -> dict:
        return engine.run_json(built(), *flags)


@unittest.skipUnless(engine.have_binaries(), f"no llmc and llmc-run in {engine.BIN}")
class StartAndStop(serve_cases.Ends, unittest.TestCase):
    second_chance = True  # bounds times of a server on a shared machine
    tight = ("--kv-memory", "3M")

    launch = staticmethod(launch)

    def test_the_name_of_the_model(self):
        with EngineServer(built()) as server, urllib.request.urlopen(server.url + "/v1/models") as models:
            self.assertEqual(json.load(models)["data"][0]["id"], "Smollm2-135M-8k-Lc100K-Mix1-Ep2")  # general.name of the file
            # The file names no sampling, so a server has OpenAI's: two answers differ, and it says why.
            ask = {"input": "Tell me a story.", "max_output_tokens": 24}
            first, second = (json.loads(serve_cases.post(server, "/v1/responses", ask)) for _ in range(2))
            self.assertEqual((first["temperature"], first["top_p"]), (1.0, 1.0))
            self.assertNotEqual(first["output"][0]["content"], second["output"][0]["content"])

    def test_sampling_of_requests_that_name_none(self):
        flags = ("--override-generation-config", json.dumps({"temperature": 0.5, "top_p": 0.8}), "--temperature", 0, "--served-model-name", "a", "b")
        with EngineServer(built(), *flags) as server:
            ask = {"model": "b", "input": "Tell me a story.", "max_output_tokens": 8}
            first, second = (json.loads(serve_cases.post(server, "/v1/responses", ask)) for _ in range(2))
            self.assertEqual((first["temperature"], first["top_p"], first["model"]), (0.0, 0.8, "a"))
            self.assertEqual(first["output"][0]["content"], second["output"][0]["content"])
            with self.assertRaises(urllib.error.HTTPError) as caught:
                serve_cases.post(server, "/v1/responses", ask | {"priority": 1})
            self.assertEqual(json.load(caught.exception)["error"]["param"], "priority")

    def refused(self, *flags):
        begin = time.monotonic()
        done = subprocess.run([engine.BIN / "llmc-run", built(), *map(str, flags)], capture_output=True, timeout=20)
        return done.returncode, done.stderr.decode(), time.monotonic() - begin

    def test_refusals_at_the_start(self):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            status, text, seconds = self.refused("--port", taken.getsockname()[1])
            self.assertEqual(status, 69)
            self.assertIn("error[SV_PORT]", text)
            self.assertLess(seconds, 0.5)
        status, text, _ = self.refused("--host", "0.0.0.0", "--port", 0)
        self.assertEqual((status, "error[SV_PUBLIC_BIND]" in text), (77, True), text)
        status, text, _ = self.refused("--policy", "best", "--port", 0)
        self.assertEqual((status, "mlfq" in text), (64, True), text)
        for flag, value in (("--generation-config", "folder"), ("--override-generation-config", "{\"heat\": 1}"), ("--served-model-name", "")):
            status, text, _ = self.refused(flag, value, "--port", 0)
            self.assertEqual((status, flag in text), (64, True), text)

    def test_refusals_as_json(self):
        with tempfile.TemporaryDirectory() as folder:
            config = pathlib.Path(folder) / "serve.json"
            config.write_text('{"log-format": "json",\n "port": 70000}')
            for flags, wanted, code, part in (
                (("--log-format", "json", "--nonsense"), 64, "CLI_FLAG", "nonsense"),
                (("--log-format=json", "--kv-memory", "999T", "--port", 0), 69, "RT_KV_MEMORY", "asks for 999.0 TiB"),
                (("--config", config), 64, "CLI_NUMBER", f"{config}:2: --port must be"),
            ):
                status, text, _ = self.refused(*flags)
                lines = [json.loads(line) for line in text.splitlines()]
                self.assertEqual((status, lines[-1]["level"], lines[-1]["code"]), (wanted, "error", code), text)
                self.assertIn(part, lines[-1]["message"])

    def test_what_cannot_be_promised_is_refused_at_the_start(self):
        with tempfile.TemporaryDirectory() as folder:
            same, empty = pathlib.Path(folder, "same"), pathlib.Path(folder, "empty")
            empty.write_text("# nothing yet\n")
            for flags, wanted, parts in (
                (("--api-key", ""), 64, ["error[CLI_KEY]", "--api-key is empty"]),
                (("--api-key-file", empty, "--host", "0.0.0.0"), 65, ["error[CLI_KEY]", "no key in"]),
                (("--kv-memory", "999T"), 69, ["error[RT_KV_MEMORY]", "asks for 999.0 TiB", "available now", "tokens"]),
                (("--host", "nosuch.host.invalid"), 64, ["error[SV_ADDRESS]", "cannot be resolved"]),
                (("--trace", same, "--access-log", same), 64, ["error[CLI_FLAG]", "--trace and --access-log are the same file"]),
                (("--trace", built()), 64, ["error[CLI_FLAG]", "--trace and the engine are the same file"]),
                (("--max-num-batched-tokens", 1), 64, ["less than --max-num-seqs 64"]),
                (("--no-enable-chunked-prefill",), 64, ["always run in chunks"]),
            ):
                status, text, _ = self.refused(*flags, "--port", 0)
                self.assertEqual((status, [part for part in parts if part not in text]), (wanted, []), (flags, text))

    def test_a_command_line_of_vllm(self):
        flags = """--max-model-len 1k --enforce-eager --swap-space 4 --enable-chunked-prefill --block-size 16 --dtype auto --seed 7
            --tensor-parallel-size 1 -pp 1 -dp=1 --disable-log-requests --max-logprobs 20 --max_num_seqs 4
            --gpu-memory-utilization 0.9 --trust-remote-code --enable-prefix-caching --disable-log-stats --uvicorn-log-level warning"""
        with EngineServer(built(), *flags.split()) as server, urllib.request.urlopen(server.url + "/v1/models") as models:
            self.assertEqual(json.load(models)["data"][0]["max_model_len"], 1000)
            told = [line.split(" has no effect here: ")[0] for line in server.screen.splitlines() if " has no effect here: " in line]
            self.assertEqual(told, ["--gpu-memory-utilization", "--trust-remote-code", "--uvicorn-log-level"])
        status, text, _ = self.refused("serve", "--port", 0)
        self.assertEqual((status, "unexpected argument" in text or "given twice" in text), (64, True), "only the first word")

    def test_the_log_counts_what_a_stop_cut_short(self):
        """A second signal, and a drain that takes too long: both end with status 0, as any stop that was asked for."""
        for drain, signals, why in ((30, 2, "a second signal came"), (0, 1, "the 0 s of --drain-seconds are over")):
            command = [engine.BIN / "llmc-run", built(), "--port", "0", "--drain-seconds", str(drain)]
            child = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
            url = next(line for line in child.stderr if line.startswith("ready on ")).split()[2]
            body = json.dumps({"prompt": [1, 2], "max_tokens": 2000, "ignore_eos": True, "stream": True}).encode()
            ask = urllib.request.Request(url + "/completions", body, {"Content-Type": "application/json"})
            with urllib.request.urlopen(ask) as stream:
                self.assertTrue(stream.readline().startswith(b"data: "))
                for _ in range(signals):
                    child.terminate()
                    time.sleep(0.2)
                with self.assertRaises(http.client.IncompleteRead) as cut:
                    stream.read()
                self.assertIn(b'"code":"server_shutdown"', cut.exception.partial)
            said = child.stderr.read()
            child.stderr.close()
            self.assertEqual(child.wait(timeout=10), 0)
            self.assertIn("draining: 1 request in work\n", said)
            self.assertIn(f"cut 1 request short: {why}\n", said)

    def test_hangups(self):
        """A terminal that goes sends SIGHUP, often twice: answers end. Under nohup nothing does."""
        for ignored in (False, True):
            # Whoever runs the tests may have begun them under nohup.
            prepare = functools.partial(signal.signal, signal.SIGHUP, signal.SIG_IGN if ignored else signal.SIG_DFL)
            child = subprocess.Popen([engine.BIN / "llmc-run", built(), "--port", "0"], stderr=subprocess.PIPE, text=True, preexec_fn=prepare)
            self.addCleanup(child.kill)
            url = next(line for line in child.stderr if line.startswith("ready on ")).split()[2]
            body = json.dumps({"prompt": [1, 2], "max_tokens": 300, "ignore_eos": True, "stream": True}).encode()
            with urllib.request.urlopen(urllib.request.Request(url + "/completions", body, {"Content-Type": "application/json"})) as stream:
                self.assertTrue(stream.readline().startswith(b"data: "))
                for _ in range(2):
                    child.send_signal(signal.SIGHUP)
                    time.sleep(0.1)
                self.assertTrue(stream.read().endswith(b"data: [DONE]\n\n"), ignored)
            if ignored:
                with urllib.request.urlopen(url + "/models") as models:
                    self.assertEqual(models.status, 200)
                child.terminate()
            self.assertEqual(child.wait(timeout=30), 0, ignored)
            said = child.stderr.read()
            child.stderr.close()
            self.assertIn("draining: 0 requests in work\n" if ignored else "draining: 1 request in work\n", said)
            self.assertIn("drained: no request was cut short\n", said)

    def test_flags_from_a_file(self):
        with tempfile.TemporaryDirectory() as folder:
            config = pathlib.Path(folder) / "serve.yaml"
            config.write_text(f"model: {built()}\nserved_model_name: [a, b]\nkv-cache-memory-bytes: 64M\nmetrics-prefix: llmc\n")
            child = subprocess.Popen([engine.BIN / "llmc-run", "--config", config, "--port", "0"], stderr=subprocess.PIPE, text=True)
            screen = []
            for line in child.stderr:
                screen.append(line)
                if line.startswith("ready on "):
                    break
            url = screen[-1].split()[2]
            with urllib.request.urlopen(url + "/models") as models:
                self.assertEqual([m["id"] for m in json.load(models)["data"]], ["a", "b"])
            with urllib.request.urlopen(url.removesuffix("/v1") + "/metrics") as metrics:
                self.assertIn(b"llmc:num_requests_running", metrics.read())
            child.terminate()
            child.stderr.close()
            self.assertEqual(child.wait(timeout=10), 0)
            for name in ("model ", "memory ", "KV cache ", "sequences ", "address "):
                self.assertTrue(any(line.startswith(name) for line in screen), screen)
            self.assertIn("KV cache 64.0 MiB = ", "".join(screen))
            config.write_text("port: 0\nprot: 1\n")
            status, text, _ = self.refused("--config", config)
            self.assertEqual((status, f"{config}:2: unknown key 'prot'" in text), (65, True), text)


if __name__ == "__main__":
    unittest.main()
