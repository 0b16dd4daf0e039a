"""--deterministic over SmolLM2: tokens and log probabilities of a request are bitwise those it has alone; without it they are not."""

import asyncio
import random
import unittest

import engine
import openai
import smollm2
from mock_server import EngineServer

TOKENS = 24
FACT = "The lighthouse keeper counted the ships as they came home through the fog, one by one, until the harbour was full. "


def requests(count: int) -> list[dict]:
    """Prompts that share beginnings, with and without seeds, some with two choices."""
    chance = random.Random(7)
    made = []
    for index in range(count):
        prompt = FACT * chance.randrange(3) + f"Number {index}: " + "word " * chance.randrange(60)
        made.append({"prompt": prompt, "max_tokens": TOKENS, "logprobs": 2, "seed": index, "n": 2 if index % 5 == 0 else 1,
                     "temperature": 0 if index % 2 else 0.9, "extra_body": {"ignore_eos": True, "return_token_ids": True}})
    return made


async def ask(client, request: dict):
    answer = await client.completions.create(model="m", **request)
    return [(c.token_ids, c.logprobs.token_logprobs, c.logprobs.top_logprobs) for c in answer.choices]


def run(flags, wanted: list[dict], together: bool) -> tuple[list, float]:
    """Answers in the order of the requests, and the number of preemptions."""

    async def all_of_them(url):
        async with openai.AsyncOpenAI(base_url=url + "/v1", api_key="none", timeout=120) as client:
            if not together:
                return [await ask(client, request) for request in wanted]
            order = list(range(len(wanted)))
            random.Random(3).shuffle(order)
            answers = await asyncio.gather(*(ask(client, wanted[i]) for i in order))
            return [answer for _, answer in sorted(zip(order, answers))]

    with EngineServer(engine.build(smollm2.gguf()), "--served-model-name", "m", *flags) as server:
        answers = asyncio.run(all_of_them(server.url))
        return answers, server.metric("vllm:num_preemptions_total")


@unittest.skipUnless(engine.have_binaries(), f"no llmc and llmc-run in {engine.BIN}")
class Determinism(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.wanted = requests(12)
        cls.alone, _ = run(("--deterministic", "--no-prefix-cache", "--threads", 2), cls.wanted, together=False)

    def test_the_needle(self):
        # The memory holds 23 pages of 360 KiB: a few of the requests at a time, so that some lose their place.
        tight = ("--kv-memory", "8M", "--max-model-len", 288)
        for flags in ((), ("--max-batched-tokens", 19, "--max-num-seqs", 7, "--threads", 3),
                      (*tight, "--preempt", "recompute"), (*tight, "--preempt", "swap", "--swap-space", "16M")):
            with self.subTest(flags=flags):
                answers, preempted = run(("--deterministic", *flags), self.wanted, together=True)
                for index, (ours, alone) in enumerate(zip(answers, self.alone, strict=True)):
                    self.assertEqual(ours, alone, f"request {index}")
                self.assertEqual(preempted > 0, "--preempt" in flags)

    def test_its_inverse(self):
        answers, _ = run(("--threads", 2), self.wanted, together=True)
        self.assertNotEqual(answers, self.alone)


if __name__ == "__main__":
    unittest.main()
