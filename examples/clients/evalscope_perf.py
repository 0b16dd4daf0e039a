"""`evalscope perf` against a running server: chat and text streams under load; every request must succeed.

Usage: evalscope_perf.py URL MODEL      URL as in http://127.0.0.1:8000/v1; `evalscope` of this interpreter's folder is run
"""

import json
import pathlib
import subprocess
import sys
import tempfile

LINES = ["Name a colour.", "Tell me about the sea.", "What is two plus two?", "Write a line about rain."]


def main(url: str, model: str):
    with tempfile.TemporaryDirectory() as folder:
        prompts = pathlib.Path(folder) / "prompts.txt"
        prompts.write_text("\n".join(LINES * 4) + "\n")
        for path in ("/chat/completions", "/completions"):
            out = pathlib.Path(folder) / path.strip("/").replace("/", "-")
            subprocess.run([pathlib.Path(sys.executable).with_name("evalscope"), "perf", "--url", url + path, "--model", model, "--api", "openai",
                            "--parallel", "4", "--number", "16", "--dataset", "line_by_line", "--dataset-path", prompts, "--max-tokens", "32",
                            "--outputs-dir", out, "--no-timestamp", "--stream"], check=True)
            summary = json.loads(next(out.rglob("benchmark_summary.json")).read_text())
            counts = (summary["Total Requests"], summary["Success Requests"], summary["Failed Requests"])
            assert counts == (16, 16, 0), summary


if __name__ == "__main__":
    main(*sys.argv[1:])
    print("evalscope perf: all as expected")
