"""SmolLM2 with --deterministic, or a seed in the request: tokens and log probabilities are bitwise those it has alone; without either they are not."""

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
    """Prompts that share beginnings, sampled and greedy, some with two choices, one with more than the needle's servers run at once; all with seeds."""
    chance = random.Random(7)
    made = []
    for index in range(count):
        prompt = FACT * chance.randrange(3) + f"Number {index}: " + "word " * chance.randrange(60)
        made.append({"prompt": prompt, "max_tokens": TOKENS, "logprobs": 2, "seed": index, "n": 9 if index == 5 else 2 if index % 5 == 0 else 1,
                     "temperature": 0 if index % 2 else 0.9, "extra_body": {"ignore_eos": True, "return_token_ids": True}})
    return made


def without_seed(request: dict, **fields) -> dict:
    return {key: value for key, value in request.items() if key != "seed"} | fields


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

    def test_a_seed_is_enough(self):
        async def everything(url):
            async with openai.AsyncOpenAI(base_url=url + "/v1", api_key="none", timeout=120) as client:
                alone = [await ask(client, request) for request in self.wanted[:4]]
                one, prompts = self.wanted[2], [request["prompt"] for request in self.wanted[:3]]
                each = [(await ask(client, one | {"prompt": prompt}))[0] for prompt in prompts]
                load = asyncio.gather(*(ask(client, without_seed(request)) for request in self.wanted))
                together = await asyncio.gather(*(ask(client, request) for request in [*self.wanted, one | {"prompt": prompts}]))
                await load
                return alone, each, together

        with EngineServer(engine.build(smollm2.gguf()), "--served-model-name", "m", "--threads", 2) as server:
            alone, each, (*together, listed) = asyncio.run(everything(server.url))
        self.assertEqual(alone, self.alone[:4])
        for index, (ours, alone) in enumerate(zip(together, self.alone, strict=True)):
            self.assertEqual(ours, alone, f"request {index}")
        self.assertEqual(listed, each)

    def test_its_inverse(self):
        greedy = [without_seed(request) for request in self.wanted if request["temperature"] == 0]
        alone, together = (run(("--threads", 2), greedy, together=together)[0] for together in (False, True))
        self.assertNotEqual(together, alone)


if __name__ == "__main__":
    unittest.main()
