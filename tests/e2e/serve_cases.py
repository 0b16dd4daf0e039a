"""What llmc-run promises as a server, asked of any engine: serve_test has them over the CPU, cuda_serve_test over the emulator's driver."""

import asyncio
import collections
import json
import signal
import time
import urllib.request

import openai


def until(condition, seconds=10):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.02)
    return False


def post(server, path, body, timeout=120) -> bytes:
    ask = urllib.request.Request(server.url + path, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(ask, timeout=timeout) as reply:
        return reply.read()


class Answers:
    """For a unittest.TestCase. It says `launch(*flags)`, a server that is not entered yet, and `command(*flags)`, the JSON of llmc-run on
    the same engine; and, of models whose tokens cost more or less, how many to ask for."""

    name = "served"
    question = "Why is the sky blue?"
    flags: tuple = ()
    length, crowd, prefix = 40, 40, 40  # tokens of an answer, streams at once, sentences of a long prompt
    context = 9000  # more tokens than the server takes

    @classmethod
    def setUpClass(cls):
        cls.server = cls.launch("--served-model-name", cls.name, *cls.flags).__enter__()
        cls.client = openai.OpenAI(base_url=cls.server.url + "/v1", api_key="none")

    @classmethod
    def tearDownClass(cls):
        cls.client.close()
        cls.server.__exit__()

    def chat(self, text, **fields):
        return self.client.chat.completions.create(model=self.name, messages=[{"role": "user", "content": text}], **fields)

    def complete(self, prompt, **fields):
        return self.client.completions.create(model=self.name, prompt=prompt, **fields)

    def idle(self) -> bool:
        return until(lambda: self.server.metric("vllm:num_requests_running") == 0)

    def test_the_same_answer_as_the_command_line(self):
        wanted = self.command("--message", self.question, "--max-tokens", self.length, "--temperature", 0, "--logprobs", 3)
        whole = self.chat(self.question, max_tokens=self.length, temperature=0, logprobs=True, top_logprobs=3)
        self.assertEqual(whole.choices[0].message.content, wanted["text"])
        self.assertEqual(whole.choices[0].finish_reason, wanted["finish_reason"])
        self.assertEqual(whole.usage.prompt_tokens, len(wanted["prompt_token_ids"]))
        for ours, theirs in zip(whole.choices[0].logprobs.content, wanted["logprobs"], strict=True):
            self.assertAlmostEqual(ours.logprob, theirs["logprob"], places=3)
            self.assertEqual(len(ours.top_logprobs), 3)
        # A prompt that comes from the cache has its last tokens in a smaller step, which may round otherwise: a salt keeps it whole.
        stream = self.chat(self.question, max_tokens=self.length, temperature=0, stream=True, extra_body={"cache_salt": "stream"})
        pieces = [c.choices[0].delta.content or "" for c in stream]
        self.assertEqual("".join(pieces), wanted["text"])
        self.assertGreater(len(pieces), self.length * 3 // 4)

    def test_one_answer_in_four_formats(self):
        question = "Why is grass green?"
        self.chat(question, max_tokens=1)  # from here on all of them find the prompt in the cache
        chat = self.chat(question, max_tokens=20, temperature=0).choices[0].message.content
        response = self.client.responses.create(model=self.name, input=question, max_output_tokens=20, temperature=0)
        self.assertEqual(response.output_text, chat)
        body = {"model": self.name, "max_tokens": 20, "temperature": 0, "messages": [{"role": "user", "content": question}]}
        self.assertEqual(json.loads(post(self.server, "/v1/messages", body))["content"][0]["text"], chat)
        ids = json.loads(post(self.server, "/tokenize", {"messages": body["messages"]}))["tokens"]
        self.assertEqual(self.complete(ids, max_tokens=20, temperature=0).choices[0].text, chat)
        self.assertEqual(json.loads(post(self.server, "/v1/messages/count_tokens", body))["input_tokens"], len(ids))

    def test_many_at_once(self):
        async def one(client, index):
            stream = await client.completions.create(
                model=self.name, prompt=f"Number {index} is", max_tokens=10 + index, temperature=0.8, seed=index, stream=True,
                stream_options={"include_usage": True}, extra_body={"ignore_eos": True})
            usage = None
            async for chunk in stream:
                usage = chunk.usage or usage
            return usage.completion_tokens

        async def everybody():
            async with openai.AsyncOpenAI(base_url=self.server.url + "/v1", api_key="none") as client:
                return await asyncio.gather(*(one(client, i) for i in range(self.crowd)))

        self.assertEqual(asyncio.run(everybody()), [10 + i for i in range(self.crowd)])
        self.assertTrue(self.idle())

    def test_seeds_and_choices(self):
        # On a device a cached prompt takes other shapes of kernels, so other roundings: salts keep the two apart.
        ask = lambda salt: self.chat("Tell me a story.", n=2, seed=5, temperature=1, max_tokens=12, extra_body={"cache_salt": salt})
        texts = [[c.message.content for c in ask(salt).choices] for salt in ("a", "b")]
        self.assertEqual(texts[0], texts[1])
        self.assertNotEqual(texts[0][0], texts[0][1])

    def test_a_stop_string_ends_an_answer(self):
        ask = lambda **fields: self.complete("Once upon a time", max_tokens=12, temperature=0, extra_body={"ignore_eos": True}, **fields)
        whole = ask().choices[0].text
        stop = whole[4:7]  # as a rule not where tokens begin and end
        wanted = whole[: whole.index(stop)]
        cut = ask(stop=["not in it", stop]).choices[0]
        self.assertEqual((cut.text, cut.finish_reason), (wanted, "stop"))
        chunks = list(ask(stop=stop, stream=True))
        self.assertEqual("".join(chunk.choices[0].text for chunk in chunks), wanted)
        self.assertEqual(chunks[-1].choices[0].finish_reason, "stop")

    def test_a_prefix_is_computed_once(self):
        text = "The quick brown fox jumps over the lazy dog. " * self.prefix
        for cached in (False, True):
            usage = self.chat(text + str(cached), max_tokens=1, temperature=0).usage
            found = usage.prompt_tokens_details.cached_tokens
            self.assertEqual(found > usage.prompt_tokens * 0.8, cached, usage)

    def test_prompt_scores(self):
        scores = self.complete("Once upon a time", max_tokens=1, temperature=0, echo=True, logprobs=1).choices[0].logprobs.token_logprobs
        self.assertIsNone(scores[0])
        self.assertTrue(all(-25 < s < 0 for s in scores[1:]), scores)

    def test_a_client_that_leaves_is_forgotten(self):
        stream = self.chat("Count to a thousand.", max_tokens=self.context * 4 // 9, stream=True, extra_body={"ignore_eos": True})
        next(iter(stream))
        self.assertGreaterEqual(self.server.metric("vllm:num_requests_running"), 1)
        stream.close()
        self.assertTrue(self.idle())

    def test_refusals(self):
        for fields, code in (({"max_tokens": self.context}, 400), ({"temperature": -1}, 400), ({"model": "other"}, 404)):
            with self.subTest(fields), self.assertRaises(openai.APIStatusError) as caught:
                self.client.chat.completions.create(**{"model": self.name, "messages": [{"role": "user", "content": "a"}], **fields})
            self.assertEqual(caught.exception.status_code, code)

    def test_idle_costs_nothing(self):
        self.assertTrue(self.idle())
        ticks = lambda: sum(map(int, open(f"/proc/{self.server.child.pid}/stat").read().rsplit(") ", 1)[1].split()[11:13]))
        time.sleep(0.5)
        used = []  # a busy machine still may make memory ready for the next requests: that ends
        while not used or (used[-1] > 1 and len(used) < 5):
            before = ticks()
            time.sleep(2)
            used.append(ticks() - before)
        self.assertLessEqual(used[-1], 1, used)


class Ends:
    """For a unittest.TestCase with `launch` as above: how a server ends, and what it refuses to begin."""

    tight: tuple = ()  # flags of a server whose KV cache does not hold 6 answers of 60 tokens

    def test_sigterm_lets_answers_end(self):
        with self.launch("--served-model-name", "m") as server:
            body = {"model": "m", "prompt": "Once", "max_tokens": 300, "ignore_eos": True, "temperature": 0}

            async def scenario():
                asked = asyncio.create_task(asyncio.to_thread(post, server, "/v1/completions", body))
                await asyncio.sleep(0.3)
                server.child.send_signal(signal.SIGTERM)
                return await asked

            self.assertEqual(json.loads(asyncio.run(scenario()))["usage"]["completion_tokens"], 300)
            self.assertEqual(server.child.wait(timeout=10), 0)

    def test_more_answers_than_fit_take_turns(self):
        with self.launch(*self.tight, "--max-model-len", 80, "--max-num-seqs", 4, "--served-model-name", "m") as server:
            ask = {"model": "m", "prompt": [5, 6, 7], "max_tokens": 60, "n": 6, "temperature": 1, "ignore_eos": True, "stream": True}
            texts, ends = collections.Counter(), {}
            for line in post(server, "/v1/completions", ask).decode().splitlines():
                if line.startswith("data: {"):
                    choice = json.loads(line[6:])["choices"][0]
                    texts[choice["index"]] += 1
                    ends |= {choice["index"]: choice["finish_reason"]} if choice["finish_reason"] else {}
            self.assertEqual(texts, {index: 60 for index in range(6)})
            self.assertEqual(ends, {index: "length" for index in range(6)})
            self.assertGreater(server.metric("vllm:num_preemptions_total"), 0)
            self.assertEqual(server.metric("vllm:kv_cache_usage_perc"), 0)
