"""Requests of a load: prompts cut from a text in the public domain, lengths, and the moments at which they are sent."""

import dataclasses
import json
import math
import pathlib
import random

TEXT = pathlib.Path(__file__).resolve().parents[2] / "tests" / "fixtures" / "text" / "kjv.txt"
WORD_TOKENS = 1.3  # of English, where the server has no /tokenize


@dataclasses.dataclass
class Request:
    prompt: list | str  # token ids, or text
    input_len: int  # tokens; the server's own count replaces it where it tells one
    output_len: int
    at: float = 0.0  # seconds after the start


@dataclasses.dataclass
class Mix:
    """What to ask. `lognormal` has the shape of people's chats: many short, few long, by the two medians and sigmas."""

    name: str = "random"  # random, prefix_repetition, lognormal
    input_len: int = 128
    output_len: int = 128
    range_ratio: float = 0.0  # random: lengths are uniform within (1 - r, 1 + r)
    prefix_len: int = 1000
    num_prefixes: int = 1
    input_sigma: float = 1.2
    output_sigma: float = 1.0
    most: int = 1024  # tokens of a prompt or an answer of lognormal


async def tokens_of(client, model: str, text: str) -> list[int] | None:
    """By the server itself: vLLM calls the text `prompt`, llama.cpp calls it `content`."""
    answer = await client.post("/tokenize", {"model": model, "prompt": text, "content": text, "add_special_tokens": False})
    if answer.status != 200:
        return None
    ids = json.loads(answer.body).get("tokens")
    return ids if ids and all(isinstance(i, int) for i in ids) else None


class Source:
    """Pieces of the text of a wanted length; each begins somewhere else, so that prompts share nothing by accident."""

    def __init__(self, ids: list[int] | None, text: str, chance: random.Random):
        self.units = ids if ids is not None else text.split()
        self.ids = ids is not None
        self.chance = chance
        self.starts: list[int] = []

    def piece(self, tokens: int) -> list:
        if not self.starts:
            self.starts = list(range(len(self.units)))
            self.chance.shuffle(self.starts)
        count = tokens if self.ids else max(1, round(tokens / WORD_TOKENS))
        start = self.starts.pop()
        out = self.units[start : start + count]
        while len(out) < count:
            out = out + self.units[: count - len(out)]
        return out

    def prompt(self, units: list):
        return units if self.ids else " ".join(units)


def lengths(mix: Mix, chance: random.Random) -> tuple[int, int]:
    if mix.name == "lognormal":
        one = lambda median, sigma: min(mix.most, max(4, round(chance.lognormvariate(math.log(median), sigma))))
        return one(mix.input_len, mix.input_sigma), one(mix.output_len, mix.output_sigma)
    around = lambda n: max(1, round(n * (1 + mix.range_ratio * (2 * chance.random() - 1))))
    return around(mix.input_len), around(mix.output_len)


def make(mix: Mix, count: int, source: Source, chance: random.Random) -> list[Request]:
    prefixes = [source.piece(mix.prefix_len) for _ in range(mix.num_prefixes)] if mix.name == "prefix_repetition" else [[]]
    requests = []
    for index in range(count):
        wanted, output_len = lengths(mix, chance)
        units = prefixes[index % len(prefixes)] + source.piece(wanted)
        requests.append(Request(source.prompt(units), len(units), output_len))
    return requests


def arrive(requests: list[Request], rate: float, burstiness: float, burst: int, chance: random.Random) -> None:
    """`burst` requests at a time, `rate` a second on average. Times between bursts follow a gamma distribution of shape
    `burstiness`: 1 is a Poisson process, less comes in clumps, much more is a metronome. Infinite rate: all at once."""
    at = 0.0
    for index, request in enumerate(requests):
        request.at = at
        if math.isfinite(rate) and (index + 1) % burst == 0:
            at += chance.gammavariate(burstiness, burst / (rate * burstiness))
