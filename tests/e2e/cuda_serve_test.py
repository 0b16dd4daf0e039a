"""llmc-run as a server on an engine for CUDA over the emulator's driver: many at once, choices, swap, a device that fails."""

import asyncio
import http.client
import json
import tempfile
import unittest
import urllib.request

import cuda_engine
import openai

NAME = "llama-3h1-d64-f32"
FLAGS = ("--served-model-name", "tiny", "--max-model-len", 128, "--max-num-seqs", 4, "--max-num-batched-tokens", 64, "--threads", 1)


def post(server, path, body, timeout=120):
    ask = urllib.request.Request(server.url + path, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(ask, timeout=timeout) as reply:
        return reply.read()


@cuda_engine.needs_emulator
class CudaServe(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = cuda_engine.CudaServer(NAME, *FLAGS, "--kv-memory", "4M").__enter__()
        cls.client = openai.OpenAI(base_url=cls.server.url + "/v1", api_key="none")

    @classmethod
    def tearDownClass(cls):
        cls.client.close()
        cls.server.__exit__()

    def complete(self, prompt, **fields):
        return self.client.completions.create(model="tiny", prompt=prompt, extra_body={"ignore_eos": True}, **fields)

    def test_the_same_answer_as_the_command_line(self):
        done = cuda_engine.run(NAME, "--prompt", "Once upon", "--max-tokens", 8, "--temperature", 0, "--ignore-eos", "--json",
                               "--max-model-len", 128, "--threads", 1, "--kv-memory", "4M")
        self.assertEqual(done.returncode, 0, done.stderr)
        wanted = json.loads(done.stdout)["text"]
        self.assertEqual(self.complete("Once upon", max_tokens=8, temperature=0).choices[0].text, wanted)
        pieces = self.complete("Once upon", max_tokens=8, temperature=0, stream=True)
        self.assertEqual("".join(chunk.choices[0].text for chunk in pieces), wanted)

    def test_the_device_samples_what_the_host_samples(self):
        # The command line samples on the host, the server on the device: the same tokens for the same seed, whatever the filters.
        for flags, fields in ((("--temperature", 0.8, "--seed", 7), {}),
                              (("--temperature", 1.2, "--seed", 8, "--top-k", 30, "--top-p", 0.9, "--min-p", 0.01), {"top_k": 30, "min_p": 0.01, "top_p": 0.9}),
                              (("--temperature", 0.9, "--seed", 9, "--repetition-penalty", 1.3, "--presence-penalty", 0.4), {"repetition_penalty": 1.3, "presence_penalty": 0.4})):
            done = cuda_engine.run(NAME, "--prompt", "Once upon", "--max-tokens", 8, "--ignore-eos", "--json", "--max-model-len", 128, "--threads", 1,
                                   "--kv-memory", "4M", *flags)
            self.assertEqual(done.returncode, 0, done.stderr)
            body = {"model": "tiny", "prompt": "Once upon", "max_tokens": 8, "ignore_eos": True, "temperature": flags[1], "seed": flags[3], **fields}
            self.assertEqual(json.loads(post(self.server, "/v1/completions", body))["choices"][0]["text"], json.loads(done.stdout)["text"])

    def test_many_at_once(self):
        async def one(client, index):
            answer = await client.completions.create(model="tiny", prompt=f"Number {index} is", max_tokens=3 + index, temperature=0.8,
                                                     seed=index, extra_body={"ignore_eos": True})
            return answer.usage.completion_tokens

        async def everybody():
            async with openai.AsyncOpenAI(base_url=self.server.url + "/v1", api_key="none") as client:
                return await asyncio.gather(*(one(client, i) for i in range(8)))

        self.assertEqual(asyncio.run(everybody()), [3 + i for i in range(8)])

    def test_choices_share_their_prompt(self):
        ask = lambda salt: self.client.completions.create(model="tiny", prompt="Tell me a story of", n=3, seed=5, temperature=1, max_tokens=6,
                                                          extra_body={"ignore_eos": True, "cache_salt": salt})
        texts = [[choice.text for choice in ask(salt).choices] for salt in ("a", "b")]
        self.assertEqual(texts[0], texts[1])
        self.assertGreater(len(set(texts[0])), 1)

    def test_prompt_scores(self):
        answer = self.complete("Once upon a time", max_tokens=1, temperature=0, echo=True, logprobs=1)
        scores = answer.choices[0].logprobs.token_logprobs
        self.assertIsNone(scores[0])
        self.assertTrue(all(-25 < score < 0 for score in scores[1:]), scores)


@cuda_engine.needs_emulator
class CudaStartAndStop(unittest.TestCase):
    def test_start_screen_and_swap(self):
        # Nine pages for three sequences of up to four: somebody has to leave, and comes back with the same text.
        trace = tempfile.NamedTemporaryFile(suffix=".json")
        self.addCleanup(trace.close)
        flags = (*FLAGS[:2], "--max-model-len", 80, *FLAGS[4:], "--trace", trace.name, "--kv-memory", "108K", "--preempt", "swap", "--swap-space", "4M", "--deterministic", "--no-prefix-cache")
        with cuda_engine.CudaServer(NAME, *flags) as server:
            ask = lambda i: {"model": "tiny", "prompt": [3 + i, *range(40, 66)], "max_tokens": 34, "temperature": 0, "ignore_eos": True}
            alone = [json.loads(post(server, "/v1/completions", ask(i), 300))["choices"][0]["text"] for i in range(3)]

            async def everybody():
                return await asyncio.gather(*(asyncio.to_thread(post, server, "/v1/completions", ask(i), 300) for i in range(3)))

            together = [json.loads(answer)["choices"][0]["text"] for answer in asyncio.run(everybody())]
            self.assertEqual(together, alone)
            self.assertGreater(server.metric("vllm:num_preemptions_total"), 0)
        # Alone each token but the first two comes of a step that began before the one before had ended.
        with open(trace.name, encoding="utf-8") as file:
            self.assertGreater(sum(event["name"] == "start ahead" for event in json.load(file)["traceEvents"]), 3 * 30)

    def test_a_device_that_fails_ends_streams_with_an_error_and_the_process_with_71(self):
        with cuda_engine.CudaServer(NAME, *FLAGS, "--kv-memory", "4M", FAIL="cuGraphLaunch:5:719") as server:
            body = {"model": "tiny", "prompt": "Once upon a time", "max_tokens": 50, "temperature": 0, "ignore_eos": True, "stream": True}
            # The stream breaks off after its error event, without the end that a whole answer has.
            with self.assertRaises(http.client.IncompleteRead) as caught:
                post(server, "/v1/completions", body)
            events = caught.exception.partial.decode().strip().split("\n\n")
            self.assertGreater(len(events), 3)
            error = json.loads(events[-1].removeprefix("data: "))["error"]
            self.assertEqual(error["code"], "engine_unavailable")
            self.assertIn("CU_FAULT", error["message"])
            self.assertEqual(server.child.wait(timeout=20), 71)

    def test_a_server_that_does_not_fit_says_so(self):
        done = cuda_engine.run(NAME, *FLAGS, "--port", 0, "--kv-memory", "3G")
        self.assertEqual(done.returncode, 69, done.stderr)
        self.assertIn("RT_KV_MEMORY", done.stderr)


if __name__ == "__main__":
    unittest.main()
