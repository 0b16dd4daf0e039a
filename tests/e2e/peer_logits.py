"""Logits of llama.cpp for given token ids, through its low-level API; None where it is not installed."""

import ctypes

import numpy as np

try:
    import llama_cpp
except ImportError:
    llama_cpp = None


class PeerModel:
    """Computes chunks of up to `longest` tokens, each from an empty cache."""

    def __init__(self, path, longest: int = 512, threads: int = 1):
        ll = llama_cpp
        self._quiet = ll.llama_log_callback(lambda level, text, data: None)
        ll.llama_log_set(self._quiet, None)
        ll.llama_backend_init()
        self.model = ll.llama_model_load_from_file(str(path).encode(), ll.llama_model_default_params())
        if not self.model:
            raise RuntimeError(f"llama.cpp cannot load {path}")
        params = ll.llama_context_default_params()
        params.n_ctx = params.n_batch = longest + 256
        params.n_ubatch = 512
        params.n_threads = params.n_threads_batch = threads
        self.context = ll.llama_init_from_model(self.model, params)
        self.vocab_handle = ll.llama_model_get_vocab(self.model)
        self.vocab = ll.llama_vocab_n_tokens(self.vocab_handle)
        self.batch = ll.llama_batch_init(longest + 256, 0, 1)

    def _decode(self, ids, first: int) -> np.ndarray:
        batch = self.batch
        batch.n_tokens = len(ids)
        for i, token in enumerate(ids):
            batch.token[i], batch.pos[i], batch.logits[i] = int(token), first + i, True
            batch.n_seq_id[i], batch.seq_id[i][0] = 1, 0
        if llama_cpp.llama_decode(self.context, batch) != 0:
            raise RuntimeError("llama_decode failed")
        raw = ctypes.cast(llama_cpp.llama_get_logits(self.context), ctypes.POINTER(ctypes.c_float))
        return np.ctypeslib.as_array(raw, (len(ids), self.vocab)).copy()

    def _clear(self):
        llama_cpp.llama_memory_clear(llama_cpp.llama_get_memory(self.context), True)

    def logits(self, ids) -> np.ndarray:
        """[T, V] float32."""
        self._clear()
        return self._decode(ids, 0)

    def greedy(self, prompt, count: int) -> list[int]:
        self._clear()
        row, out, at = self._decode(prompt, 0)[-1], [], len(prompt)
        while True:
            out.append(int(row.argmax()))
            if len(out) == count:
                return out
            row = self._decode(out[-1:], at)[-1]
            at += 1

    def tokenize(self, text: str, add_special: bool = False, parse_special: bool = False) -> list[int]:
        raw = text.encode()
        room = (llama_cpp.llama_token * (len(raw) + 8))()
        count = llama_cpp.llama_tokenize(
            self.vocab_handle, raw, len(raw), room, len(room), add_special, parse_special
        )
        return list(room[:count])
