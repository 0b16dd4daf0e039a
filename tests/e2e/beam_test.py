"""Beam search of llmc-run against the same search written here over log probabilities that single requests give, and the queue that its steps pass."""

import concurrent.futures
import json
import time
import unittest
import urllib.error

import engine
import smollm2
from mock_server import EngineServer, request
from serve_cases import post

TEXT = "/v1/completions"
EXACT = {"seed": 1}  # log probabilities that do not depend on what runs beside
PROMPTS = ("The capital of France is", "def add(a, b):\n    return", "<|im_start|>user\nSay hi.<|im_end|>\n<|im_start|>assistant\nHi!")
END = 2  # <|im_end|>


def best_tokens(server, ids: list[int], count: int) -> list[tuple[int, float]]:
    reply = json.loads(post(server, TEXT, {"prompt": ids, "max_tokens": 1, "temperature": 0, "logprobs": count, "return_tokens_as_token_ids": True} | EXACT))
    top = reply["choices"][0]["logprobs"]["top_logprobs"][0]
    return sorted(((int(token.split(":")[1]), value) for token, value in top.items()), key=lambda one: -one[1])[:count]


def search(server, ids: list[int], width: int, length: int, penalty: float, ends: set[int]) -> list[tuple[list[int], float]]:
    """vLLM's loop: the best beams' tokens, their end included, and the sums of their log probabilities."""
    beams, completed = [([], 0.0)], []
    for _ in range(length):
        grown = []
        for tokens, total in beams:
            for token, value in best_tokens(server, ids + tokens, 2 * width):
                if token in ends:
                    completed.append((tokens + [token], total + value))
                else:
                    grown.append((tokens + [token], total + value))
        beams = sorted(grown, key=lambda beam: -beam[1])[:width]
    return sorted(completed + beams, key=lambda beam: -beam[1] / (len(ids) + len(beam[0]) - (beam[0][-1] in ends)) ** penalty)[:width]


@unittest.skipUnless(engine.have_binaries(), f"no llmc and llmc-run in {engine.BIN}")
class Beams(unittest.TestCase):
    second_chance = True  # a stranger's load may reorder the requests of a crowd

    def launch(self, *flags):
        return EngineServer(engine.build(smollm2.gguf()), "--max-model-len", 512, *flags)

    def test_it_finds_what_a_plain_search_finds(self):
        answers, ended = {}, 0
        with self.launch() as server:
            for prompt in PROMPTS:
                ids = json.loads(post(server, "/tokenize", {"prompt": prompt}))["tokens"]
                for width, length, penalty, ends in ((1, 6, 1.0, []), (3, 6, 1.0, [END]), (2, 5, -2.0, [END])):
                    fields = {"prompt": ids, "n": width, "max_tokens": length, "length_penalty": penalty, "use_beam_search": True, "logprobs": 1,
                              "return_token_ids": True, "ignore_eos": not ends, "include_stop_str_in_output": True} | EXACT
                    reply = json.loads(post(server, TEXT, fields))
                    wanted = search(server, ids, width, length, penalty, set(ends))
                    self.assertEqual([choice["token_ids"] for choice in reply["choices"]], [tokens for tokens, _ in wanted], fields)
                    for choice, (_, total) in zip(reply["choices"], wanted):
                        self.assertAlmostEqual(sum(choice["logprobs"]["token_logprobs"]), total, delta=1e-4)
                    self.assertEqual(reply["usage"]["completion_tokens"], sum(len(tokens) for tokens, _ in wanted))
                    ended += sum(choice["finish_reason"] == "stop" for choice in reply["choices"])
                    answers[json.dumps(fields)] = [choice["text"] for choice in reply["choices"]]
            self.assertGreater(ended, 0, "beams that end before the others")
            chat = {"messages": [{"role": "user", "content": "Say hi."}], "max_tokens": 24, "temperature": 0}
            alone = json.loads(post(server, "/v1/chat/completions", chat))["choices"][0]
            beam = json.loads(post(server, "/v1/chat/completions", chat | {"use_beam_search": True, "n": 1}))["choices"][0]
            self.assertEqual(len(beam["message"]["content"]) > 0, len(alone["message"]["content"]) > 0)
        # Beams need neither the cache nor a place in the queue for each.
        with self.launch("--no-prefix-cache", "--max-num-seqs", 1, "--max-queue", 1) as server:
            for fields, texts in answers.items():
                self.assertEqual([choice["text"] for choice in json.loads(post(server, TEXT, json.loads(fields)))["choices"]], texts, fields)

    def test_places_that_are_free_are_no_part_of_the_queue(self):
        with self.launch("--max-num-seqs", 1, "--max-queue", 2) as server:
            def ask(_):
                try:
                    return bool(post(server, TEXT, {"prompt": "Once", "max_tokens": 100, "ignore_eos": True}))
                except urllib.error.HTTPError as error:
                    self.assertEqual(error.code, 429)
                    return False

            with concurrent.futures.ThreadPoolExecutor(12) as pool:
                self.assertEqual(sum(pool.map(ask, range(12))), 3, "one runs, two wait")
            for prompts, status in ((3, 200), (4, 400)):
                try:
                    post(server, TEXT, {"prompt": ["Once"] * prompts, "max_tokens": 1})
                    self.assertEqual(status, 200)
                except urllib.error.HTTPError as error:
                    self.assertEqual((error.code, json.load(error)["error"]["param"]), (status, "prompt"))

    def test_a_client_that_leaves_and_a_drain(self):
        with self.launch("--max-num-seqs", 4) as server:
            with server.connect() as sock:
                sock.sendall(request(TEXT, {"prompt": "Once", "n": 4, "use_beam_search": True, "max_tokens": 400, "ignore_eos": True}))
                end = time.monotonic() + 10
                while server.metric("vllm:num_requests_running") == 0 and time.monotonic() < end:
                    time.sleep(0.02)
            end = time.monotonic() + 10
            while json.loads(server.get("/load"))["server_load"] and time.monotonic() < end:
                time.sleep(0.02)
            self.assertEqual(json.loads(server.get("/load"))["server_load"], 0)
            with concurrent.futures.ThreadPoolExecutor(1) as pool:
                fields = {"prompt": "Once", "n": 2, "use_beam_search": True, "max_tokens": 16, "ignore_eos": True}
                answer = pool.submit(post, server, TEXT, fields)
                while json.loads(server.get("/load"))["server_load"] == 0 and not answer.done():
                    time.sleep(0.01)
                server.child.terminate()
                self.assertEqual(len(json.loads(answer.result())["choices"]), 2, "a drain waits for the search")


if __name__ == "__main__":
    unittest.main()
