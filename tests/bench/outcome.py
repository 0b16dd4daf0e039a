"""What samples of llmc and of llama.cpp's variants say together."""

import statistics


def outcome(samples: dict[str, list[dict]], unit: str) -> dict:
    """Medians, the peer's best variant by median, ratios round by round against it. `samples`: one a round for each name; of "ms" less is more."""
    lower = unit == "ms"
    medians = {name: statistics.median(s["value"] for s in rows) for name, rows in samples.items()}
    peers = {name: value for name, value in medians.items() if name != "llmc"}
    best = (min if lower else max)(peers, key=peers.get)
    others = [s["others_cpus"] for rows in samples.values() for s in rows]
    result = {"medians": medians, "best_peer": best, "samples": samples, "others_cpus_median": statistics.median(others)}
    if "llmc" in samples:
        pairs = zip(samples["llmc"], samples[best], strict=True)
        ratios = [(b["value"] / a["value"]) if lower else (a["value"] / b["value"]) for a, b in pairs]
        result |= {"ratio": statistics.median(ratios), "ratio_min": min(ratios), "ratio_max": max(ratios)}
        if "of_limit" in samples["llmc"][0]:
            result["of_limit"] = statistics.median(s["of_limit"] for s in samples["llmc"])
    return result
