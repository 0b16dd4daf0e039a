"""A NaN in the activations of one sequence, made by the engine's own kernels: it ends that request alone, before its first token or in mid-stream."""

import json
import unittest

import engine
import model_writers
import tiny_models
from hostile_requests import TEXT, ask, send
from mock_server import EngineServer
from server_rows_test import Canaries

SPEC = tiny_models.Spec("llama-poison-f16", "llama", 9, 3, 64, 192, 352, 517, "F16", layers=2)
POISON = 500  # this token's keys are beyond f16, so infinite in the KV cache; what attends to them is no number
CANARIES = 64


def model():
    """Only the poison's embedding has a part along the first axis, nothing writes to that axis later, and keys amplify it."""
    weights = tiny_models.hf_weights(SPEC)
    weights["model.embed_tokens.weight"][:, 0] = 0
    weights["model.embed_tokens.weight"][POISON] = 0
    weights["model.embed_tokens.weight"][POISON, 0] = 1
    for layer in range(SPEC.layers):
        for name in ("self_attn.o_proj", "mlp.down_proj"):
            weights[f"model.layers.{layer}.{name}.weight"][0] = 0
    weights["model.layers.0.self_attn.k_proj.weight"][:, 0] = 60_000
    folder = engine.work_dir() / SPEC.name
    folder.mkdir(exist_ok=True)
    model_writers.write_safetensors(folder, weights, SPEC.kind, SPEC.shards)
    tiny_models.write_sidecars(folder, SPEC)
    return folder


@unittest.skipUnless(engine.have_binaries(), f"no llmc and llmc-run in {engine.BIN}")
class NanCanary(unittest.TestCase):
    def poisoned(self, server):
        """Requests with the poison in the prompt, first and last, shared or not, and one that generates it; sound ones between them."""
        for prompt in ([POISON, 5, 6], [7] * 40 + [POISON], [7] * 40 + [POISON] + [8] * 20):
            for stream in (False, True):
                reply = send(server, ask(TEXT, prompt=prompt, max_tokens=5, stream=stream, n=2))
                error = json.loads(reply.body)["error"]
                self.assertEqual((reply.status, error["type"], error["code"], error["param"]), (500, "server_error", "internal_error", None))
                self.assertIn("RT_LOGITS", error["message"])
        with server.connect() as sock:
            sock.sendall(ask(TEXT, prompt=[7] * 40, max_tokens=5, stream=True, allowed_token_ids=[POISON]))
            data = b"".join(iter(lambda: sock.recv(65536), b""))
        self.assertEqual((data.count(b'"finish_reason":null'), data.count(b'"error":{'), data.count(b"[DONE]")), (1, 1, 0), data)
        # The prefix that the failed ones shared is still good, and so are its tokens.
        sound = json.loads(send(server, ask(TEXT, prompt=[7] * 41, max_tokens=4, seed=1, ignore_eos=True, logit_bias={str(POISON): -100})).body)
        self.assertEqual(sound["usage"]["completion_tokens"], 4)
        return sound["choices"][0]["text"]

    def test_it_ends_its_request_alone(self):
        built = engine.build(model(), "--selftest-tokens", "0")
        with EngineServer(built, "--max-model-len", 256, "--max-num-seqs", 96, "--deterministic", "--threads", 2) as server:
            bodies = [{"prompt": [3 + index, 5, 7], "max_tokens": 200, "temperature": 1, "seed": index, "ignore_eos": True, "logit_bias": {str(POISON): -100}}
                      for index in range(CANARIES)]
            before = json.loads(send(server, ask(TEXT, prompt=[7] * 41, max_tokens=4, seed=1, ignore_eos=True, logit_bias={str(POISON): -100})).body)["choices"][0]["text"]
            with Canaries(server, bodies) as alone:
                pass
            rounds = 0
            with Canaries(server, bodies) as beside:
                while beside.thread.is_alive():
                    self.assertEqual(self.poisoned(server), before)
                    rounds += 1
            self.assertGreater(rounds, 0)
            self.assertEqual(beside.texts, alone.texts)
            self.assertGreater(len(set(alone.texts)), CANARIES // 2, "streams that say different things")
            self.assertEqual(server.metric("vllm:corrupted_requests_total"), 7 * rounds)
            self.assertEqual(server.metric("vllm:num_requests_running") + server.metric("vllm:kv_cache_usage_perc"), 0)


if __name__ == "__main__":
    unittest.main()
