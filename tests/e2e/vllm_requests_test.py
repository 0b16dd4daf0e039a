"""What vLLM's own tests of its OpenAI server ask, asked of llmc-run over SmolLM2: shapes of answers, order of chunks, refusals, counts."""

import json
import unittest
import urllib.error
import urllib.request

import engine
import smollm2
from mock_server import EngineServer
from serve_cases import post

try:
    import openai
    from prometheus_client.parser import text_string_to_metric_families
except ImportError:
    openai = None

# A command line of vLLM's tests.
FLAGS = """--dtype auto --max-model-len 1024 --max-num-seqs 16 --enforce-eager --enable-prompt-tokens-details --no-enable-prefix-caching
    --served-model-name m --enable-chunked-prefill""".split()
CHAT = [{"role": "system", "content": "You are a helpful assistant."}, {"role": "user", "content": "what is 1+1?"}]
VOCABULARY = 49152


class Asked(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = EngineServer(engine.build(smollm2.gguf()), *FLAGS).__enter__()
        cls.client = openai.OpenAI(base_url=cls.server.url + "/v1", api_key="none", max_retries=0)

    @classmethod
    def tearDownClass(cls):
        cls.client.close()
        cls.server.__exit__()

    def complete(self, prompt="Hello, my name is", **fields):
        return self.client.completions.create(**{"model": "m", "prompt": prompt, "max_tokens": 5, "temperature": 0} | fields)

    def chat(self, messages=CHAT, **fields):
        return self.client.chat.completions.create(**{"model": "m", "messages": messages, "max_completion_tokens": 5, "temperature": 0} | fields)

    def refused(self, ask, *words, **fields) -> str:
        with self.assertRaises(openai.BadRequestError) as caught:
            ask(**fields)
        for word in words:
            self.assertIn(word, str(caught.exception))
        return caught.exception.param


@unittest.skipUnless(openai and engine.have_binaries(), "needs the openai and prometheus-client packages, and the binaries")
class Answers(Asked):
    def test_a_completion(self):
        answer = self.complete()
        choice, usage = answer.choices[0], answer.usage
        self.assertEqual((len(answer.choices), choice.finish_reason, choice.stop_reason, choice.logprobs), (1, "length", None, None))
        self.assertEqual((usage.completion_tokens, usage.total_tokens, usage.prompt_tokens_details.cached_tokens), (5, usage.prompt_tokens + 5, 0))
        self.assertTrue(self.complete([1, 2, 3, 4, 5], logprobs=None).choices[0].text)

    def test_log_probabilities_of_completions(self):
        for wanted, least, most in ((0, 1, 1), (1, 1, 2), (5, 5, 6)):
            logprobs = self.complete([7] * 5, logprobs=wanted).choices[0].logprobs
            self.assertEqual({len(part) for part in (logprobs.tokens, logprobs.token_logprobs, logprobs.top_logprobs, logprobs.text_offset)}, {5})
            for top in logprobs.top_logprobs:
                self.assertTrue(least <= len(top) <= most, (wanted, top))
        for fields in ({"logprobs": 21}, {"logprobs": 30, "stream": True}, {"logprobs": -2}):
            self.assertEqual(self.refused(self.complete, **fields), "logprobs")

    def test_log_probabilities_of_chats(self):
        self.assertIsNone(self.chat(logprobs=False).choices[0].logprobs)
        for wanted in (0, 5):
            content = self.chat(logprobs=True, top_logprobs=wanted).choices[0].logprobs.content
            self.assertEqual([len(entry.top_logprobs) for entry in content], [wanted] * 5)
            self.assertEqual("".join(bytes(entry.bytes).decode() for entry in content), self.chat().choices[0].message.content)
        for fields in ({"top_logprobs": 21, "stream": True}, {"top_logprobs": 30}, {"top_logprobs": -2}):
            self.assertEqual(self.refused(self.chat, logprobs=True, **fields), "top_logprobs")

    def test_log_probabilities_of_prompts(self):
        prompts = ["A robot may not injure another robot", "My name is"]
        for ask in (lambda **more: self.complete(prompts, extra_body=more).choices, lambda **more: [self.chat(extra_body=more)]):
            self.assertIsNone(ask()[0].prompt_logprobs)
            for wanted in (0, 1, 2):
                for scored in ask(prompt_logprobs=wanted):
                    self.assertIsNone(scored.prompt_logprobs[0])
                    for entry in scored.prompt_logprobs[1:]:
                        self.assertTrue(max(wanted, 1) <= len(entry) <= wanted + 1, entry)
                        self.assertTrue(all(set(value) == {"logprob", "rank", "decoded_token"} for value in entry.values()))
            self.assertEqual(self.refused(ask, prompt_logprobs=-1), "prompt_logprobs")
            self.assertEqual(self.refused(ask, prompt_logprobs=1, stream=True), "prompt_logprobs")
        self.assertEqual(len(list(self.complete(stream=True, extra_body={"prompt_logprobs": 0}))), 5)

    def test_an_echo_with_log_probabilities(self):
        for prompt in ("Hello, my name is", [7] * 6):
            text = prompt if isinstance(prompt, str) else json.loads(post(self.server, "/detokenize", {"tokens": prompt}))["prompt"]
            for wanted in (0, 1):
                choice = self.complete(prompt, echo=True, logprobs=wanted).choices[0]
                self.assertTrue(choice.text.startswith(text))
                logprobs = choice.logprobs
                self.assertEqual((logprobs.token_logprobs[0], logprobs.top_logprobs[0]), (None, None))
                self.assertEqual(len(logprobs.tokens), len(logprobs.text_offset))
                for top in logprobs.top_logprobs[1:]:
                    self.assertTrue(max(wanted, 1) <= len(top) <= wanted + 1)

    def test_an_echo_of_a_chat(self):
        saying = "Here is a common saying about apples. An apple a day, keeps"
        messages = [{"role": "user", "content": "tell me a common saying"}, {"role": "assistant", "content": saying}]
        for echo in (True, False):
            message = self.chat(messages, extra_body={"echo": echo, "continue_final_message": True, "add_generation_prompt": False}).choices[0].message
            self.assertEqual((message.role, saying in message.content), ("assistant", echo))

    def test_prompts_and_choices(self):
        for prompts in (["Hello, my name is"] * 2, [[7] * 5] * 2):
            answer = self.complete(prompts)
            self.assertEqual(len({choice.text for choice in answer.choices}), 1)
            self.assertEqual([choice.index for choice in answer.choices], [0, 1])
            four = self.complete(prompts, n=2, temperature=1, seed=7).choices
            self.assertEqual([choice.index for choice in four], [0, 1, 2, 3])
            self.assertEqual([four[0].text, four[1].text], [four[2].text, four[3].text], "a seed is each prompt's")
            texts = ["", ""]
            for chunk in self.complete(prompts, stream=True):
                self.assertEqual(len(chunk.choices), 1)
                texts[chunk.choices[0].index] += chunk.choices[0].text
            self.assertEqual(texts, [answer.choices[0].text] * 2)
        three = self.chat(n=3, temperature=1, seed=42, max_completion_tokens=20).choices
        self.assertEqual(([c.index for c in three], len({c.message.content for c in three})), ([0, 1, 2], 3))

    def test_token_ids(self):
        whole = self.complete(logprobs=1, extra_body={"return_token_ids": True, "return_tokens_as_token_ids": True}).choices[0]
        self.assertEqual([f"token_id:{i}" for i in whole.token_ids], whole.logprobs.tokens)
        self.assertEqual(json.loads(post(self.server, "/tokenize", {"prompt": "Hello, my name is"}))["tokens"], whole.prompt_token_ids)
        chunks = [chunk.choices[0] for chunk in self.complete(stream=True, extra_body={"return_token_ids": True})]
        self.assertEqual([i for chunk in chunks for i in chunk.token_ids], whole.token_ids)
        self.assertEqual([getattr(chunk, "prompt_token_ids", None) for chunk in chunks], [whole.prompt_token_ids] + [None] * 4)
        stream = list(self.chat(stream=True, extra_body={"return_token_ids": True}))
        self.assertEqual(stream[0].prompt_token_ids, self.chat(extra_body={"return_token_ids": True}).prompt_token_ids)
        self.assertFalse(any("prompt_token_ids" in chunk.model_dump() for chunk in stream[1:]))
        for side, kept in (("left", [6, 7, 8, 9]), ("right", [2, 3, 4, 5])):
            cut = self.complete([2, 3, 4, 5, 6, 7, 8, 9], extra_body={"return_token_ids": True, "truncate_prompt_tokens": 4, "truncation_side": side})
            self.assertEqual((cut.choices[0].prompt_token_ids, cut.usage.prompt_tokens), (kept, 4))

    def test_stops(self):
        whole = self.complete(max_tokens=12, extra_body={"ignore_eos": True, "return_token_ids": True}).choices[0]
        stop = whole.text[5:8]
        for include in (False, True):
            cut = self.complete(max_tokens=12, stop=["nowhere in it", stop], extra_body={"ignore_eos": True, "include_stop_str_in_output": include}).choices[0]
            self.assertEqual((cut.text, cut.finish_reason, cut.stop_reason), (whole.text[: whole.text.index(stop) + 3 * include], "stop", stop))
        last = whole.token_ids[3]
        cut = self.complete(max_tokens=12, extra_body={"stop_token_ids": [last], "ignore_eos": True}).choices[0]
        self.assertEqual((cut.finish_reason, cut.stop_reason), ("stop", last))
        kept = self.complete(max_tokens=12, extra_body={"stop_token_ids": [last], "ignore_eos": True, "min_tokens": 12}).choices[0]
        self.assertEqual(kept.finish_reason, "length")

    def test_contents_of_messages(self):
        told = self.chat().choices[0].message.content
        parts = [CHAT[0], {"role": "user", "content": [{"type": "text", "text": "what is 1+1?"}], "extra_field": "0"}]
        self.assertEqual(self.chat(parts, seed=0, response_format={"type": "text"}).choices[0].message.content, told)


@unittest.skipUnless(openai and engine.have_binaries(), "needs the openai and prometheus-client packages, and the binaries")
class Streams(Asked):
    def test_the_order_of_chunks(self):
        told = self.chat(max_completion_tokens=10)
        chunks = list(self.chat(max_completion_tokens=10, stream=True))
        first, rest = chunks[0].choices[0], [chunk.choices[0] for chunk in chunks[1:]]
        self.assertEqual((first.delta.role, first.delta.content, first.finish_reason), ("assistant", "", None))
        self.assertEqual("".join(choice.delta.content for choice in rest), told.choices[0].message.content)
        self.assertEqual([choice.finish_reason for choice in rest], [None] * (len(rest) - 1) + [told.choices[0].finish_reason])
        self.assertTrue(rest[-1].delta.content, "the last token comes with the reason")
        self.assertEqual({(chunk.id, chunk.object, chunk.created, chunk.model) for chunk in chunks},
                         {(chunks[0].id, "chat.completion.chunk", chunks[0].created, "m")})
        texts = [chunk.choices[0] for chunk in self.complete(stream=True)]
        self.assertEqual([choice.finish_reason for choice in texts], [None] * 4 + ["length"])
        self.assertEqual("".join(choice.text for choice in texts), self.complete().choices[0].text)

    def test_usage(self):
        for ask, heads in ((self.complete, 0), (self.chat, 1)):
            for options in ({}, {"include_usage": False}, {"include_usage": False, "continuous_usage_stats": True}):
                self.assertEqual({chunk.usage for chunk in ask(stream=True, stream_options=options)}, {None})
            *chunks, last = ask(stream=True, stream_options={"include_usage": True, "continuous_usage_stats": False})
            self.assertEqual({chunk.usage for chunk in chunks}, {None})
            self.assertEqual((last.choices, last.usage.completion_tokens), ([], 5))
            *chunks, last = ask(stream=True, stream_options={"include_usage": True, "continuous_usage_stats": True})
            self.assertEqual([chunk.usage.completion_tokens for chunk in chunks], [0] * heads + [1, 2, 3, 4, 5])
            for usage in [chunk.usage for chunk in chunks] + [last.usage]:
                self.assertEqual(usage.total_tokens, usage.prompt_tokens + usage.completion_tokens)
            for options in ({"include_usage": None}, {"include_usage": True}, {"continuous_usage_stats": None}):
                self.assertEqual(self.refused(ask, stream=False, stream_options=options), "stream_options")


@unittest.skipUnless(openai and engine.have_binaries(), "needs the openai and prometheus-client packages, and the binaries")
class Refusals(Asked):
    def test_what_is_guided(self):
        schema = {"type": "object", "properties": {"a": {"type": "integer"}}}
        for ask in (self.complete, self.chat):
            for constraint in ({"json": schema}, {"regex": r"\d+"}, {"regex": r"[.*"}, {"choice": ["a", "b"]}, {"grammar": "root ::= \"a\""}, {"regex": {"1": "x"}}):
                self.assertEqual(self.refused(ask, "not supported", extra_body={"structured_outputs": constraint}), "structured_outputs")
            for name, value in (("guided_json", schema), ("guided_regex", "a"), ("guided_choice", ["a"]), ("guided_grammar", "a")):
                self.assertEqual(self.refused(ask, name, extra_body={name: value}), name)
            for kind in ({"type": "json_object"}, {"type": "json_schema"}, {"type": "json_schema", "json_schema": {"name": "s", "schema": schema}}):
                self.assertEqual(self.refused(ask, extra_body={"response_format": kind}), "response_format")

    def test_ids_and_seeds(self):
        beyond = VOCABULARY + 1
        self.assertEqual(self.refused(self.complete, "below 49152", prompt=[999999]), "prompt")
        self.assertEqual(self.refused(self.complete, prompt=None, extra_body={"prompt_embeds": []}), "prompt")
        for bias, words in (({beyond: 1.0}, (beyond, VOCABULARY)), ({"bad1": 50, "bad2": 20}, ("bad1", "bad2")), ({"1": "x"}, ("logit_bias",))):
            self.assertEqual(self.refused(self.chat, *map(str, words), logit_bias=bias), "logit_bias")
        for stop in (beyond, -1):
            self.assertEqual(self.refused(self.chat, str(stop), str(VOCABULARY), extra_body={"stop_token_ids": [stop]}), "stop_token_ids")
        self.assertTrue(self.chat(logit_bias={VOCABULARY - 1: 1.0}, extra_body={"stop_token_ids": [VOCABULARY - 1]}).choices[0].message.content)
        for seed in (-(2**63) - 1, 2**63):
            self.assertEqual(self.refused(self.chat, seed=seed), "seed")
        with self.assertRaises(openai.APIStatusError) as caught:
            self.chat(extra_headers={"Content-Type": "application/x-www-form-urlencoded"})
        self.assertEqual(caught.exception.status_code, 415)


@unittest.skipUnless(openai and engine.have_binaries(), "needs the openai and prometheus-client packages, and the binaries")
class OtherRoutes(Asked):
    def test_models(self):
        with urllib.request.urlopen(self.server.url + "/v1/models") as reply:
            listed = json.load(reply)
        self.assertEqual((listed["object"], len(listed["data"])), ("list", 1))
        card = listed["data"][0]
        self.assertEqual(set(card), {"id", "object", "created", "owned_by", "root", "parent", "max_model_len", "permission"})
        self.assertEqual((card["id"], card["object"], card["max_model_len"], card["parent"]), ("m", "model", 1024, None))

    def test_tokenize_a_text(self):
        prompt = "vllm1 This is a test prompt."
        for special in (False, True):
            found = json.loads(post(self.server, "/tokenize", {"model": "m", "prompt": prompt, "add_special_tokens": special}))
            self.assertEqual((found["count"], found["max_model_len"], found["token_strs"]), (len(found["tokens"]), 1024, None))
        self.assertEqual(json.loads(post(self.server, "/detokenize", {"model": "m", "tokens": found["tokens"]})), {"prompt": prompt})
        named = json.loads(post(self.server, "/tokenize", {"prompt": prompt, "return_token_strs": True}))
        self.assertEqual(len(named["token_strs"]), named["count"])
        self.assertEqual("".join(named["token_strs"]).replace("\u0120", " "), prompt)

    def test_tokenize_a_chat(self):
        talk = [{"role": "user", "content": "Hi there!"}, {"role": "assistant", "content": "Nice to meet you!"}, {"role": "user", "content": "A question? vllm1"}]
        count = lambda messages, **more: json.loads(post(self.server, "/tokenize", {"model": "m", "messages": messages} | more))["tokens"]
        plain, asked = count(talk, add_generation_prompt=False), count(talk)
        self.assertEqual(asked[: len(plain)], plain)
        self.assertEqual(asked, self.chat(talk, extra_body={"return_token_ids": True}).prompt_token_ids)
        begun = talk + [{"role": "assistant", "content": "Sure,"}]
        open_ended = count(begun, add_generation_prompt=False, continue_final_message=True)
        self.assertEqual(open_ended[: len(asked)], asked)
        self.assertEqual(json.loads(post(self.server, "/detokenize", {"tokens": open_ended[len(asked):]}))["prompt"], "Sure,")
        with self.assertRaises(urllib.error.HTTPError) as caught:
            post(self.server, "/tokenize", {"messages": talk, "add_generation_prompt": True, "continue_final_message": True})
        self.assertEqual(caught.exception.code, 400)


@unittest.skipUnless(openai and engine.have_binaries(), "needs the openai and prometheus-client packages, and the binaries")
class Counts(Asked):
    def test_metrics_of_ten_requests(self):
        prompt, requests, tokens = list(range(5, 15)), 10, 10
        for _ in range(requests):
            self.complete(prompt, max_tokens=tokens, extra_body={"ignore_eos": True})
        found = {sample.name: 0.0 for family in text_string_to_metric_families(self.server.get("/metrics").decode()) for sample in family.samples}
        for family in text_string_to_metric_families(self.server.get("/metrics").decode()):
            for sample in family.samples:
                found[sample.name] += sample.value
        wanted = {f"{name}_count": requests for name in (
            "time_to_first_token_seconds", "e2e_request_latency_seconds", "request_queue_time_seconds", "request_inference_time_seconds",
            "request_prefill_time_seconds", "request_decode_time_seconds", "request_num_preemptions", "request_prompt_tokens",
            "request_generation_tokens", "request_params_n", "request_params_max_tokens")}
        wanted |= {"inter_token_latency_seconds_count": requests * (tokens - 1), "request_prompt_tokens_sum": requests * len(prompt),
                   "request_generation_tokens_sum": requests * tokens, "request_params_max_tokens_sum": requests * tokens,
                   "iteration_tokens_total_sum": requests * (len(prompt) + tokens), "iteration_tokens_total_count": requests * tokens,
                   "prompt_tokens_total": requests * len(prompt), "generation_tokens_total": requests * tokens, "request_success_total": requests,
                   "num_requests_running": 0, "num_requests_waiting": 0, "num_requests_waiting_by_reason": 0, "kv_cache_usage_perc": 0,
                   "num_preemptions_total": 0}
        self.assertEqual({name: found[f"vllm:{name}"] for name in wanted}, wanted)


if __name__ == "__main__":
    unittest.main()
