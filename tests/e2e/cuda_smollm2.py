"""SmolLM2-135M itself, all 30 layers, on the emulator's device beside the CPU: logits of a short prompt and some greedy tokens. By hand, not in run.py.

Usage: LLMC_BIN=build/bin .venv/bin/python tests/e2e/cuda_smollm2.py [--tokens N] [--arch ARCH] [--quant SCHEME]
Needs NVRTC and the emulator's driver, as the cuda_*_test.py do. Prints what differs and how long each part took; exit status 1 when the device's answer
is not the CPU's: another token where the CPU's best two are further apart than TIE, or a mean KL above MOST_KL.
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "fixtures"))

import compare
import cuda_build_test
import cuda_engine
import engine
import numpy as np
import smollm2

PROMPT = "The capital of France is"
TIE = 0.05  # nats: bf16 activations may turn such a pair around
MOST_KL = 2e-2  # mean over the prompt, of bf16 activations against f32


def timed(what: str, command: list, environment: dict) -> str:
    begin = time.monotonic()
    done = subprocess.run([str(part) for part in command], env=environment, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if done.returncode:
        sys.exit(f"{what} failed with {done.returncode}:\n{done.stderr[-4000:]}")
    print(f"{what}: {time.monotonic() - begin:.1f} s", flush=True)
    return done.stdout


def logits_of(what: str, path, ids: list, environment: dict) -> np.ndarray:
    out = engine.work_dir() / f"smollm2-{what}.f32"
    timed(f"{what}: logits of {len(ids)} tokens", [engine.BIN / "llmc-run", path, "--prompt-ids", engine.id_list(ids), "--dump-logits", out,
                                                  "--max-model-len", 128, "--threads", 1], environment)
    return np.fromfile(out, "<f4").reshape(len(ids), -1)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tokens", type=int, default=8)
    parser.add_argument("--arch", default=cuda_engine.ARCH)
    parser.add_argument("--quant", default="native")
    asked = parser.parse_args()
    model, work = smollm2.gguf(), engine.work_dir()
    gpu, dump = work / "smollm2-cuda.bin", work / "smollm2-dump"
    nvrtc = dict(os.environ, LLMC_NVRTC=cuda_build_test.nvrtc(), XDG_CACHE_HOME=str(work / "nvrtc-cache"))
    timed("build for the device", [engine.BIN / "llmc", "build", model, "-o", gpu, "--target", f"cuda:{asked.arch}", "--quant", asked.quant, "--dump-dir", dump,
                                   "--quality", "off", "--quiet", "--force"], nvrtc)
    cpu = engine.build(model, "--quant", asked.quant, "--activations", "f32", "--selftest-tokens", "0", "--quality", "off")
    ids = json.loads(engine.call("llmc-run", cpu, "--tokenize", PROMPT, "--json"))["token_ids"]
    capability = asked.arch.removeprefix("sm_").rstrip("af")
    device = dict(os.environ, LD_LIBRARY_PATH=str(cuda_engine.DRIVER.parent), LLMC_EMULATOR_PTX=str(dump),
                  LLMC_EMULATOR_SM=f"{capability[:-1]}.{capability[-1]}")
    wanted, found = logits_of("cpu", cpu, ids, dict(os.environ)), logits_of("device", gpu, ids, device)
    kl = compare.kl_rows(compare.log_softmax(wanted), compare.log_softmax(found))
    print(f"KL of {len(ids)} positions: mean {kl.mean():.2e}, most {kl.max():.2e}")
    answers = {}
    for name, path, environment in (("cpu", cpu, dict(os.environ)), ("device", gpu, device)):
        text = timed(f"{name}: {asked.tokens} tokens", [engine.BIN / "llmc-run", path, "--prompt-ids", engine.id_list(ids), "--max-tokens", asked.tokens,
                                                       "--temperature", 0, "--repetition-penalty", 1, "--ignore-eos", "--max-model-len", 128, "--threads", 1,
                                                       "--logprobs", 2, "--json"], environment)
        answers[name] = json.loads(text)
        print(f"{name}: {PROMPT!r} -> {answers[name]['text']!r}")
    return judge(answers, kl.mean())


def judge(answers: dict, kl: float) -> int:
    """Tokens up to the first that differs: after it the two are different texts."""
    if kl > MOST_KL:
        print(f"the mean KL is above {MOST_KL}")
        return 1
    for place, (a, b) in enumerate(zip(answers["cpu"]["token_ids"], answers["device"]["token_ids"])):
        if a == b:
            continue
        top = sorted((logprob for _, logprob in answers["cpu"]["logprobs"][place]["top"]), reverse=True)
        gap = top[0] - top[1]
        print(f"token {place}: {a} on the CPU, {b} on the device; the CPU's best two are {gap:.3f} nats apart")
        return int(gap > TIE)
    print("the same tokens")
    return 0


if __name__ == "__main__":
    sys.exit(main())
