"""llmc-run under Ray Serve: each replica of the deployment runs one server process and streams its answers through.

Usage: LLMC_ENGINE=/path/engine.bin serve run ray_serve:app     (pip install "ray[serve]"; llmc-run in PATH or LLMC_RUN)
Requests of http://RAY:8000/v1/... and the other routes go to the replica's own llmc-run, byte for byte, streams included.
"""

import asyncio
import os
import re
import signal
import subprocess

import httpx
from fastapi import FastAPI, Request
from fastapi.responses import StreamingResponse
from ray import serve

READY = re.compile(r"ready on (http://127\.0\.0\.1:\d+)/")
# Between two servers these belong to one connection and are not passed on.
HOP = {"connection", "keep-alive", "transfer-encoding", "upgrade", "te", "trailer", "host", "content-length"}
api = FastAPI()


@serve.deployment(
    num_replicas=2,
    ray_actor_options={"num_cpus": 4},
    max_ongoing_requests=256,  # llmc-run batches and queues by itself
    health_check_period_s=5,
    graceful_shutdown_timeout_s=75,
)
@serve.ingress(api)
class Llmc:
    def __init__(self):
        program, engine = os.environ.get("LLMC_RUN", "llmc-run"), os.environ["LLMC_ENGINE"]
        flags = ["--port", "0", "--threads", "4", "--drain-seconds", "60", *os.environ.get("LLMC_FLAGS", "").split()]
        self.child = subprocess.Popen([program, engine, *flags], stderr=subprocess.PIPE, text=True)
        seen = ""
        for line in self.child.stderr:
            seen += line
            if found := READY.search(line):
                break
        else:
            raise RuntimeError(f"llmc-run ended with status {self.child.wait()}: {seen}")
        # What it says later goes nowhere; a full pipe would stop it.
        self.reader = asyncio.get_running_loop().run_in_executor(None, self.child.stderr.read)
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=64)
        self.client = httpx.AsyncClient(base_url=found[1], timeout=httpx.Timeout(600, connect=5), limits=limits)

    async def check_health(self):
        (await self.client.get("/health")).raise_for_status()

    @api.api_route("/{path:path}", methods=["GET", "POST", "HEAD"])
    async def forward(self, path: str, request: Request):
        headers = [(k, v) for k, v in request.headers.items() if k not in HOP]
        ask = self.client.build_request(
            request.method, "/" + path, params=request.query_params, headers=headers, content=await request.body()
        )
        answer = await self.client.send(ask, stream=True)
        headers = {k: v for k, v in answer.headers.items() if k not in HOP}

        async def body():
            # A client that leaves cancels this, which closes the connection, which cancels the generation.
            try:
                async for piece in answer.aiter_raw():
                    yield piece
            finally:
                await answer.aclose()

        return StreamingResponse(body(), answer.status_code, headers)

    async def __del__(self):
        self.child.send_signal(signal.SIGTERM)
        await asyncio.to_thread(self.child.wait, 70)


app = Llmc.bind()
