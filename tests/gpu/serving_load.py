"""A shape as a server under the load of examples/bench_serve, and what the host did in its steps (--trace)."""

import json
import pathlib
import re
import statistics
import subprocess
import sys
import time

BENCH_SERVE = pathlib.Path(__file__).resolve().parents[2] / "examples" / "bench_serve" / "bench_serve.py"
READY = re.compile(r"ready on (http://127\.0\.0\.1:\d+)/")
LOADS = [  # shape, prompt tokens, output tokens, requests, all at once
    ("8b-native", 1000, 1000, 256), ("8b-fp8kv", 1000, 1000, 256), ("8b-native", 128, 2048, 256), ("8b-fp8kv", 128, 2048, 256),
    ("8b-fp8", 1000, 1000, 256), ("1b-native", 500, 200, 64),
]  # fmt: skip
QUICK_LOADS = ((6, 4, 3), (3, 6, 2))
KEPT = ("output_throughput", "median_ttft_ms", "median_tpot_ms", "duration")
HOST_SPANS = ("plan", "start ahead", "ready memory", "move pages", "sample", "tell")
NEARLY_ALL = 0.9  # of the sequences that any step had


def host_times(trace: pathlib.Path) -> dict:
    """Medians of the decode steps with nearly as many sequences as any had, in microseconds. `host_us` is the sum of what the loop's thread did for a
    step: to plan and launch it, to sample, to tell. Steps that were started ahead are taken where there are such: what launched the others is in
    their "run", with the wait for the device (`ahead` says which)."""
    steps = []
    for event in json.loads(trace.read_text(encoding="utf-8"))["traceEvents"]:
        if event["ph"] != "X":
            continue
        if event["name"] == "step":
            steps.append(event["args"] | {"step_us": event["dur"]})
        elif steps:
            steps[-1][event["name"]] = event["dur"]
    steps = [step for step in steps if step["prompt_tokens"] == 0 and step["sequences"] > 0]
    if ahead := [step for step in steps if "start ahead" in step]:
        steps = ahead
    most = max((step["sequences"] for step in steps), default=0)
    steps = [step for step in steps if step["sequences"] >= NEARLY_ALL * most]
    if not steps:
        return {"skipped": "no decode step in the trace"}
    parts = {name: statistics.median(step.get(name, 0) for step in steps) for name in HOST_SPANS if any(name in step for step in steps)}
    whole = statistics.median(sum(step.get(name, 0) for name in HOST_SPANS) for step in steps)
    return {"sequences": most, "steps": len(steps), "ahead": bool(ahead), "host_us": whole, "step_us": statistics.median(step["step_us"] for step in steps)} | {
        f"{name} us": us for name, us in parts.items()}  # fmt: skip


class Served:
    """One load on one shape. `check`: the run that it belongs to (parts.Check)."""

    def __init__(self, check, shape: dict, prompt: int, output: int, requests: int):
        self.check, self.shape, self.load = check, shape, (prompt, output, requests)
        self.log, self.trace, self.result = (check.work / name for name in ("server.log", "server.trace", "served.json"))

    def run(self) -> dict:
        prompt, output, requests = self.load
        command = [self.check.options.llmc_run, self.check.unpacked(self.shape), "--random-weights", "--port", 0, "--max-model-len", prompt + output + 16,
                   "--max-num-seqs", requests, "--trace", self.trace, *self.check.small()]  # fmt: skip
        self.result.unlink(missing_ok=True)
        environment = dict(self.check.environment, **self.check.emulated(self.shape["name"]))
        with open(self.log, "w", encoding="utf-8") as log:
            server = subprocess.Popen([str(c) for c in command], env=environment, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
            try:
                url = self.ready(server)
                made = self.under_load(url) if url else {"skipped": "the server did not start"}
            except BaseException:  # cut: no time to let it end by itself
                server.kill()
                raise
            finally:
                server.terminate()
                if server.wait(timeout=60) not in (0, -9):
                    self.check.fail(f"the server of {self.shape['name']} ended with status {server.returncode}")
        return made if "skipped" in made else made | {"host": host_times(self.trace)}

    def ready(self, server: subprocess.Popen) -> str:
        until = time.monotonic() + min(120, self.check.left())
        while time.monotonic() < until and server.poll() is None:
            if found := READY.search(self.log.read_text(encoding="utf-8")):
                return found[1]
            time.sleep(0.05)
        self.check.fail(f"server: {self.log.read_text(encoding='utf-8')[-400:]}")
        return ""

    def under_load(self, url: str) -> dict:
        prompt, output, requests = self.load
        command = [sys.executable, BENCH_SERVE, "--base-url", url, "--num-prompts", requests, "--num-warmups", 2, "--input-len", prompt,
                   "--output-len", output, "--result-filename", self.result]  # fmt: skip
        done = subprocess.run([str(c) for c in command], capture_output=True, text=True, timeout=min(400, self.check.left()), stdin=subprocess.DEVNULL)
        if done.returncode or not self.result.exists():
            self.check.fail(f"the load of {self.shape['name']}", done)
            return {"skipped": "the load failed"}
        made = json.loads(self.result.read_text())
        if made["completed"] != requests:
            self.check.fail(f"{self.shape['name']}: {made['completed']} of {requests} requests were answered")
        return {"requests": requests, "prompt": prompt, "output": output} | {key: made[key] for key in KEPT}
