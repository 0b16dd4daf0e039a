"""What `llmc build` must refuse in config.json, tokenizer.json and the chat template of a folder."""

import json
import unittest

import engine
import hostile
from hostile import each

CONFIG, TOKENIZER = "config.json", "tokenizer.json"
KNOWN = ["LlamaForCausalLM", "MistralForCausalLM", "Qwen2ForCausalLM", "Qwen3ForCausalLM"]


def llama3(**fields):
    rope = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
            "original_max_position_embeddings": 128}
    return {"rope_scaling": rope | fields}


@unittest.skipUnless(engine.have_binaries(), f"no llmc and llmc-run in {engine.BIN}")
@each(
    # values of the wrong type
    *((f"hidden_{name}", {"hidden_size": value}, "CF_TYPE", ["hidden_size"])
      for name, value in (("real", 96.5), ("text", "96"), ("true", True), ("2_63", 1 << 63), ("list", [96]))),
    ("eps_text", {"rms_norm_eps": "1e-5"}, "CF_TYPE", ["rms_norm_eps"]),
    ("tied_text", {"tie_word_embeddings": "yes"}, "CF_TYPE", ["tie_word_embeddings"]),
    ("eos_text", {"eos_token_id": "2"}, "CF_TYPE", ["eos_token_id"]),
    ("rope_scaling_text", {"rope_scaling": "linear"}, "CF_TYPE", ["rope_scaling"]),
    *((f"{key}_missing", {key: None}, "CF_MISSING", [key])
      for key in ("hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size", "vocab_size",
                  "max_position_embeddings")),
    # out of range
    *((f"{key}_{value}".replace("-", "minus_"), {key: value}, "CF_RANGE", [])
      for key, values in (("hidden_size", (0, -1, 1 << 31)), ("num_hidden_layers", (0, -3, 1_000_000)),
                          ("num_attention_heads", (0, -1, 100_000)), ("num_key_value_heads", (0, -1)),
                          ("head_dim", (-1, 1 << 20)), ("intermediate_size", (0, 1 << 40)), ("vocab_size", (0, 1 << 40)),
                          ("max_position_embeddings", (0, 1 << 31, 1 << 62))) for value in values),
    *((f"eps_{i}", {"rms_norm_eps": value}, "CF_RANGE", ["epsilon"]) for i, value in enumerate((0, -1e-5, 2.0))),
    *((f"theta_{i}", {"rope_theta": value}, "CF_RANGE", []) for i, value in enumerate((0, -1.0, 1e300))),
    ("rope_type_unknown", {"rope_scaling": {"rope_type": "yarn", "factor": 2.0}}, "CF_RANGE", ["yarn", "llama3"]),
    ("rope_factor_1e30", {"rope_scaling": {"rope_type": "linear", "factor": 1e30}}, "CF_RANGE", ["factor"]),
    ("rope_factor_0", {"rope_scaling": {"rope_type": "linear", "factor": 0}}, "CF_RANGE", ["factor"]),
    ("rope_factor_missing", {"rope_scaling": {"rope_type": "linear"}}, "CF_MISSING", ["factor"]),
    ("rope_low_above_high", llama3(low_freq_factor=5.0), "CF_INCONSISTENT", ["low_freq_factor"]),
    ("activation_unknown", {"hidden_act": "mish"}, "CF_RANGE", ["mish", "silu"]),
    ("window_on_some_layers", {"use_sliding_window": True, "sliding_window": 8, "max_window_layers": 1}, "CF_RANGE", ["sliding_window"]),
    # contradictory
    ("kv_heads_divide_no_heads", {"num_attention_heads": 3, "num_key_value_heads": 2}, "CF_INCONSISTENT", ["head count"]),
    ("rotary_size_odd", {"head_dim": 127}, "CF_INCONSISTENT", ["odd"]),
    ("eos_outside", {"eos_token_id": 521}, "CF_INCONSISTENT", ["eos_token_id", "521"]),
    ("bos_outside", {"bos_token_id": 1 << 20}, "CF_INCONSISTENT", ["bos_token_id"]),
    ("bos_minus_one", {"bos_token_id": -1}, "CF_INCONSISTENT", ["bos_token_id", "-1", "521"]),
    ("eos_minus_one", {"eos_token_id": [2, -1]}, "CF_INCONSISTENT", ["eos_token_id", "-1", "521"]),
    ("model_type_of_another", {"model_type": "llama"}, "CF_INCONSISTENT", ["model_type", "'llama'", "'Qwen3ForCausalLM'"]),
    ("vocabulary_and_embedding", {"vocab_size": 520, "eos_token_id": 1, "bos_token_id": 1}, "CF_INCONSISTENT", ["model.embed_tokens.weight", "521", "520"]),
    ("hidden_and_tensors", {"hidden_size": 128}, "MODEL_TENSOR", ["model.embed_tokens.weight", "96", "128"]),
    ("one_layer_more", {"num_hidden_layers": 4}, "MODEL_TENSOR", ["model.layers.3.", "missing"]),
    ("one_layer_less", {"num_hidden_layers": 2}, "MODEL_TENSOR", ["model.layers.2.", "2 layers"]),
    ("untied_without_a_head", {"tie_word_embeddings": False}, "MODEL_TENSOR", ["lm_head.weight", "missing"]),
    ("another_family", {"architectures": ["LlamaForCausalLM"], "model_type": "llama"}, "MODEL_TENSOR", ["q_norm"]),
    # architecture, quantization
    ("architecture_unknown", {"architectures": ["GPT2LMHeadModel"]}, "CF_ARCH", ["GPT2LMHeadModel", *KNOWN]),
    ("architecture_missing", {"architectures": None}, "CF_ARCH", KNOWN),
    ("architectures_two", {"architectures": KNOWN[:2]}, "CF_ARCH", KNOWN),
    ("architecture_with_escape", {"architectures": ["\x1b[31mred\n"]}, "CF_ARCH", ["\\x1b[31mred\\x0a"]),
    ("quantized", {"quantization_config": {"quant_method": "gptq", "bits": 4}}, "CF_QUANT", ["gptq"]),
)
class ConfigValues(unittest.TestCase):
    def check(self, change, code, names):
        folder = hostile.model_copy()
        hostile.edit_json(folder / CONFIG, change)
        hostile.refuse_build(self, folder, 65, code, names if code == "MODEL_TENSOR" or names and names[0].startswith("model.") else [CONFIG, *names])


@unittest.skipUnless(engine.have_binaries(), f"no llmc and llmc-run in {engine.BIN}")
@each(
    ("empty", CONFIG, b"", "CF_JSON", []),
    ("list", CONFIG, b"[]", "CF_JSON", []),
    ("utf_16", CONFIG, "{}".encode("utf-16"), "CF_JSON", []),
    ("byte_order_mark", CONFIG, b"\xef\xbb\xbf{}", "CF_JSON", ["byte order mark"]),
    ("cut", CONFIG, b'{"hidden_size": 96,', "CF_JSON", ["byte"]),
    ("invalid_utf_8", CONFIG, b'{"a": "\xff"}', "CF_JSON", ["byte"]),
    ("key_twice", CONFIG, b'{"hidden_size": 96, "hidden_size": 97}', "CF_DUP", ["hidden_size"]),
    ("depth_1000", CONFIG, b'{"a":' * 1000, "CF_DEPTH", []),
    ("number_1e400", CONFIG, b'{"rope_theta": 1e400}', "CF_TYPE", ["byte"]),
    ("config_of_9_mb", CONFIG, b" " * (9 << 20) + b"{}", "CF_TOO_LARGE", []),
    ("tokenizer_empty", TOKENIZER, b"", "TK_JSON", []),
    ("tokenizer_no_object", TOKENIZER, b"3", "TK_JSON", []),
    ("tokenizer_cut", TOKENIZER, b'{"model": {"type": "BPE"', "TK_JSON", ["byte"]),
    ("tokenizer_depth", TOKENIZER, b'{"a":' * 10_000, "TK_DEPTH", []),
    ("tokenizer_without_model", TOKENIZER, b"{}", "TK_UNSUPPORTED", ["model"]),
    ("tokenizer_config_list", "tokenizer_config.json", b"[]", "CF_JSON", []),
    ("generation_config_cut", "generation_config.json", b"{", "CF_JSON", ["byte"]),
    ("template_of_2_mb", "chat_template.jinja", b"x" * (2 << 20), "TM_TOO_LARGE", []),
    ("configured_template_of_10_mb", "tokenizer_config.json", b'{"chat_template": "' + b"x" * 10_000_000 + b'"}', "TM_TOO_LARGE",
     ["chat_template", "10000000", "1 MiB"]),
    ("template_no_utf_8", "chat_template.jinja", b"{{ '\xff' }}", "TM_UTF8", []),
    ("template_unfinished", "chat_template.jinja", b"{% for m in messages %}{{ m.content }}", "TM_SYNTAX", []),
    ("template_brackets", "chat_template.jinja", b"{{ " + b"(" * 10_000 + b"1" + b")" * 10_000 + b" }}", "TM_DEPTH", []),
    ("template_includes", "chat_template.jinja", b"{% include '/etc/passwd' %}", "TM_UNSUPPORTED", ["include"]),
    ("template_filter_unknown", "chat_template.jinja", b"{{ messages | exfiltrate }}", "TM_UNSUPPORTED", ["exfiltrate"]),
)
class Texts(unittest.TestCase):
    def check(self, name, content, code, names):
        folder = hostile.model_copy()
        (folder / name).write_bytes(content)
        hostile.refuse_build(self, folder, 65, code, [name, *names])


@unittest.skipUnless(engine.have_binaries(), f"no llmc and llmc-run in {engine.BIN}")
@each(
    ("number", 5, ["'chat_template'", "a string or a list"]),
    ("object", {"default": "{{ x }}"}, ["'chat_template'", "a string or a list"]),
    ("list_of_texts", ["{{ x }}"], ["'chat_template'", "'name' and 'template'"]),
    ("template_is_a_number", [{"name": "default", "template": 5}], ["'chat_template'", "'name' and 'template'"]),
    ("name_is_missing", [{"name": "tool_use", "template": "x"}, {"template": "y"}], ["'chat_template'", "'name' and 'template'"]),
)
class ConfiguredTemplate(unittest.TestCase):
    """chat_template of tokenizer_config.json, which counts when there is no chat_template.jinja."""

    def check(self, value, names):
        folder = hostile.model_copy()
        (folder / "chat_template.jinja").unlink(missing_ok=True)
        hostile.edit_json(folder / "tokenizer_config.json", {"chat_template": value})
        hostile.refuse_build(self, folder, 65, "CF_TYPE", ["tokenizer_config.json", *names])


def model(**change):
    return lambda t: t["model"].update(change)


def vocab(**change):
    return lambda t: t["model"]["vocab"].update(change)


def merge(pair):
    return lambda t: t["model"]["merges"].append(pair)


def added(**change):
    return lambda t: t["added_tokens"][0].update(change)


def split(pattern: str):
    part = {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False}
    return lambda t: t.update(pre_tokenizer=part)


@unittest.skipUnless(engine.have_binaries(), f"no llmc and llmc-run in {engine.BIN}")
@each(
    ("id_twice", vocab(newtoken=0), "TK_ID", ["two tokens have the id 0"]),
    ("id_negative", vocab(newtoken=-1), "TK_ID", ["newtoken"]),
    ("id_2_31", vocab(newtoken=1 << 31), "TK_ID", ["newtoken"]),
    ("id_text", vocab(newtoken="7"), "TK_ID", ["newtoken"]),
    ("ids_past_the_vocabulary", vocab(newtoken=5000), "CF_INCONSISTENT", ["5000", "521"]),
    ("vocabulary_list", model(vocab=[]), "TK_ID", []),
    ("merge_of_unknown_parts", merge("zzz yyy"), "TK_MERGE", ["zzz yyy"]),
    ("merge_of_one_part", merge("e"), "TK_MERGE", []),
    ("merge_number", merge(7), "TK_MERGE", []),
    ("merges_missing", model(merges=None), "TK_MERGE", []),
    ("model_unigram", model(type="Unigram"), "TK_UNSUPPORTED", ["Unigram", "BPE"]),
    ("normalizer_unknown", lambda t: t.update(normalizer={"type": "Rot13"}), "TK_UNSUPPORTED", ["Rot13"]),
    ("pre_tokenizer_unknown", lambda t: t.update(pre_tokenizer={"type": "Magic"}), "TK_UNSUPPORTED", ["Magic"]),
    ("decoder_unknown", lambda t: t.update(decoder={"type": "Magic"}), "TK_UNSUPPORTED", ["Magic"]),
    ("character_map", lambda t: t.update(normalizer={"type": "Precompiled", "precompiled_charsmap": "AAAA"}), "TK_CHARSMAP", []),
    ("expansion", lambda t: t.update(normalizer={"type": "Replace", "pattern": {"String": "a"}, "content": "b" * 65536}), "TK_EXPANSION", []),
    ("regex_nested", split("(a+)+$"), "TK_REGEX", ["(a+)+$"]),
    ("regex_back_reference", split(r"(a)\1"), "TK_REGEX", []),
    ("regex_invalid", split("(a"), "TK_REGEX", []),
    ("regex_of_1_mb", split("a" * (1 << 20)), "TK_REGEX", []),
    ("added_empty", added(content=""), "TK_ADDED", []),
    ("added_id_taken", added(id=3), "TK_ID", []),
    ("added_no_list", lambda t: t.update(added_tokens={}), "TK_ADDED", []),
)
class Tokenizer(unittest.TestCase):
    def check(self, change, code, names):
        folder = hostile.model_copy()
        content = json.loads((folder / TOKENIZER).read_text())
        change(content)
        (folder / TOKENIZER).write_text(json.dumps(content))
        hostile.refuse_build(self, folder, 65, code, [TOKENIZER, *names])


@unittest.skipUnless(engine.have_binaries(), f"no llmc and llmc-run in {engine.BIN}")
class Warned(unittest.TestCase):
    def test_code_of_the_model_is_ignored_with_a_warning(self):
        folder, out = hostile.model_copy(), hostile.fresh_folder("out") / "engine.bin"
        (folder / "evil.py").write_text("raise SystemExit(9)")
        hostile.edit_json(folder / CONFIG, {"auto_map": {"AutoModelForCausalLM": "evil.Model"}})
        ended = hostile.run("llmc", "build", folder, "-o", out, "--cpu-levels", "x86-64-v3")
        self.assertEqual(ended.status, 0, ended.err)
        self.assertIn("auto_map", ended.err)

    def test_a_template_that_runs_away_is_stopped(self):
        folder, out = hostile.model_copy(), hostile.fresh_folder("out") / "engine.bin"
        (folder / "chat_template.jinja").write_text("{% for a in range(99999) %}{% for b in range(99999) %}x{% endfor %}{% endfor %}")
        ended = hostile.run("llmc", "build", folder, "-o", out, "--cpu-levels", "x86-64-v3", "--quiet")
        self.assertEqual(ended.status, 0, ended.err)
        hostile.refuse_run(self, out, "--message", "hi", status=65, code="TM_FUEL", cpu=5)

    def test_a_template_that_raises(self):
        folder, out = hostile.model_copy(), hostile.fresh_folder("out") / "engine.bin"
        (folder / "chat_template.jinja").write_text("{{ raise_exception('x' * 1000000) }}")
        ended = hostile.run("llmc", "build", folder, "-o", out, "--cpu-levels", "x86-64-v3")
        self.assertEqual(ended.status, 0, ended.err)
        warnings = [line for line in ended.err.splitlines() if line.startswith("warning: ")]
        self.assertEqual(len(warnings), 1, ended.err)
        self.assertRegex(warnings[0], r"chat_template.jinja: fails for a plain user message .*--message, --chat and chat completions will fail: TM_RAISED: x+")
        hostile.refuse_run(self, out, "--message", "hi", status=65, code="TM_RAISED", cpu=5)


if __name__ == "__main__":
    unittest.main()
