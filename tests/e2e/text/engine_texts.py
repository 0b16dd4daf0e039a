"""The tokenizer and template of a GGUF twice: as an engine built from it holds them, and as Hugging Face's library makes them of its metadata.

The second shares no code with llmc: the reader is the one of ../reference, the pipeline is put together from the parts of
`tokenizers`. SmolLM2's own is Digits one by one, then GPT-2's ByteLevel; GGUF calls that `smollm`.
"""

import json
import pathlib
import sys

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1]))

import engine  # noqa: E402  (after the path above)
from reference.gguf import GgufFile  # noqa: E402

CONTROL = 3  # tokenizer.ggml.token_type


class OfGguf:
    """tokenizer, template, bos, eos by Hugging Face's library."""

    def __init__(self, path):
        meta = GgufFile(path).metadata
        kind = (meta["tokenizer.ggml.model"], meta["tokenizer.ggml.pre"])
        if kind != ("gpt2", "smollm"):
            raise SystemExit(f"{path}: the tokenizer is {kind}, expected gpt2, smollm")
        tokens = meta["tokenizer.ggml.tokens"]
        merges = [tuple(merge.split(" ")) for merge in meta["tokenizer.ggml.merges"]]
        self.tokenizer = Tokenizer(models.BPE({token: i for i, token in enumerate(tokens)}, merges))
        self.tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
            [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
        )
        self.tokenizer.decoder = decoders.ByteLevel()
        types = meta["tokenizer.ggml.token_type"]
        controls = [AddedToken(t, normalized=False, special=True) for t, of in zip(tokens, types, strict=True) if of == CONTROL]
        self.tokenizer.add_special_tokens(controls)
        self.template = meta["tokenizer.chat_template"]
        self.bos, self.eos = (tokens[meta[f"tokenizer.ggml.{role}_token_id"]] for role in ("bos", "eos"))


class OfEngine:
    """Files tokenizer.json (with tokenizer.json.tokens) and template.jinja in `folder`, bos and eos: the bytes that llmc-run reads."""

    def __init__(self, gguf, folder: pathlib.Path):
        self.path = engine.build(gguf)
        said = json.loads(engine.call("llmc", "inspect", self.path, "--json"))
        content = self.path.read_bytes()
        parts = {s["kind"]: content[s["offset"] : s["offset"] + s["bytes"]] for s in said["sections"]}
        folder.mkdir(parents=True, exist_ok=True)
        self.tokenizer, self.template = folder / "tokenizer.json", folder / "template.jinja"
        self.tokenizer.write_bytes(parts["tokenizer"])
        self.tokenizer.with_name("tokenizer.json.tokens").write_bytes(parts["tokens"])
        self.template.write_bytes(parts["template"])
        self.bos, self.eos = (said["sampling_defaults"][f"{role}_token"] for role in ("bos", "eos"))

    def prompt_ids(self, text: str) -> list[int]:
        return engine.run_json(self.path, "--tokenize", text)["token_ids"]
