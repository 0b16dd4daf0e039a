"""OpenAI's own Python client against the server: what it can ask, what it is told, and many of it at once."""

import asyncio
import unittest

import mock_server
from mock_server import letters

try:
    import openai
except ImportError:
    openai = None

HELLO = [{"role": "user", "content": "hello"}]


@unittest.skipUnless(openai and mock_server.PROGRAM.exists(), "needs the openai package and llmc-mock-server")
class OpenAiClient(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = mock_server.MockServer("--api-key", "k1", "--context", 1000).__enter__()
        cls.client = openai.OpenAI(base_url=cls.server.url + "/v1", api_key="k1", max_retries=0)

    @classmethod
    def tearDownClass(cls):
        cls.client.close()
        cls.server.__exit__()

    def test_models(self):
        self.assertEqual([m.id for m in self.client.models.list()], ["mock", "mock-alias"])
        self.assertEqual(self.client.models.retrieve("mock-alias").id, "mock-alias")

    def test_chat(self):
        answer = self.client.chat.completions.create(model="mock", messages=HELLO, max_tokens=5, n=2, seed=1)
        one, two = (c.message.content for c in answer.choices)
        self.assertEqual(len(one), 5)
        self.assertEqual(one[1:], two[:4])
        self.assertEqual(answer.choices[0].finish_reason, "length")
        self.assertEqual(answer.usage.completion_tokens, 10)
        self.assertEqual(answer.usage.total_tokens, answer.usage.prompt_tokens + 10)

    def test_chat_stream(self):
        stream = self.client.chat.completions.create(model="mock", messages=HELLO, max_completion_tokens=30, stream=True,
                                                     stream_options={"include_usage": True})
        chunks = list(stream)
        self.assertEqual(chunks[0].choices[0].delta.role, "assistant")
        text = [c.choices[0].delta.content for c in chunks[1:-1]]
        self.assertEqual([len(t) for t in text], [1] * 30)
        self.assertEqual("".join(text), letters(ord(text[0]) - 97, 30))
        self.assertEqual(chunks[-2].choices[0].finish_reason, "length")
        self.assertEqual(chunks[-1].usage.completion_tokens, 30)
        self.assertEqual(len({c.id for c in chunks}), 1)

    def test_logprobs(self):
        answer = self.client.chat.completions.create(model="mock", messages=HELLO, max_tokens=3, logprobs=True, top_logprobs=2)
        content = answer.choices[0].logprobs.content
        self.assertEqual("".join(e.token for e in content), answer.choices[0].message.content)
        self.assertEqual([len(e.top_logprobs) for e in content], [2, 2, 2])
        answer = self.client.completions.create(model="mock", prompt="hello", max_tokens=3, logprobs=2, echo=True)
        logprobs = answer.choices[0].logprobs
        self.assertIsNone(logprobs.token_logprobs[0])
        self.assertEqual("".join(logprobs.tokens[1:]), answer.choices[0].text)

    def test_completions(self):
        answer = self.client.completions.create(model="mock", prompt=[[1], [2]], n=2, max_tokens=4, stop=["zzz"],
                                                extra_body={"top_k": 5, "min_p": 0.1, "ignore_eos": True, "priority": 3})
        self.assertEqual([c.text for c in answer.choices], [letters(s, 4) for s in (1, 2, 2, 3)])
        answer = self.client.completions.create(model="mock", prompt=[0], max_tokens=20, stop="def")
        self.assertEqual((answer.choices[0].text, answer.choices[0].finish_reason), ("abc", "stop"))

    def test_allowed_tokens_and_cached_prompt(self):
        answer = self.client.completions.create(model="mock", prompt=[0, 1, 2], max_tokens=3, extra_body={
            "allowed_token_ids": [104, 105], "cache_salt": "mock:cached@2", "return_token_ids": True})
        self.assertEqual(answer.choices[0].text, "hih")
        self.assertEqual(answer.choices[0].token_ids, [104, 105, 104])
        self.assertEqual(answer.usage.prompt_tokens_details.cached_tokens, 2)

    def test_best_of_and_fields_of_vllm(self):
        answer = self.client.completions.create(model="mock", prompt=[[1], [5]], n=2, best_of=4, max_tokens=3)
        self.assertEqual([c.text for c in answer.choices], [letters(s, 3) for s in (3, 4, 7, 8)])  # the mock's last are likeliest
        self.assertEqual([c.index for c in answer.choices], [0, 1, 2, 3])
        self.assertIsNone(answer.choices[0].logprobs)
        self.assertEqual(answer.usage.completion_tokens, 24)
        answer = self.client.chat.completions.create(model="mock", messages=HELLO, max_tokens=500, logprobs=True, extra_body={
            "allowed_token_ids": [104, 105], "repetition_detection": {"max_pattern_size": 5, "min_count": 4},
            "return_prompt_text": True, "logprob_token_ids": [97, 98], "return_token_offsets": False})
        choice = answer.choices[0]
        self.assertEqual((choice.message.content, choice.finish_reason), ("hihihihi", "repetition"))
        self.assertEqual([t.token for t in choice.logprobs.content[0].top_logprobs], ["a", "b"])
        self.assertIn("hello", answer.prompt_text)

    def test_errors_are_the_clients_own(self):
        def ask(**fields):
            return self.client.completions.create(**{"model": "mock", "prompt": [0]} | fields)

        with self.assertRaises(openai.BadRequestError) as caught:
            ask(temperature=-1)
        self.assertEqual((caught.exception.param, caught.exception.type), ("temperature", "invalid_request_error"))
        with self.assertRaises(openai.BadRequestError) as caught:
            ask(prompt=[0] * 990)
        self.assertEqual(caught.exception.code, "context_length_exceeded")
        with self.assertRaises(openai.NotFoundError) as caught:
            ask(model="other")
        self.assertEqual(caught.exception.code, "model_not_found")
        with self.assertRaises(openai.RateLimitError) as caught:
            ask(extra_body={"cache_salt": "mock:full"})
        self.assertIn("retry-after", caught.exception.response.headers)
        with self.assertRaises(openai.AuthenticationError):
            openai.OpenAI(base_url=self.server.url + "/v1", api_key="k2", max_retries=0).models.list()
        with self.assertRaises(openai.APIError):
            list(ask(stream=True, max_tokens=9, extra_body={"cache_salt": "mock:fail@3"}))

    def test_tools_are_refused_by_name(self):
        tool = {"type": "function", "function": {"name": "f", "parameters": {}}}
        with self.assertRaises(openai.BadRequestError) as caught:
            self.client.chat.completions.create(model="mock", messages=HELLO, tools=[tool])
        self.assertEqual((caught.exception.param, caught.exception.code), ("tools", "unsupported_parameter"))

    def test_many_clients_at_once(self):
        async def one(client, index):
            stream = await client.completions.create(model="mock", prompt=[index], max_tokens=50, stream=True)
            return "".join([c.choices[0].text async for c in stream]) == letters(index, 50)

        async def everybody():
            async with openai.AsyncOpenAI(base_url=self.server.url + "/v1", api_key="k1", max_retries=0) as client:
                return await asyncio.gather(*(one(client, i) for i in range(100)))

        self.assertEqual(asyncio.run(everybody()), [True] * 100)


if __name__ == "__main__":
    unittest.main()
