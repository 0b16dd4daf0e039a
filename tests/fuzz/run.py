"""Runs every fuzz target for a bounded time from seeds of the fixtures; the last line is `N passed, N failed, N skipped`.

Usage: tests/fuzz/run.py BIN_FOLDER [--seconds N] [--work FOLDER] [--jobs N]     an input that fails stays in FOLDER/TARGET-crash-*
The random seed is fixed. Targets must end by themselves: a crash, a sanitizer's report, a leak, 10 s or 2 GiB for one input fail them.
"""

import argparse
import concurrent.futures
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "fixtures"))

import tiny_models  # noqa: E402  (after the path above)
import tiny_tokenizer  # noqa: E402

# Smaller than any test needs: a fuzzer is as fast as its inputs are short.
SHAPE = dict(heads=2, kv_heads=1, head_dim=32, hidden=32, ffn=32, vocab=300, layers=1)
REQUESTS = [
    b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n",
    b"POST /v1/completions HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    b"POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n3;a=b\r\nabc\r\n0\r\nT: 1\r\n\r\n",
]
BODIES = [
    b'\0{"model":"m","prompt":"a","max_tokens":5,"temperature":0.5,"top_p":0.9,"n":2,"stop":["x"],"logprobs":3,"seed":1,"stream":true}',
    b'\0{"model":"m","prompt":[[1,2],[3]],"logit_bias":{"5":-1.5},"presence_penalty":1,"stream":true,"stream_options":{"include_usage":true}}',
    b'\1{"model":"m","messages":[{"role":"system","content":"a"},{"role":"user","content":[{"type":"text","text":"b"}]}],"top_logprobs":2}',
]


def write_seeds(folder: pathlib.Path):
    """A corpus folder for each target that has honest inputs."""
    made = folder / "models"
    specs = [tiny_models.Spec(f"fuzz-{family}-{kind}", family, kind=kind, gguf=gguf, **SHAPE)
             for family, kind, gguf in (("llama", "F32", 0), ("qwen3", "BF16", 0), ("llama", "Q4_1", 3), ("qwen2", "Q8_0", 2))]
    specs.append(tiny_models.Spec("fuzz-llama-Q4_K_M", "llama", kind="Q4_K_M", gguf=3, **SHAPE | {"ffn": 256, "vocab": 280}))
    found: dict[str, list[bytes]] = {"http_request": REQUESTS, "api_request": BODIES}
    for spec in specs:
        path = tiny_models.write(spec, made)
        if spec.gguf:
            found.setdefault("gguf", []).append(path.read_bytes())
            continue
        found.setdefault("safetensors", []).append((path / "model.safetensors").read_bytes())
        found.setdefault("config", []).append((path / "config.json").read_bytes())
        found.setdefault("tokenizer", []).append((path / "tokenizer.json").read_bytes())
    found["config"].append(b'{"metadata":{"total_size":8},"weight_map":{"a":"model-00001-of-00002.safetensors","b":"x.safetensors"}}')
    # Short ones of the long kinds, so that a change of a byte is soon one that counts.
    found["safetensors"].append(b"\x43" + bytes(7) + b'{"a":{"dtype":"F32","shape":[1,2],"data_offsets":[0,8]},"__m":{}}  ' + bytes(8))
    found["tokenizer"].append(b'{"added_tokens":[{"id":2,"content":"<s>"}],"pre_tokenizer":{"type":"Split","pattern":{"Regex":"a+"}},'
                              b'"model":{"type":"BPE","vocab":{"a":0,"b":1,"ab":3},"merges":["a b"]}}')
    for target, inputs in found.items():
        (folder / target).mkdir()
        for i, content in enumerate(inputs):
            (folder / target / f"seed{i}").write_bytes(content)


def fuzz(binary: pathlib.Path, work: pathlib.Path, seconds: int) -> bool:
    target = binary.name.removeprefix("fuzz_")
    seeds = work / target
    seeds.mkdir(exist_ok=True)
    command = [binary, "-seed=1", f"-max_total_time={seconds}", "-timeout=10", "-rss_limit_mb=2048", "-max_len=131072", "-print_final_stats=1",
               f"-artifact_prefix={work}/{target}-", seeds]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, errors="replace", timeout=seconds + 120)
    facts = re.findall(r"stat::number_of_executed_units: (\d+)|cov: (\d+)", done.stderr)
    runs = next((a for a, _ in reversed(facts) if a), "no")
    edges = next((b for _, b in reversed(facts) if b), "0")
    print(f"{'ok  ' if done.returncode == 0 else 'FAIL'} {target}: {runs} inputs in {seconds} s, {edges} edges", flush=True)
    if done.returncode != 0:
        print(done.stderr[-6000:], flush=True)
    return done.returncode == 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bin", type=pathlib.Path)
    parser.add_argument("--seconds", type=int, default=8, help="for each target (default: 8)")
    parser.add_argument("--jobs", type=int, default=2, help="targets at a time (default: 2)")
    parser.add_argument("--work", type=pathlib.Path, help="corpora and failing inputs (default: a folder that is removed when all passed)")
    args = parser.parse_args()
    binaries = sorted(args.bin.glob("fuzz_*"))
    work = args.work or pathlib.Path(tempfile.mkdtemp(prefix="llmc-fuzz-"))
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    write_seeds(work)
    with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
        passed = list(pool.map(lambda binary: fuzz(binary, work, args.seconds), binaries))
    failed = passed.count(False)
    if not failed and not args.work:
        shutil.rmtree(work)
    elif failed:
        print(f"failing inputs: {work}")
    print(f"{len(passed) - failed} passed, {failed} failed, 0 skipped")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
