"""Engines for each single architecture on devices of each compute capability, with the shared memory that such a device has: what is loaded, or what is said."""

import functools
import json
import re
import unittest

import cuda_engine
import engine
from cuda_build_test import build

NAME = "llama-3h1-d64-f32"
SMALL, AMPERE, LARGE = 99 << 10, 163 << 10, 227 << 10
DEVICES = {"8.0": AMPERE, "8.6": SMALL, "8.7": AMPERE, "8.9": SMALL, "9.0": LARGE, "10.0": LARGE, "10.3": LARGE, "12.0": SMALL, "12.1": SMALL}
ARCHS = ("sm_80", "sm_86", "sm_89", "sm_90a", "sm_100a", "sm_120a")
ASK = ("--prompt-ids", "5,6,7", "--max-tokens", 2, "--temperature", 0, "--ignore-eos", "--max-model-len", 64, "--threads", 1, "--kv-memory", "4M", "--json")


@functools.cache
def built(*archs: str):
    """The engine for `archs`; without "cpu" among them the PTX of its cubins is in a folder of its own, as a build empties what it dumps to."""
    path = engine.work_dir() / f"levels-{'-'.join(archs)}.bin"
    target = ("cpu," if "cpu" in archs else "") + "cuda:" + ",".join(a for a in archs if a != "cpu")
    flags = ("--cpu-levels", "host") if "cpu" in archs else ("--dump-dir", cuda_engine.dump_dir(path.stem))
    done, _ = build(NAME, path, "--target", target, "--quant", cuda_engine.SCHEMES[NAME], "--quality", "off", *flags)
    assert done.returncode == 0, done.stderr
    return path


def needs(path) -> dict[str, int]:
    """The most shared memory of a block, by level: what explain says of each launch."""
    most: dict[str, int] = {}
    for kernel in json.loads(engine.call("llmc", "explain", path, "--json"))["kernels"]:
        for launches in (variant["launch"] for variant in kernel["variants"]):
            for level, launch in launches.items():
                most[level] = max(most.get(level, 0), launch["shared_bytes"] + launch["static_shared_bytes"])
    return most


def order(arch: str, capability: str) -> list[str]:
    """Levels of an engine for `arch` that could run there, the best first."""
    number, device = int(re.sub(r"\D", "", arch)), int(capability.replace(".", ""))
    cubin = device == number if arch.endswith("a") else device // 10 == number // 10 and device >= number
    return [f"cuda:{arch}"] * cubin + [f"cuda:compute_{number}"] * (device >= number)


@cuda_engine.needs_emulator
class CudaLevels(unittest.TestCase):
    def load(self, path, *flags, **emulator):
        """To the first launch, which fails: all code is on the device by then."""
        return cuda_engine.run(path.stem, *ASK, *flags, path=path, FAIL="cuLaunchKernelEx:1:1", **emulator)

    def test_every_engine_on_every_device(self):
        outcomes = {}
        for arch in ARCHS:
            path = built(arch)
            most = needs(path)
            levels = json.loads(engine.call("llmc", "inspect", path, "--json"))["levels"]
            self.assertEqual({level["name"]: level["shared_bytes"] for level in levels}, most)
            self.assertLessEqual(most[order(arch, "12.1")[-1]], SMALL, "PTX is for all")
            for capability, room in DEVICES.items():
                with self.subTest(engine=arch, device=capability):
                    possible = order(arch, capability)
                    fitting = [level for level in possible if most[level] <= room]
                    done = self.load(path, SM=capability)
                    if not possible:
                        self.assertEqual(done.returncode, 78, done.stderr)
                        self.assertIn("error[CU_NO_CODE]", done.stderr)
                    else:
                        self.assertTrue(fitting)  # since PTX is
                        self.assertEqual(done.returncode, 71, done.stderr)
                        self.assertIn("error[CU_CALL]", done.stderr)
                        self.assertIn("cuLaunchKernelEx", done.stderr)
                        said = f"runs {fitting[0]}, which the driver compiled in "
                        self.assertEqual(said in done.stderr, "compute_" in fitting[0], done.stderr)
                    outcomes[arch, capability] = fitting[0] if fitting else "none"
        print(f"     {len(outcomes)} combinations, {sum(level != 'none' for level in outcomes.values())} run, "
              f"{sum('sm_' in level for level in outcomes.values())} of them cubins")
        # What this is about: the cubin of sm_80 has more than other devices of its generation.
        self.assertGreater(needs(built("sm_80"))["cuda:sm_80"], SMALL)
        self.assertEqual([outcomes["sm_80", sm] for sm in ("8.0", "8.6", "8.7", "8.9")], ["cuda:sm_80", "cuda:compute_80", "cuda:sm_80", "cuda:compute_80"])

    def test_the_ptx_runs_there(self):
        said = r"(?m)^runs cuda:compute_80, which the driver compiled in \d+\.\d\d s: cuda:sm_80 needs 1\d\d\.\d KiB of shared memory a block, " \
               r".* \(sm_86\) has 99\.0 KiB; --target cuda:sm_86 makes code for it\n"
        path = built("sm_80")
        small, large = (cuda_engine.run(path.stem, *ASK, path=path, SM=capability) for capability in ("8.6", "8.0"))
        self.assertEqual((small.returncode, large.returncode), (0, 0), small.stderr + large.stderr)
        self.assertRegex(small.stderr, said)
        self.assertNotIn("runs cuda:", large.stderr)
        self.assertEqual(json.loads(small.stdout)["token_ids"], json.loads(large.stdout)["token_ids"])

    def test_a_newer_device_says_what_to_build(self):
        said = r"(?m)^runs cuda:compute_80, which the driver compiled in \d+\.\d\d s: no cubin of the engine \(cuda:sm_80\) is for .* \(sm_90\); " \
               r"--target cuda:sm_90a makes code for it\n"
        self.assertEqual(len(re.findall(said, self.load(built("sm_80"), SM="9.0").stderr)), 1)

    def test_where_nothing_fits(self):
        """PTX of a later generation is of no use to the device."""
        path = built("cpu", "sm_80", "sm_120a")
        done = self.load(path, "--device", "cuda:0", SM="8.9")
        self.assertEqual(done.returncode, 78, done.stderr)
        self.assertRegex(done.stderr, r"error\[CU_SHARED\] cuda:sm_80 needs 1\d\d\.\d KiB of shared memory a block, .* \(sm_89\) has 99\.0 KiB; "
                                      r"the engine holds code for cuda:sm_80, cuda:sm_120a, cuda:compute_120")
        self.assertIn("build it with --target cuda:sm_89", done.stderr)
        done = self.load(path, SM="8.9")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("runs on the CPU, although there is a driver: cuda:sm_80 needs ", done.stderr)
        self.assertEqual(len(json.loads(done.stdout)["token_ids"]), 2)


if __name__ == "__main__":
    unittest.main()
