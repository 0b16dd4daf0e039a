"""Texts and chats that tokenizers and templates are compared on: fixed hard cases and seeded random ones."""

import json
import random

HARD = [
    "", " ", "  ", "\n", "\n\n\n", "\t \t", "a", " a", "a ", "Hello, world!", "hello  world   again    and\n\n\nagain",
    "def f(x):\n    return x ** 2  # squared\n\n\nclass A:\n\tpass\n", 'printf("%d\\n", 0x1F & ~mask);', "x" * 300, "=" * 77, "-" * 33 + "\n",
    "1", "12", "123", "1234", "12345678901234567890", "3.14159e-10", "1,234,567.89", "2026-11-21T02:22:03Z", "٣١٤", "½ ⅓ ²",
    "你好，世界！这是一个测试。", "日本語のテキストと漢字、カタカナ", "한국어 문장입니다.", "Привет, мир", "مرحبا بالعالم", "नमस्ते दुनिया", "שלום עולם", "ไทยไม่มีช่องว่าง",
    "🙂", "👩‍👩‍👧‍👦 family", "🇩🇪🇯🇵", "e\u0301 é ﬁ Å Å", "a\u200bb\u00a0c\u3000d", "\ufeffBOM", "tab\tand\rreturn\r\nline", "nul\x00byte", "\ufffd\ufffd", "\x7f\x80\x9f",
    "don't I'll we've they'RE it'S", "naïve café Straße İstanbul ǅ", "<|im_start|", "[INST", "</s", "<think>", "http://example.com/a?b=c&d=e#f",
    "\u2581underscore", "Ġhello Ċ", "𝔘𝔫𝔦𝔠𝔬𝔡𝔢 𐍈 𠜎", "z̷̢̛̗a̴̡͚l̶̛̙g̵̱̈́o̷͉͝", "a" * 50 + " " * 50 + "b", " \n \n ", "\u2028\u2029\u0085", "O\u2019Neil\u2026 \u201cquoted\u201d \u2014 dash",
]

ALPHABETS = [
    "abcdefghijklmnopqrstuvwxyz     ", "ABCabc0123456789 .,;:!?'\"()[]{}<>|/_-\n\t ", " \n\t\r  ", "0123456789", "的一是不了人我在有他这中大来上",
    "あいうえおカキクケコ漢字。、", "🙂😀🎉👍🏽❤️‍🔥👩\u200d💻", "äöüßéèñçøåÆŒ ", "абвгдежз ", "اللغةعربي ", "\u0301\u0308a\u0327 ", "{}();=+-*/&|^%<>!~ifreturnint\n    ",
]


def random_texts(count, seed):
    rng = random.Random(seed)
    for _ in range(count):
        parts = []
        for _ in range(rng.randint(1, 6)):
            alphabet = rng.choice(ALPHABETS)
            parts.append("".join(rng.choice(alphabet) for _ in range(rng.randint(1, 24))))
        yield "".join(parts)


def any_text(count, seed):
    """Any Unicode scalar values."""
    rng = random.Random(seed)
    for _ in range(count):
        codes = (rng.choice([rng.randrange(0x20), rng.randrange(0x80), rng.randrange(0x800), rng.randrange(0xD800), rng.randrange(0xE000, 0x110000)]) for _ in range(rng.randint(1, 30)))
        yield "".join(map(chr, codes))


def chats():
    tools = [{"type": "function", "function": {"name": "get_weather", "description": "Weather of a <city> & 'more'", "parameters": {
        "type": "object", "properties": {"city": {"type": "string", "description": "naïve 城市"}, "days": {"type": "integer", "default": 3}, "scale": {"type": "number", "minimum": 0.5}}, "required": ["city"]}}}]
    call = {"role": "assistant", "content": "", "tool_calls": [{"id": "abcdefghi", "type": "function", "function": {"name": "get_weather", "arguments": {"city": "Köln", "days": 2, "ok": True, "x": None, "f": 1e-7}}}]}
    user, assistant, system = ({"role": r, "content": c} for r, c in [("user", "Hi there"), ("assistant", "  Hello!\n"), ("system", "You are terse. ")])
    think = {"role": "assistant", "content": "<think>\nhm\n</think>\n\nAnswer"}
    lists = [
        [user], [system, user], [user, assistant, user], [system, user, assistant, user, assistant, user], [user, think, user], [user, assistant],
        [{"role": "user", "content": "multi\nline\n\n"}, assistant, {"role": "user", "content": "  spaces  "}], [{"role": "user", "content": ""}],
        [{"role": "user", "content": "{{ 7*7 }} {% if x %} </think> \" ' \\ <b>&amp;"}], [user, user], [assistant, user], [system, system], [],
        [{"role": "user", "content": [{"type": "text", "text": "part one "}, {"type": "text", "text": "part two"}]}], [{"role": "wizard", "content": "x"}],
        [user, call, {"role": "tool", "name": "get_weather", "tool_call_id": "abcdefghi", "content": "{\"t\": 20.5}"}, assistant, user],
        [user, call, {"role": "tool", "tool_call_id": "abcdefghi", "content": "a"}, {"role": "tool", "tool_call_id": "abcdefghi", "content": "b"}],
        [user, {"role": "assistant", "content": "x", "reasoning_content": "because"}, user, {"role": "assistant", "content": "y", "reasoning_content": "since"}],
    ]
    for messages in lists:
        for generate in (True, False):
            for extra in ({}, {"tools": tools}, {"enable_thinking": False}):
                yield messages, generate, extra


def plain(value):
    return json.dumps(value, ensure_ascii=False)
