"""Numbers of a run as vLLM's `bench serve` names them: the table, the JSON keys, a plot."""

import math
import statistics

WORDS = {
    "ttft": ("TTFT", "Time to First Token"),
    "tpot": ("TPOT", "Time per Output Token (excl. 1st token)"),
    "itl": ("ITL", "Inter-token Latency"),
    "e2el": ("E2EL", "End-to-end Latency"),
}


def percentile(values: list[float], p: float) -> float:
    """Between the two nearest values, as numpy does by default."""
    ordered = sorted(values) or [0.0]
    place = (len(ordered) - 1) * p / 100
    low = math.floor(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)


def series(outcomes: list) -> dict[str, list[float]]:
    """Seconds of the requests that succeeded; one TPOT a request, 0 for an answer of one token."""
    good = [o for o in outcomes if o.success]
    tpot = [(o.latency - o.ttft) / (o.output_tokens - 1) if o.output_tokens > 1 else 0.0 for o in good]
    itl = [gap for o in good for gap in o.itl]
    return {"ttft": [o.ttft for o in good], "tpot": tpot, "itl": itl, "e2el": [o.latency for o in good]}


def good_requests(values: dict, goodput: dict[str, float]) -> int:
    """`goodput`: milliseconds that each of ttft, tpot, e2el may take."""
    columns = [[v * 1e3 <= bound for v in values[name]] for name, bound in goodput.items()]
    return sum(all(row) for row in zip(*columns, strict=True))


def peaks(outcomes: list) -> tuple[float, int]:
    """Most tokens within one second of the run, and most requests under way at one moment."""
    good = [o for o in outcomes if o.success]
    if not good:
        return 0.0, 0
    begin = min(o.start for o in good)
    seconds: dict[int, int] = {}
    for o in good:
        now = o.start + o.ttft
        for gap in [0.0, *o.itl]:
            now += gap
            seconds[int(now - begin)] = seconds.get(int(now - begin), 0) + 1
    moments = sorted([(o.start, 1) for o in good] + [(o.start + o.latency, -1) for o in good])
    running = most = 0
    for _, change in moments:
        running += change
        most = max(most, running)
    return float(max(seconds.values())), most


def summary(outcomes: list, duration: float, goodput: dict, percentiles: list[float]) -> dict:
    good = [o for o in outcomes if o.success]
    values = series(outcomes)
    inputs, outputs = sum(o.input_tokens for o in good), sum(o.output_tokens for o in good)
    peak, most = peaks(outcomes)
    result = {
        "duration": duration,
        "completed": len(good),
        "failed": len(outcomes) - len(good),
        "total_input_tokens": inputs,
        "total_output_tokens": outputs,
        "total_cached_tokens": sum(o.cached_tokens for o in good),
        "request_throughput": len(good) / duration,
        "request_goodput": good_requests(values, goodput) / duration if goodput else None,
        "output_throughput": outputs / duration,
        "total_token_throughput": (inputs + outputs) / duration,
        "max_output_tokens_per_s": peak,
        "max_concurrent_requests": most,
    }
    for name, seconds in values.items():
        rows = [v for v, n in zip(seconds, (o.output_tokens for o in good), strict=True) if n > 1] if name == "tpot" else seconds
        result[f"mean_{name}_ms"] = statistics.fmean(rows or [0]) * 1e3
        result[f"median_{name}_ms"] = statistics.median(rows or [0]) * 1e3
        result[f"std_{name}_ms"] = statistics.pstdev(rows or [0]) * 1e3
        for p in percentiles:
            result[f"p{p:g}_{name}_ms"] = percentile(rows, p) * 1e3
    return result


def detail(outcomes: list) -> dict:
    """A row a request, in the order of the requests."""
    return {
        "input_lens": [o.input_tokens for o in outcomes],
        "output_lens": [o.output_tokens for o in outcomes],
        "ttfts": [o.ttft for o in outcomes],
        "itls": [o.itl for o in outcomes],
        "latencies": [o.latency for o in outcomes],
        "start_times": [o.start for o in outcomes],
        "queue_times": [o.queued for o in outcomes],
        "errors": [o.error for o in outcomes],
    }


def table(result: dict, rate: float, concurrency: int | None, percentiles: list[float]) -> str:
    whole = lambda name, value: f"{name:<40} {value:<10}"
    real = lambda name, value: f"{name:<40} {value:<10.2f}"
    lines = [f"{' Serving Benchmark Result ':=^50}"]
    lines += [whole("Successful requests:", result["completed"]), whole("Failed requests:", result["failed"])]
    if concurrency:
        lines.append(whole("Maximum request concurrency:", concurrency))
    if math.isfinite(rate):
        lines.append(real("Request rate configured (RPS):", rate))
    lines.append(real("Benchmark duration (s):", result["duration"]))
    lines.append(whole("Total input tokens:", result["total_input_tokens"]))
    if result["total_cached_tokens"]:
        lines.append(whole("Total cached input tokens:", result["total_cached_tokens"]))
    lines.append(whole("Total generated tokens:", result["total_output_tokens"]))
    lines.append(real("Request throughput (req/s):", result["request_throughput"]))
    if result["request_goodput"] is not None:
        lines.append(real("Request goodput (req/s):", result["request_goodput"]))
    lines.append(real("Output token throughput (tok/s):", result["output_throughput"]))
    lines.append(real("Peak output token throughput (tok/s):", result["max_output_tokens_per_s"]))
    lines.append(real("Peak concurrent requests:", result["max_concurrent_requests"]))
    lines.append(real("Total Token throughput (tok/s):", result["total_token_throughput"]))
    for name, (short, title) in WORDS.items():
        lines.append(f"{title:-^50}")
        lines.append(real(f"Mean {short} (ms):", result[f"mean_{name}_ms"]))
        lines.append(real(f"Median {short} (ms):", result[f"median_{name}_ms"]))
        lines += [real(f"P{p:g} {short} (ms):", result[f"p{p:g}_{name}_ms"]) for p in percentiles]
    return "\n".join([*lines, "=" * 50])


def plot(outcomes: list, path) -> None:
    """Shares of requests by time to first token, of tokens by gap; tokens in each second. Needs matplotlib."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    values = series(outcomes)
    figure, axes = pyplot.subplots(1, 3, figsize=(13, 3.6), layout="constrained")
    for axis, name, title in ((axes[0], "ttft", "time to first token"), (axes[1], "itl", "inter-token latency")):
        ordered = sorted(v * 1e3 for v in values[name])
        axis.plot(ordered, [(i + 1) / len(ordered) for i in range(len(ordered))], color="#1f5fa8")
        axis.set(title=title, xlabel="ms", ylabel="share at most", ylim=(0, 1.01))
        axis.grid(alpha=0.3)
    good = [o for o in outcomes if o.success]
    begin = min((o.start for o in good), default=0.0)
    moments = []
    for o in good:
        now = o.start + o.ttft - begin
        for gap in [0.0, *o.itl]:
            now += gap
            moments.append(now)
    axes[2].hist(moments, bins=range(int(max(moments, default=0)) + 2), color="#1f5fa8")
    axes[2].set(title="tokens in each second", xlabel="s")
    figure.savefig(path, dpi=120)
    pyplot.close(figure)
