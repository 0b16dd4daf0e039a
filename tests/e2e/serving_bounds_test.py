"""The scripts of tests/bench that prove the server's bounds, with fewer streams: many at once, cancels, overload, start and end."""

import json
import os
import subprocess
import sys
import types
import unittest

import engine
import mock_server
import tiny_models

BENCH = engine.ROOT / "tests" / "bench"
sys.path.insert(0, str(BENCH))

import cancels  # noqa: E402
import many_streams  # noqa: E402
import overload  # noqa: E402
import served  # noqa: E402
import slow_clients  # noqa: E402


def tiny():
    spec = next(s for s in tiny_models.SPECS if s.name == "gguf-llama-q4_1")
    return engine.build(tiny_models.write(spec, engine.work_dir() / "models"))


@unittest.skipUnless(engine.have_binaries(), f"no llmc and llmc-run in {engine.BIN}")
class Scripts(unittest.TestCase):
    second_chance = True  # bounds times of a server on a shared machine

    def run_script(self, name: str, *flags) -> dict:
        command = [sys.executable, BENCH / name, tiny(), *map(str, flags)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=os.environ | {"LLMC_BIN": str(engine.BIN)})
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return json.loads(done.stdout.splitlines()[0])

    def test_many_streams_are_those_of_the_engine(self):
        result = self.run_script("many_streams.py", "--streams", 600, "--tokens", 160, "--distinct", 60)
        self.assertEqual((result["wrong"], result["tokens"]), (0, 600 * 160))

    def test_cancels_are_noticed(self):
        result = self.run_script("cancels.py", "--cancels", 600, "--idle-ms", 2000)
        self.assertGreater(result["engine_log"]["abort"], 500)

    def test_overload_is_refused_and_costs_no_goodput(self):
        load = ("--seconds", 4, "--sequences", 8, "--queue", 16, "--prompt", 200, "--tokens", 200, "--vocabulary", 250, "--threads", 1)
        result = self.run_script("overload.py", *load, "--late", 200, "--share", 0.6)
        self.assertGreater(result["refused"], result["whole"])

    @unittest.skipUnless(mock_server.PROGRAM.exists(), "needs llmc-mock-server")
    def test_slow_clients_hold_up_nobody(self):
        """By a clock of the server that runs twenty times as fast: a byte a second is one in twenty of its seconds."""
        args = types.SimpleNamespace(slow=1000, honest=20, pause=0.2, tokens=16, alone=1.5, beside=4.5, rate=20, share=2, slack_ms=50, health_ms=200, kib=8,
                                     late=25)
        served.allow_descriptors(args.slow + 512)
        with mock_server.MockServer("--clock-rate", args.rate, "--step-us", 1000) as server:
            result, ends = slow_clients.scenario(server.url, server.resident_kib, args)
            self.assertEqual(slow_clients.check(result, ends, args), [], result)
            self.assertEqual(server.metric("vllm:num_requests_running"), 0)
        self.assertGreater(result["beside"]["whole"], 200, result)

    def test_start_and_end(self):
        bounds = ("--ready-ms", 3000, "--port-ms", 2000, "--unready-ms", 2000)
        result = self.run_script("lifecycle.py", "--streams", 100, "--threads", 1, "--starts", 2, "--idle-seconds", 2, *bounds)
        self.assertEqual((result["sigterm_cut"], result["second_signal_told"]), (0, 100))


class Checks(unittest.TestCase):
    """The inverse: each kind of fault is seen."""

    def stream(self, ids, reasons=(b"length",), dones=1):
        stream = many_streams.Stream(0)
        stream.ids, stream.reasons, stream.dones = list(ids), list(reasons), dones
        stream.outcome = types.SimpleNamespace(success=True)
        return stream

    def test_of_streams(self):
        wanted = [4, 8, 15, 16]
        self.assertEqual(self.stream(wanted).fault(wanted), "")
        for ids in ([4, 8, 15], [4, 8, 8, 15, 16], [4, 15, 8, 16], [4, 8, 15, 16, 16], [4, 8, 15, 17]):
            self.assertTrue(self.stream(ids).fault(wanted), ids)
        self.assertTrue(self.stream(wanted, reasons=()).fault(wanted))
        self.assertTrue(self.stream(wanted, reasons=(b"length", b"length")).fault(wanted))
        self.assertTrue(self.stream(wanted, dones=2).fault(wanted))

    def test_of_the_log_and_of_what_is_held(self):
        args = types.SimpleNamespace(streams=2, tokens=3, kib=64)
        result = {"at_once": 2, "kib_per_stream": 5, "faults": []}
        end = served.End("length", 3, submitted=0.0, ended=1.0)
        right, held = {"stream-0": end, "stream-1": end}, {"num_requests_running": 0.0}
        self.assertEqual(many_streams.check(result, right, held, args), [])
        for bad in (
            (result | {"at_once": 1}, right, held),
            (result | {"kib_per_stream": 65}, right, held),
            (result, {"stream-0": end}, held),
            (result, right | {"stream-1": end._replace(reason="abort")}, held),
            (result, right | {"stream-1": end._replace(tokens=4)}, held),
            (result, right, {"num_requests_running": 1.0}),
        ):
            self.assertEqual(len(many_streams.check(*bad, args)), 1, bad)

    def test_of_cancels(self):
        """A request that runs on is no cancel only where it ended before its client left, or as good as."""
        args = types.SimpleNamespace(idle_ms=250)
        left = [types.SimpleNamespace(id=f"cancel-{i}", sent=100.0 + i, left=100.5 + i, answered=i % 2 == 0, whole=False) for i in range(100)]
        aborted = {one.id: served.End("abort", 9, submitted=one.sent - 90, ended=one.left - 89.99) for one in left}
        judge = lambda changed, took=(3.0,): cancels.judge(list(took), left, 0, aborted | changed, args)
        self.assertEqual(judge({})[1], [])
        own = lambda one, late: {one.id: aborted[one.id]._replace(reason="length", ended=one.left - 90 + late)}
        for late, missed in ((-0.2, 0), (0.2, 0), (0.3, 1), (60.0, 1)):
            result, faults = judge(own(left[7], late))
            self.assertEqual((len(faults), result["ended_before_they_left"]), (missed, 1 - missed), late)
        self.assertEqual(len(judge({}, took=(251.0,))[1]), 1)
        self.assertEqual(len(judge({k: v for one in left[:6] for k, v in own(one, -0.2).items()})[1]), 1, "too many end by themselves to tell")

    def test_of_slow_clients(self):
        args = types.SimpleNamespace(slow=8, share=1.1, slack_ms=5, health_ms=100, kib=4, late=5, rate=1, beside=75)
        part = {"answers": 9, "whole": 9, "ttft_p99_ms": 10.0, "health_p99_ms": 9.0}
        result = {"kib_per_slow": 1, "alone": part, "beside": part}
        cut = lambda *seconds: [(each, each) for each in seconds]
        late = [(61.0, 57.0)]  # the client read its answer four seconds late
        ends = {"silent": cut(60.2, 60.3), "head": cut(10.1, 10.2, 10.1), "body": cut(30.0, 30.2), "kept": cut(61.0) + late}
        check = lambda result, ends: len(slow_clients.check(dict(result), ends, args))
        self.assertEqual(check(result, ends), 0)
        for change in ({"whole": 8}, {"ttft_p99_ms": 16.1}, {"health_p99_ms": 101.0}):
            self.assertEqual(check(result | {"beside": part | change}, ends), 1, change)
        self.assertEqual(check(result | {"kib_per_slow": 4.1}, ends), 1)
        for change in (
            {"head": cut(10.1, 15.1)}, {"head": cut(8.9, 10.0)}, {"body": cut(30.0)}, {"body": cut(30.0, 30.0) + [b"HTTP/1.1 503"]}, {"kept": []},
            {"kept": cut(58.9, 61.0)}, {"kept": [(69.2, 65.1), (61.0, 61.0)]},
        ):
            self.assertEqual(check(result, ends | change), 1, change)

    def test_of_an_overload(self):
        args = types.SimpleNamespace(tokens=10, times=10, late=10, share=0.9)
        whole = types.SimpleNamespace(status=200, success=True, done=True, output_tokens=10, ttft=0.1)
        refused = types.SimpleNamespace(status=429, success=False, headers={"retry-after": "1"}, first_byte=0.002)
        judge = lambda outcomes, best=100.0: overload.judge(outcomes, 1.0, best, 1.0, args)[1]
        self.assertEqual(judge([whole] * 10 + [refused] * 90), [])
        cut = types.SimpleNamespace(**vars(whole) | {"output_tokens": 9})
        late = types.SimpleNamespace(**vars(refused) | {"first_byte": 0.02})
        silent = types.SimpleNamespace(**vars(refused) | {"headers": {}})
        self.assertEqual(len(judge([whole] * 10 + [cut] + [refused] * 90)), 1)
        self.assertEqual(len(judge([whole] * 10 + [refused] * 88 + [late] * 2)), 1)
        self.assertEqual(len(judge([whole] * 10 + [refused] * 89 + [silent])), 1)
        self.assertEqual(len(judge([whole] * 10 + [refused] * 90, best=120.0)), 1)


if __name__ == "__main__":
    unittest.main()
