"""Facts of this machine, its read bandwidth, and a guard that waits until other processes leave the CPUs alone."""

import json
import os
import pathlib
import platform
import subprocess
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
TICK = os.sysconf("SC_CLK_TCK")
INTERESTING = "avx2 fma f16c avx_vnni avx512f avx512bw avx512_vnni avx512_bf16 avx512_fp16 amx_tile amx_int8".split()


def peer_instructions() -> str:
    """What llama.cpp was built to use: "AVX2 = 1 | FMA = 1 | ..."."""
    import llama_cpp

    return llama_cpp.llama_print_system_info().decode()


def facts() -> dict:
    model, flags = "unknown", set()
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        key, _, value = line.partition(":")
        if key.strip() == "model name":
            model = value.strip()
        elif key.strip() == "flags":
            flags = set(value.split())
            break
    caches = {}
    for index in sorted(pathlib.Path("/sys/devices/system/cpu/cpu0/cache").glob("index*")):
        kind = (index / "type").read_text().strip()
        if kind != "Instruction":
            caches["L" + (index / "level").read_text().strip()] = (index / "size").read_text().strip()
    family = {}
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines()[:12]:
        key, _, value = line.partition(":")
        if key.strip() in ("cpu family", "model", "stepping"):
            family[key.strip()] = int(value)
    return {
        "date": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        "cpu": model,
        "cpu_family_model_stepping": [family.get(k) for k in ("cpu family", "model", "stepping")],
        "flags": [f for f in INTERESTING if f in flags],
        "cores": os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30, 1),
        "caches": caches,
        "kernel": platform.release(),
        "load": os.getloadavg()[0],
    }


def bandwidth(threads: list[int]) -> dict:
    """GB/s read by bandwidth.c: {threads: {dram_median, dram_best, cache12MiB_median, ..}}."""
    with tempfile.TemporaryDirectory() as scratch:
        program = pathlib.Path(scratch) / "bandwidth"
        compiler = os.environ.get("CC", "cc")
        flags = ["-O3", "-march=native", "-pthread"]
        subprocess.run([compiler, *flags, HERE / "bandwidth.c", "-o", program], check=True)
        out = subprocess.run([program, *map(str, threads)], check=True, capture_output=True, text=True).stdout
    return json.loads(out)


def _busy_seconds() -> float:
    """CPU seconds spent by everybody since boot, idle and waiting for disks left out."""
    user, nice, system, _idle, _wait, irq, soft, steal = map(
        int, pathlib.Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]
    )
    return (user + nice + system + irq + soft + steal) / TICK


class Watch:
    """CPUs that others used between its start and `others(own)`, own = CPU seconds of the measured process."""

    def __init__(self):
        self.busy, self.begin = _busy_seconds(), time.monotonic()

    def others(self, own: float = 0.0) -> float:
        wall = max(time.monotonic() - self.begin, 1e-3)
        return max(0.0, (_busy_seconds() - self.busy - own) / wall)


def wait_quiet(limit: float, patience: float) -> bool:
    """Sleeps until others use at most `limit` CPUs over 200 ms; False when `patience` seconds ran out."""
    end = time.monotonic() + patience
    while True:
        watch = Watch()
        time.sleep(0.2)
        if watch.others() <= limit:
            return True
        if time.monotonic() > end:
            return False


def run_measured(command: list, timeout: float = 900) -> tuple[str, dict]:
    """Standard output, and seconds, CPU seconds, peak memory and the CPUs that others used meanwhile."""
    watch, begin = Watch(), time.monotonic()
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        child = subprocess.Popen(list(map(str, command)), stdout=out, stderr=err, stdin=subprocess.DEVNULL)
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        wall = time.monotonic() - begin
        out.seek(0)
        err.seek(0)
        if child.returncode != 0:
            raise SystemExit(f"{command}: status {child.returncode}\n{err.read().decode(errors='replace')[-3000:]}")
        cpu = usage.ru_utime + usage.ru_stime
        cost = {"wall_s": wall, "cpu_s": cpu, "peak_mib": usage.ru_maxrss / 1024, "others_cpus": watch.others(cpu)}
        return out.read().decode(), cost


if __name__ == "__main__":
    print(json.dumps(facts() | {"bandwidth": bandwidth([])}, indent=1))
