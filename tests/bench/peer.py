"""One llama.cpp process: loads a model through the low-level API, runs one benchmark case, prints one JSON line."""

import argparse
import ctypes
import json
import os
import resource
import time

STARTED = time.perf_counter()

import llama_cpp as ll  # noqa: E402  (its import time is reported apart: Python is no part of llama.cpp)

IMPORTED = time.perf_counter()
CACHE_TYPES = {"f16": 1, "q8_0": 8}  # ggml's numbers


@ll.llama_log_callback
def _silent(level, text, data):
    pass


def token_ids(count: int, vocab: int, seed: int = 1) -> list[int]:
    """The ids that both sides get: a fixed linear congruential sequence over the ordinary tokens."""
    state, ids = seed, []
    for _ in range(count):
        state = (state * 1103515245 + 12345) % 2**31
        ids.append(256 + (state >> 8) % (min(vocab, 32000) - 256))
    return ids


class Peer:
    def __init__(self, path: str, threads: int, flash: bool, context: int, sequences: int, cache: str):
        ll.llama_backend_init()
        self.model = ll.llama_model_load_from_file(path.encode(), ll.llama_model_default_params())
        params = ll.llama_context_default_params()
        params.n_ctx = context * sequences
        params.n_batch = 2048
        params.n_ubatch = 512
        params.n_seq_max = sequences
        params.n_threads = params.n_threads_batch = threads
        params.flash_attn_type = 1 if flash else 0
        params.type_k = params.type_v = CACHE_TYPES[cache]
        params.no_perf = True
        self.context = ll.llama_init_from_model(self.model, params)
        self.memory = ll.llama_get_memory(self.context)
        self.vocab = ll.llama_vocab_n_tokens(ll.llama_model_get_vocab(self.model))
        self.batch = ll.llama_batch_init(2048, 0, 1)

    def decode(self, tokens: list[tuple[int, int, int, bool]]):
        """tokens: (id, position, sequence, wants logits)."""
        batch = self.batch
        batch.n_tokens = len(tokens)
        for i, (token, position, sequence, logits) in enumerate(tokens):
            batch.token[i], batch.pos[i], batch.logits[i] = token, position, logits
            batch.n_seq_id[i], batch.seq_id[i][0] = 1, sequence
        status = ll.llama_decode(self.context, batch)
        if status != 0:
            raise SystemExit(f"llama_decode: {status}")
        ll.llama_get_logits(self.context)  # waits for the result

    def prompt(self, ids: list[int], sequence: int = 0):
        last = len(ids) - 1
        for begin in range(0, len(ids), 2048):
            part = range(begin, min(begin + 2048, len(ids)))
            self.decode([(ids[i], i, sequence, i == last) for i in part])

    def prompt_kept(self, ids: list[int], path: str):
        """As prompt, but from the file at `path` if it is there; written else."""
        if not os.path.exists(path):
            self.prompt(ids)
            if not ll.llama_state_seq_save_file(self.context, path.encode(), 0, (ll.llama_token * len(ids))(*ids), len(ids)):
                raise SystemExit(f"{path}: not written")
            return
        count = ctypes.c_size_t()
        if not ll.llama_state_seq_load_file(self.context, path.encode(), 0, (ll.llama_token * len(ids))(), len(ids), count):
            raise SystemExit(f"{path}: not read")

    def clear(self):
        ll.llama_memory_clear(self.memory, False)


def run_decode(peer: Peer, context: int, count: int, streams: int, repeat: int, keep: str | None) -> list[float]:
    """Tokens a second, all sequences together, from `context` tokens on."""
    ids = [token_ids(context + count, peer.vocab, seed=s + 1) for s in range(streams)]
    rates = []
    for s in range(streams):
        if keep:
            peer.prompt_kept(ids[s][:context], keep)
        else:
            peer.prompt(ids[s][:context], s)
    for _ in range(repeat):
        for s in range(streams):
            ll.llama_memory_seq_rm(peer.memory, s, context, -1)
        begin = time.perf_counter()
        for i in range(context, context + count):
            peer.decode([(ids[s][i], i, s, True) for s in range(streams)])
        rates.append(streams * count / (time.perf_counter() - begin))
    return rates


def run_prefill(peer: Peer, count: int, repeat: int) -> list[float]:
    ids = token_ids(count, peer.vocab)
    rates = []
    for _ in range(repeat):
        peer.clear()
        begin = time.perf_counter()
        peer.prompt(ids)
        rates.append(count / (time.perf_counter() - begin))
    return rates


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", required=True)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--flash", type=int, default=1)
    parser.add_argument("--case", required=True, help="decode:CONTEXT:STREAMS | prefill:TOKENS | first:TOKENS")
    parser.add_argument("--tokens", type=int, default=64, help="decode steps timed (default 64)")
    parser.add_argument("--cache", default="f16", choices=CACHE_TYPES, help="type of keys and values")
    parser.add_argument("--keep", help="file for the cache after the prompt of a decode case of one sequence: read if there, written else")
    parser.add_argument("--repeat", type=int, default=1)
    args = parser.parse_args()
    ll.llama_log_set(_silent, None)
    kind, size, *rest = args.case.split(":")
    size, streams = int(size), int(rest[0]) if rest else 1
    peer = Peer(args.model, args.threads, bool(args.flash), size + args.tokens + 64, streams, args.cache)
    loaded = time.perf_counter()
    result = {"case": args.case, "threads": args.threads, "flash": bool(args.flash), "import_s": IMPORTED - STARTED}
    if kind == "decode":
        peer.prompt([1] * 16)  # the first use touches pages and starts threads: not timed
        peer.clear()
        result["tok_s"] = run_decode(peer, size, args.tokens, streams, args.repeat, args.keep)
    elif kind == "prefill":
        peer.prompt([1] * 16)
        result["tok_s"] = run_prefill(peer, size, args.repeat)
    elif kind == "first":
        peer.prompt(token_ids(size, peer.vocab))
        result["first_ms"] = (time.perf_counter() - IMPORTED) * 1e3
        result["load_ms"] = (loaded - IMPORTED) * 1e3
    else:
        raise SystemExit(f"unknown case {args.case}")
    usage = resource.getrusage(resource.RUSAGE_SELF)
    result["peak_rss_mib"] = usage.ru_maxrss / 1024
    result["cpu_s"] = usage.ru_utime + usage.ru_stime
    print(json.dumps(result), flush=True)
    os._exit(0)  # no teardown: only the line above counts


if __name__ == "__main__":
    main()
