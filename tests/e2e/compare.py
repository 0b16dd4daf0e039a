"""How far one set of logits is from another: KL divergence, same top token, mean negative log likelihood."""

import dataclasses

import numpy as np


ROWS = 8  # at a time: what numpy makes on the way stays in the cache, with rows of 50,000 columns


def log_softmax(logits) -> np.ndarray:
    """[..., V] in double."""
    x = np.array(logits, np.float64)
    rows = x.reshape(-1, x.shape[-1])
    for first in range(0, len(rows), ROWS):
        part = rows[first : first + ROWS]
        part -= part.max(axis=-1, keepdims=True)
        part -= np.log(np.exp(part).sum(axis=-1, keepdims=True))
    return x


def kl_rows(exact, other) -> np.ndarray:
    """KL(exact || other) in nats for each position, from log probabilities [T, V]."""
    found = np.empty(len(exact))
    for first in range(0, len(exact), ROWS):
        e, o = exact[first : first + ROWS], other[first : first + ROWS]
        found[first : first + ROWS] = (np.exp(e) * (e - o)).sum(axis=-1)
    return np.maximum(found, 0.0)


@dataclasses.dataclass
class Difference:
    """Collects positions chunk by chunk. `targets` are the ids that follow; the last position of a chunk has none."""

    kl: list = dataclasses.field(default_factory=list)
    same: list = dataclasses.field(default_factory=list)
    top_gap: list = dataclasses.field(default_factory=list)
    nll: list = dataclasses.field(default_factory=list)

    def add(self, exact, logits, ids):
        """exact: log probabilities [T, V] of the positions of ids[T]; logits: the other's, of which some rows at a time are normalized."""
        for first in range(0, len(ids), ROWS):
            rows = slice(first, first + ROWS)
            e, o = exact[rows], log_softmax(logits[rows])
            self.kl.append(kl_rows(e, o))
            top = o.argmax(axis=-1)
            best = e.argmax(axis=-1)
            self.same.append(best == top)
            each = np.arange(len(top))
            self.top_gap.append(e[each, best] - e[each, top])
            following = ids[first + 1 : first + 1 + ROWS]
            self.nll.append(-o[each[: len(following)], following])

    def summary(self) -> dict:
        kl, same, gap, nll = (np.concatenate(x) for x in (self.kl, self.same, self.top_gap, self.nll))
        return {
            "positions": int(kl.size),
            "kl_mean": float(kl.mean()),
            "kl_median": float(np.median(kl)),
            "kl_p99": float(np.quantile(kl, 0.99)),
            "kl_max": float(kl.max()),
            "same_top": float(same.mean()),
            "top_gap_nine_tenths": float(np.quantile(gap[gap > 0], 0.9)) if (gap > 0).any() else 0.0,  # of the positions where they differ
            "top_gap_max": float(gap.max()),  # nats that exact math puts between its top token and the other's
            "nll": float(nll.mean()),
            "perplexity": float(np.exp(nll.mean())),
        }
