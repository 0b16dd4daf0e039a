"""llmc-run as a server over SmolLM2: the same answers as the command line, many at once, prefixes, cancels, drain, refusals."""

import asyncio
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
import openai
import smollm2
from mock_server import EngineServer

QUESTION = "Why is the sky blue?"


def built():
    return engine.build(smollm2.gguf())


def until(condition, seconds=10):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.02)
    return False


@unittest.skipUnless(engine.have_binaries(), f"no llmc and llmc-run in {engine.BIN}")
class Serve(unittest.TestCase):
    second_chance = True  # bounds times of a server on a shared machine

    @classmethod
    def setUpClass(cls):
        cls.server = EngineServer(built(), "--served-model-name", "smollm2", "--max-num-seqs", 16).__enter__()
        cls.client = openai.OpenAI(base_url=cls.server.url + "/v1", api_key="none")

    @classmethod
    def tearDownClass(cls):
        cls.client.close()
        cls.server.__exit__()

    def chat(self, text, **fields):
        return self.client.chat.completions.create(model="smollm2", messages=[{"role": "user", "content": text}], **fields)

    def test_the_same_answer_as_the_command_line(self):
        wanted = engine.run_json(built(), "--message", QUESTION, "--max-tokens", 40, "--temperature", 0, "--logprobs", 3)
        whole = self.chat(QUESTION, max_tokens=40, temperature=0, logprobs=True, top_logprobs=3)
        self.assertEqual(whole.choices[0].message.content, wanted["text"])
        self.assertEqual(whole.choices[0].finish_reason, wanted["finish_reason"])
        self.assertEqual(whole.usage.prompt_tokens, len(wanted["prompt_token_ids"]))
        for ours, theirs in zip(whole.choices[0].logprobs.content, wanted["logprobs"], strict=True):
            self.assertAlmostEqual(ours.logprob, theirs["logprob"], places=3)
            self.assertEqual(len(ours.top_logprobs), 3)
        pieces = [c.choices[0].delta.content or "" for c in self.chat(QUESTION, max_tokens=40, temperature=0, stream=True)]
        self.assertEqual("".join(pieces), wanted["text"])
        self.assertGreater(len(pieces), 30)

    def test_one_answer_in_four_formats(self):
        question = "Why is grass green?"
        self.chat(question, max_tokens=1)  # from here on all of them find the prompt in the cache
        chat = self.chat(question, max_tokens=20, temperature=0).choices[0].message.content
        response = self.client.responses.create(model="smollm2", input=question, max_output_tokens=20, temperature=0)
        self.assertEqual(response.output_text, chat)
        body = {"model": "smollm2", "max_tokens": 20, "temperature": 0, "messages": [{"role": "user", "content": question}]}
        self.assertEqual(json.loads(self.post("/v1/messages", body))["content"][0]["text"], chat)
        ids = json.loads(self.post("/tokenize", {"messages": body["messages"]}))["tokens"]
        plain = self.client.completions.create(model="smollm2", prompt=ids, max_tokens=20, temperature=0)
        self.assertEqual(plain.choices[0].text, chat)
        self.assertEqual(json.loads(self.post("/v1/messages/count_tokens", body))["input_tokens"], len(ids))

    def post(self, path, body):
        ask = urllib.request.Request(self.server.url + path, json.dumps(body).encode(), {"Content-Type": "application/json"})
        with urllib.request.urlopen(ask) as reply:
            return reply.read()

    def test_many_at_once(self):
        async def one(client, index):
            stream = await client.completions.create(
                model="smollm2", prompt=f"Number {index} is", max_tokens=10 + index, temperature=0.8, seed=index, stream=True,
                stream_options={"include_usage": True}, extra_body={"ignore_eos": True})
            usage = None
            async for chunk in stream:
                usage = chunk.usage or usage
            return usage.completion_tokens

        async def everybody():
            async with openai.AsyncOpenAI(base_url=self.server.url + "/v1", api_key="none") as client:
                return await asyncio.gather(*(one(client, i) for i in range(40)))

        self.assertEqual(asyncio.run(everybody()), [10 + i for i in range(40)])
        self.assertTrue(until(lambda: self.server.metric("vllm:num_requests_running") == 0))

    def test_seeds_and_choices(self):
        # A cached prompt takes other shapes of kernels, so other roundings: salts keep the two apart.
        ask = lambda salt: self.chat("Tell me a story.", n=2, seed=5, temperature=1, max_tokens=12, extra_body={"cache_salt": salt})
        texts = [[c.message.content for c in ask(salt).choices] for salt in ("a", "b")]
        self.assertEqual(texts[0], texts[1])
        self.assertNotEqual(texts[0][0], texts[0][1])

    def test_a_prefix_is_computed_once(self):
        text = "The quick brown fox jumps over the lazy dog. " * 40
        for cached in (False, True):
            usage = self.chat(text + str(cached), max_tokens=1, temperature=0).usage
            found = usage.prompt_tokens_details.cached_tokens
            self.assertEqual(found > usage.prompt_tokens * 0.9, cached, usage)

    def test_prompt_scores(self):
        answer = self.client.completions.create(model="smollm2", prompt="Once upon a time", max_tokens=1, temperature=0, echo=True, logprobs=1)
        scores = answer.choices[0].logprobs.token_logprobs
        self.assertIsNone(scores[0])
        self.assertTrue(all(-25 < s < 0 for s in scores[1:]), scores)

    def test_a_client_that_leaves_is_forgotten(self):
        stream = self.chat("Count to a thousand.", max_tokens=4000, stream=True, extra_body={"ignore_eos": True})
        next(iter(stream))
        self.assertGreaterEqual(self.server.metric("vllm:num_requests_running"), 1)
        stream.close()
        self.assertTrue(until(lambda: self.server.metric("vllm:num_requests_running") == 0))

    def test_refusals(self):
        for fields, code in (({"max_tokens": 9000}, 400), ({"temperature": -1}, 400), ({"model": "other"}, 404)):
            with self.subTest(fields), self.assertRaises(openai.APIStatusError) as caught:
                self.client.chat.completions.create(**{"model": "smollm2", "messages": [{"role": "user", "content": "a"}], **fields})
            self.assertEqual(caught.exception.status_code, code)

    def test_idle_costs_nothing(self):
        until(lambda: self.server.metric("vllm:num_requests_running") == 0)
        ticks = lambda: sum(map(int, open(f"/proc/{self.server.child.pid}/stat").read().rsplit(") ", 1)[1].split()[11:13]))
        time.sleep(0.5)
        before = ticks()
        time.sleep(2)
        self.assertLessEqual(ticks() - before, 1)


@unittest.skipUnless(engine.have_binaries(), f"no llmc and llmc-run in {engine.BIN}")
class StartAndStop(unittest.TestCase):
    second_chance = True  # bounds times of a server on a shared machine

    def test_sigterm_lets_answers_end(self):
        with EngineServer(built()) as server:
            body = json.dumps({"model": "SmolLM2-135M-Instruct.Q4_1", "prompt": "Once", "max_tokens": 300, "ignore_eos": True, "temperature": 0})
            ask = urllib.request.Request(server.url + "/v1/completions", body.encode(), {"Content-Type": "application/json"})
            with urllib.request.urlopen(server.url + "/v1/models") as models:
                self.assertIn("SmolLM2", json.load(models)["data"][0]["id"])

            async def scenario():
                asked = asyncio.create_task(asyncio.to_thread(lambda: json.load(urllib.request.urlopen(ask, timeout=60))))
                await asyncio.sleep(0.3)
                server.child.send_signal(signal.SIGTERM)
                return await asked

            self.assertEqual(asyncio.run(scenario())["usage"]["completion_tokens"], 300)
            self.assertEqual(server.child.wait(timeout=10), 0)

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

    def test_what_never_fits_is_refused(self):
        with EngineServer(built(), "--kv-memory", "40M", "--max-model-len", 512, "--served-model-name", "m") as server:
            body = json.dumps({"model": "m", "prompt": "a", "max_tokens": 500, "n": 8}).encode()
            with self.assertRaises(urllib.error.HTTPError) as caught:
                urllib.request.urlopen(urllib.request.Request(server.url + "/v1/completions", body, {"Content-Type": "application/json"}))
            self.assertEqual(caught.exception.code, 400)
            self.assertIn("KV pages", caught.exception.read().decode())


if __name__ == "__main__":
    unittest.main()
