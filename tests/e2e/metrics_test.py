"""/metrics of llmc-run under load: read by Prometheus' own parser, with the names of vLLM's boards and of ours, all of them moving."""

import asyncio
import json
import math
import pathlib
import re
import shutil
import socket
import subprocess
import tempfile
import time
import unittest
import urllib.error
import urllib.parse
import urllib.request

import engine
import openai
import smollm2
from mock_server import EngineServer

try:
    from prometheus_client.parser import text_string_to_metric_families
except ImportError:  # an older .venv; install.sh --tests brings it
    text_string_to_metric_families = None

BOARD = engine.ROOT / "examples/grafana/llmc.json"
# What the boards in vLLM's repository read, beneath the prefix "vllm:".
VLLM_GAUGES = ["num_requests_running", "num_requests_waiting", "num_requests_waiting_by_reason", "kv_cache_usage_perc"]
VLLM_COUNTERS = ["prompt_tokens_total", "generation_tokens_total", "request_success_total", "num_preemptions_total", "prefix_cache_queries_total",
                 "prefix_cache_hits_total", "prompt_tokens_by_source_total", "prompt_tokens_cached_total", "prompt_tokens_recomputed_total"]
VLLM_HISTOGRAMS = ["e2e_request_latency_seconds", "time_to_first_token_seconds", "inter_token_latency_seconds", "request_time_per_output_token_seconds",
                   "request_queue_time_seconds", "request_prefill_time_seconds", "request_decode_time_seconds", "request_inference_time_seconds",
                   "request_prompt_tokens", "request_generation_tokens", "request_max_num_generation_tokens", "request_params_n",
                   "request_params_max_tokens", "request_prefill_kv_computed_tokens", "request_num_preemptions", "iteration_tokens_total"]
SECONDS = {  # bounds as vLLM has them
    "time_to_first_token_seconds": ".001 .005 .01 .02 .04 .06 .08 .1 .25 .5 .75 1 2.5 5 7.5 10 20 40 80 160 640 2560",
    "inter_token_latency_seconds": ".01 .025 .05 .075 .1 .15 .2 .3 .4 .5 .75 1 2.5 5 7.5 10 20 40 80",
    "e2e_request_latency_seconds": ".3 .5 .8 1 1.5 2 2.5 5 10 15 20 30 40 50 60 120 240 480 960 1920 7680",
}


def panels():
    """(title, query) of every target of our board."""
    for panel in json.loads(BOARD.read_text())["panels"]:
        for target in panel.get("targets", []):
            yield panel["title"], target["expr"]


def names_in(query: str) -> set[str]:
    return set(re.findall(r"\b((?:vllm|llmc):\w+|http_\w+|process_\w+)\{", query))


class Scrape:
    """All samples of a moment, by name."""

    def __init__(self, text: str):
        self.samples: dict[str, list] = {}
        self.types = {}
        for family in text_string_to_metric_families(text):
            self.types[family.name] = family.type
            for sample in family.samples:
                self.samples.setdefault(sample.name, []).append(sample)

    def sum(self, name: str) -> float:
        return sum(s.value for s in self.samples[name])


class Moving:
    """For a unittest.TestCase that says `launch(*flags)`, a server that is not entered yet, and `room`, a KV cache of a few sequences only."""

    @classmethod
    def setUpClass(cls):
        # Some wait, some are preempted.
        flags = ("--served-model-name", "served", "--max-num-seqs", 8, "--max-model-len", 512, "--kv-memory", cls.room)
        cls.server = cls.launch(*flags).__enter__()

    @classmethod
    def tearDownClass(cls):
        cls.server.__exit__()

    def scrape(self) -> Scrape:
        return Scrape(self.server.get("/metrics").decode())

    async def load(self, requests: int = 10, watch=lambda: None):
        """Streams of one shared prefix, two refusals, and a client that leaves."""
        async with openai.AsyncOpenAI(base_url=self.server.url + "/v1", api_key="none", max_retries=0) as client:

            async def one(index):
                stream = await client.completions.create(model="served", prompt="The quick brown fox jumps over the lazy dog. " * 12 + str(index),
                                                         max_tokens=120, stream=True, temperature=1, seed=index, extra_body={"ignore_eos": True})
                async for _ in stream:
                    if index == 0:
                        break
                await stream.close()

            async def refused(**fields):
                with self.assertRaises(openai.APIStatusError):
                    await client.completions.create(**{"model": "served", "prompt": "a", **fields})

            await one(1)  # what it leaves in the cache the others find
            running = asyncio.gather(*(one(i) for i in range(requests)), refused(max_tokens=5000), refused(model="none"))
            while not running.done():
                await asyncio.to_thread(watch)
                await asyncio.sleep(0.1)
            await running

    def test_every_name_of_the_boards_moves(self):
        before, during = self.scrape(), []
        for name in VLLM_GAUGES + VLLM_COUNTERS + [f"{h}_{part}" for h in VLLM_HISTOGRAMS for part in ("bucket", "sum", "count")]:
            self.assertIn(f"vllm:{name}", before.samples)
        asyncio.run(self.load(watch=lambda: during.append(self.scrape())))
        after = self.scrape()
        for name in VLLM_GAUGES:
            self.assertGreater(max(s.sum(f"vllm:{name}") for s in during), 0, name)
        for name in VLLM_COUNTERS + [f"{h}_{part}" for h in VLLM_HISTOGRAMS for part in ("sum", "count")]:
            self.assertGreater(after.sum(f"vllm:{name}"), before.sum(f"vllm:{name}"), name)
        reasons = lambda scrape: {s.labels["finished_reason"]: s.value for s in scrape.samples["vllm:request_success_total"]}
        grown = {reason: count - reasons(before)[reason] for reason, count in reasons(after).items()}
        self.assertEqual(grown, {"stop": 0, "length": 10, "abort": 1, "repetition": 0, "error": 0})
        for title, query in panels():
            found = names_in(query)
            self.assertTrue(found or query.startswith("sum(up{"), query)
            for name in found:
                self.assertIn(name, after.samples, title)
                self.assertGreater(max(s.sum(name) for s in [*during, after] if name in s.samples), 0, f"{title}: {name} stays 0")

    def test_the_text_is_what_parsers_expect(self):
        text = self.server.get("/metrics").decode()
        scrape = Scrape(text)
        for name in VLLM_GAUGES:
            self.assertEqual(scrape.types[f"vllm:{name}"], "gauge")
        for name in VLLM_COUNTERS:
            self.assertEqual(scrape.types[f"vllm:{name.removesuffix('_total')}"], "counter")
        for name in VLLM_HISTOGRAMS:
            self.assertEqual(scrape.types[f"vllm:{name}"], "histogram")
            samples = scrape.samples[f"vllm:{name}_bucket"]
            bounds, counts = [float(s.labels["le"]) for s in samples], [s.value for s in samples]
            self.assertEqual(bounds, sorted(bounds))
            self.assertEqual(counts, sorted(counts), "cumulative")
            self.assertEqual((bounds[-1], counts[-1]), (math.inf, scrape.sum(f"vllm:{name}_count")))
            if name in SECONDS:
                self.assertEqual(bounds[:-1], [float(b) for b in SECONDS[name].split()])
        for name, samples in scrape.samples.items():
            if name.startswith("vllm:"):
                self.assertEqual({(s.labels["model_name"], s.labels["engine"]) for s in samples}, {("served", "0")})
        info = scrape.samples["vllm:cache_config_info"][0].labels
        self.assertGreater(int(info["num_gpu_blocks"]), 8)
        self.assertEqual((info["block_size"], info["enable_prefix_caching"], info["num_cpu_blocks"]), ("16", "True", "0"))
        if promtool := shutil.which("promtool"):
            done = subprocess.run([promtool, "check", "metrics"], input=text, capture_output=True, text=True)
            # Style alone: vLLM's names have colons and a histogram that ends in _total.
            complaints = [line for line in done.stderr.splitlines() if "should not contain ':'" not in line and "iteration_tokens_total" not in line]
            self.assertEqual(complaints, [])


@unittest.skipUnless(engine.have_binaries(), f"no llmc and llmc-run in {engine.BIN}")
@unittest.skipUnless(text_string_to_metric_families, "no prometheus-client: examples/install.sh --tests")
class Metrics(Moving, unittest.TestCase):
    second_chance = True  # waits for load on a shared machine
    room = "20M"

    @staticmethod
    def launch(*flags) -> EngineServer:
        return EngineServer(engine.build(smollm2.gguf()), *flags)

    def test_names_and_files_of_the_readme(self):
        """The table of metrics, and the picture of a request's life."""
        serving = (engine.ROOT / "README.md").read_text().split("## Serving")[1].split("\n## ")[0]
        picture, table = serving.split("A request's life")[1].split("\n| `/metrics`")
        names = re.findall(r"`([a-z0-9_]+)`", "".join(line.rsplit("|", 2)[0] for line in table.splitlines()[2:] if line.startswith("|")))
        files = re.findall(r"[\w/]+\.cc", picture)
        self.assertGreater(min(len(names), len(files)), 10)
        scrape = self.scrape()
        self.assertEqual([name for name in names if not {f"vllm:{name}", f"vllm:{name}_sum"} & set(scrape.samples)], [])
        self.assertEqual([file for file in files if not (engine.ROOT / "runtime" / file).exists()], [])

    def test_prefix_and_old_names(self):
        with EngineServer(engine.build(smollm2.gguf()), "--metrics-prefix", "llmc", "--old-metric-names") as server:
            samples = Scrape(server.get("/metrics").decode()).samples
        self.assertFalse([name for name in samples if name.startswith("vllm:")])
        for name in ("num_requests_running", "gpu_cache_usage_perc", "cpu_cache_usage_perc", "num_requests_swapped", "time_per_output_token_seconds_bucket"):
            self.assertIn(f"llmc:{name}", samples)
        for name in ("gpu_cache_usage_perc", "num_requests_swapped", "time_per_output_token_seconds_bucket"):
            self.assertNotIn(f"vllm:{name}", self.scrape().samples)
        done = subprocess.run([engine.BIN / "llmc-run", engine.build(smollm2.gguf()), "--metrics-prefix", "x", "--port", "0"], capture_output=True, text=True)
        self.assertEqual((done.returncode, "vllm or llmc" in done.stderr), (64, True), done.stderr)

    @unittest.skipUnless(shutil.which("prometheus"), "no prometheus: apt install prometheus")
    def test_each_panel_shows_numbers(self):
        """A real Prometheus with the committed configuration, its address and pace changed, and every query of the board."""
        with tempfile.TemporaryDirectory() as folder, socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
            config = (engine.ROOT / "examples/grafana/prometheus.yml").read_text()
            config = config.replace("127.0.0.1:8000", f"127.0.0.1:{self.server.port}").replace("scrape_interval: 5s", "scrape_interval: 1s")
            pathlib.Path(folder, "p.yml").write_text(config)
            free.close()
            child = subprocess.Popen(["prometheus", f"--config.file={folder}/p.yml", f"--storage.tsdb.path={folder}/data", f"--web.listen-address=127.0.0.1:{port}"],
                                     stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            try:
                self.wait_for_prometheus(port)
                asyncio.run(self.load())
                asyncio.run(self.load(4))
                time.sleep(1.5)
                chosen = self.variables(port)
                self.assertEqual((chosen["job"], chosen["model"]), (["llmc"], ["served"]), chosen)
                silent = [(title, query) for title, query in panels() if not self.numbers(port, query, chosen)]
                self.assertEqual(silent, [])
            finally:
                child.terminate()
                child.wait(timeout=20)

    def wait_for_prometheus(self, port: int):
        for _ in range(200):
            try:
                if self.numbers(port, "sum(up{})"):
                    return
            except OSError:
                pass
            time.sleep(0.1)
        self.fail("prometheus does not answer")

    def ask(self, port: int, path: str, **fields):
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v1/{path}?" + urllib.parse.urlencode(fields), timeout=10) as reply:
            return json.load(reply)["data"]

    def variables(self, port: int) -> dict[str, list]:
        """What Grafana offers for each variable of the board: the values of its query, which may use those before it."""
        chosen = {}
        for variable in json.loads(BOARD.read_text())["templating"]["list"]:
            if variable["type"] == "query":
                series, label = re.fullmatch(r"label_values\((.+), (\w+)\)", variable["query"]["query"]).groups()
                chosen[variable["name"]] = self.ask(port, f"label/{label}/values", **{"match[]": self.filled(series, chosen)})
        return chosen

    @staticmethod
    def filled(query: str, chosen: dict[str, list]) -> str:
        """With values of variables as Grafana writes them: escaped for a pattern, and that for a string of PromQL."""
        for name, values in chosen.items():
            pattern = "|".join(re.sub(r"[.+*?()\[\]{}^$|\\]", r"\\\\\g<0>", value) for value in values)
            query = query.replace(f"${name}", f"({pattern})")
        return query.replace("$__rate_interval", "1m")

    def numbers(self, port: int, query: str, chosen={}) -> bool:
        """Whether the query has a value that is a number, and each label that it groups by."""
        found = self.ask(port, "query", query=self.filled(query, chosen))["result"]
        grouped = re.match(r"(?:sum|max) by \((\w+)\)", query)
        named = not grouped or all(one["metric"].get(grouped[1]) for one in found)
        return named and any(not math.isnan(float(one["value"][1])) for one in found)


if __name__ == "__main__":
    unittest.main()
