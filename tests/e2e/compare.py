"""How far one set of logits is from another: KL divergence, same top token, mean negative log likelihood."""

import dataclasses

import numpy as np


def log_softmax(logits) -> np.ndarray:
    """[T, V] in double."""
    x = np.asarray(logits, np.float64)
    x = x - x.max(axis=-1, keepdims=True)
    return x - np.log(np.exp(x).sum(axis=-1, keepdims=True))


def kl_rows(exact, other) -> np.ndarray:
    """KL(exact || other) in nats for each position, from log probabilities."""
    return np.maximum((np.exp(exact) * (exact - other)).sum(axis=-1), 0.0)


@dataclasses.dataclass
class Difference:
    """Collects positions chunk by chunk. `targets` are the ids that follow; the last position of a chunk has none."""

    kl: list = dataclasses.field(default_factory=list)
    same: list = dataclasses.field(default_factory=list)
    top_gap: list = dataclasses.field(default_factory=list)
    nll: list = dataclasses.field(default_factory=list)

    def add(self, exact, other, ids):
        """exact, other: log probabilities [T, V] of the positions of ids[T]."""
        self.kl.append(kl_rows(exact, other))
        top = other.argmax(axis=-1)
        self.same.append(exact.argmax(axis=-1) == top)
        self.top_gap.append(exact.max(axis=-1) - exact[np.arange(len(top)), top])
        self.nll.append(-other[np.arange(len(ids) - 1), ids[1:]])

    def summary(self) -> dict:
        kl, same, gap, nll = (np.concatenate(x) for x in (self.kl, self.same, self.top_gap, self.nll))
        return {
            "positions": int(kl.size),
            "kl_mean": float(kl.mean()),
            "kl_median": float(np.median(kl)),
            "kl_p99": float(np.quantile(kl, 0.99)),
            "kl_max": float(kl.max()),
            "same_top": float(same.mean()),
            "top_gap_max": float(gap.max()),  # nats that exact math puts between its top token and the other's
            "nll": float(nll.mean()),
            "perplexity": float(np.exp(nll.mean())),
        }
