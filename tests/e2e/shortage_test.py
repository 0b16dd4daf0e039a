"""Programs that get no threads, files or memory: they go on with what they have, or say so with status 69; never a signal, nothing left."""

import collections
import contextlib
import http.client
import json
import os
import resource
import shutil
import subprocess
import threading
import unittest
import urllib.request

import engine
import hostile

# A stack that fits no address space: no thread can be started. Unlike RLIMIT_NPROC it binds root, too.
NO_THREADS = (resource.RLIMIT_STACK, 1 << 47)
MIB = 1 << 20


def build(folder, *flags, **how):
    return hostile.run("llmc", "build", hostile.model_path(hostile.GGUF), "-o", folder / "e.bin", "--quiet", "--cpu-levels", "x86-64-v3",
                       *flags, **how)


@unittest.skipUnless(engine.have_binaries(), f"no llmc and llmc-run in {engine.BIN}")
class Shortage(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = hostile.fresh_folder("shortage")
        ended = build(cls.folder)
        assert ended.status == 0, ended.err
        cls.made = cls.folder / "e.bin"

    def run_text(self, *flags, **how):
        return hostile.run("llmc-run", self.made, "--prompt", "hello there", "--max-tokens", 2, "--temperature", 0, *flags, **how)

    def check(self, ended, codes=("RT_MEMORY",)):
        """Done, or refused for want of something."""
        told = f"status {ended.status}, stderr:\n{ended.err[-800:]}"
        if ended.status == 127 and "shared object" in ended.err:
            return  # the loader's word: no code of ours has run yet
        self.assertIn(ended.status, (0, 69), told)
        if ended.status:
            self.assertRegex(ended.err, r"(?m)^error\[(%s)\] .*ulimit" % "|".join(codes), told)

    @unittest.skipUnless(resource.getrlimit(resource.RLIMIT_STACK)[1] == resource.RLIM_INFINITY, "the stack's hard limit cannot be raised")
    def test_a_run_without_threads_goes_on_alone_or_says_what_is_missing(self):
        alone, free = self.run_text("--threads", 1, limit=NO_THREADS), self.run_text("--threads", 1)
        self.assertEqual((alone.status, alone.err), (0, free.err))
        self.assertEqual(alone.out, free.out)
        hostile.check_refusal(self, self.run_text("--threads", 2, limit=NO_THREADS), 69, "RT_THREADS", ["--threads"])

    @unittest.skipUnless(resource.getrlimit(resource.RLIMIT_STACK)[1] == resource.RLIM_INFINITY, "the stack's hard limit cannot be raised")
    def test_a_build_without_threads_says_so(self):
        folder = hostile.fresh_folder("no-threads")
        hostile.check_refusal(self, build(folder, limit=NO_THREADS), 69, "CG_LINK", ["thread", "ulimit"], cpu=5)
        self.assertEqual(list(folder.iterdir()), [])

    def test_a_build_without_files_says_so(self):
        folder = hostile.fresh_folder("no-files")
        for files in (4, 5, 6, 12):
            ended = build(folder, limit=(resource.RLIMIT_NOFILE, files))
            self.assertEqual(ended.status, 69, ended.err)
            self.assertIn("ulimit -n", ended.err)
            self.assertEqual(list(folder.iterdir()), [])

    def test_a_server_without_files_says_so(self):
        """Every number from the one that programs need to load to the one with which it starts."""
        ends = []
        for files in range(4, 40):
            with self.subTest(files=files):
                status, said, ready = self.serve((resource.RLIMIT_NOFILE, files))
                if ready:
                    self.assertEqual(status, 0, said)
                elif not (status == 127 and "shared" in said):
                    self.assertEqual(status, 69, said)
                    self.assertRegex(said, r"(?m)^error\[(RT_FILES|SV_PORT|EN_IO)\] .*ulimit -n")
                ends.append(status)
                if ends[-4:] == [0] * 4:
                    break
        self.assertIn(69, ends)
        self.assertEqual(ends[-1], 0, "no number of files suffices")

    @unittest.skipUnless(os.geteuid() == 0, "needs root, who may become somebody who may not")
    def test_places_that_this_user_may_not_read_or_write(self):
        """Each says the path and the reason, with status 77; nothing is left."""
        folder = hostile.fresh_folder("nobody")
        for place in [folder, *folder.parents]:  # as far as the temporary folder is ours
            if place.stat().st_mode & 0o77 == 0:
                place.chmod(0o755)
        closed, output = folder / "closed", folder / "out"
        output.mkdir()
        model = shutil.copy(hostile.model_path(hostile.GGUF), folder / "m.gguf")
        made = shutil.copy(self.made, folder / "e.bin")
        programs = {name: shutil.copy(engine.BIN / name, folder / name) for name in ("llmc", "llmc-run")}  # ours may lie in /root
        for name in ("closed", "closed.gguf", "closed.bin"):
            (folder / name).write_text("x")
            (folder / name).chmod(0)
        serve = ("llmc-run", made, "--port", "0")
        quick = ("--quiet", "--cpu-levels", "x86-64-v3")
        for code, named, *command in (("IX_OPEN", "closed.gguf", "llmc", "build", folder / "closed.gguf", "--stop-after", "import"),
                                      ("OUT_IO", "out", "llmc", "build", model, "-o", output / "e", *quick),
                                      ("TUNE_FILE", "closed", "llmc", "build", model, "-o", output / "e", *quick, "--tuning", closed),
                                      ("OUT_IO", "t", "llmc", "tune", made, "-o", output / "t", "--quiet"),
                                      ("EN_MISSING", "closed.bin", "llmc", "inspect", folder / "closed.bin"),
                                      ("EN_MISSING", "closed.bin", "llmc-run", folder / "closed.bin", "--prompt", "x"),
                                      ("CLI_FILE", "closed", "llmc-run", made, "--prompt-file", closed),
                                      ("CLI_FLAG", "closed", *serve, "--api-key-file", closed),
                                      ("CLI_CONFIG", "closed", *serve, "--config", closed),
                                      ("CLI_OUTPUT", "log", *serve, "--access-log", output / "log"),
                                      ("SV_TRACE", "trace", *serve, "--trace", output / "trace")):
            with self.subTest(command[:2], code=code):
                done = subprocess.run([programs[command[0]], *map(str, command[1:])], user=65534, group=65534, extra_groups=[], cwd="/",
                                      stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
                self.assertEqual(done.returncode, 77, done.stderr)
                self.assertRegex(done.stderr, rf"(?m)^error\[{code}\] .*{named}.*: Permission denied")
        self.assertEqual(list(output.iterdir()), [])

    def serve(self, limit, load=lambda url: None):
        """A server that is told to stop as soon as it is ready and `load` is over: its status, what it said, whether it was ready."""
        with subprocess.Popen([engine.BIN / "llmc-run", self.made, "--port", "0", "--kv-memory", "8M", "--threads", "1"], stderr=subprocess.PIPE,
                              stdin=subprocess.DEVNULL, preexec_fn=lambda: resource.setrlimit(limit[0], (limit[1], limit[1]))) as child:
            said, ready = "", False
            for line in child.stderr:
                said += line.decode()
                if line.startswith(b"ready on"):
                    ready = True
                    load(line.split()[2].decode().removesuffix("v1"))
                    child.terminate()
            return child.wait(30), said, ready

    def test_a_server_without_memory_says_so_or_serves(self):
        """Address space around what it needs: each start ends with status 69 and a line, or serves a load of prompts and ends with 0 or 69; never a signal."""
        ends = collections.Counter()
        for mib in (60, 110, 180, 250, 300, 312, 318, 324, 336, 342, 370, 430, 520, 800):
            with self.subTest(mib=mib):
                status, said, ready = self.serve((resource.RLIMIT_AS, mib * MIB), self.load)
                ends[(ready, status)] += 1
                if status == 127 and "shared" in said:
                    continue
                self.assertIn(status, (0, 69), said)
                self.assertTrue(ready or status, said)
                if status:
                    self.assertRegex(said, r"(?m)^error\[(RT_MEMORY|RT_THREADS|EN_MEMORY|EN_IO|SV_PORT)\] .*ulimit", said)
        self.assertIn((True, 0), ends, "no limit suffices")
        self.assertIn((False, 69), ends, "no limit binds")

    @staticmethod
    def load(url: str):
        """Prompts of many lengths at once; what cannot be answered may be refused or cut, not left waiting."""
        def ask(length):
            body = json.dumps({"prompt": "a b " * length, "max_tokens": 8, "ignore_eos": True}).encode()
            with contextlib.suppress(OSError, http.client.HTTPException):
                urllib.request.urlopen(urllib.request.Request(url + "v1/completions", body, {"Content-Type": "application/json"}), timeout=20).read()

        threads = [threading.Thread(target=ask, args=(length,)) for length in (1, 5, 20, 40) * 3]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert not any(thread.is_alive() for thread in threads)

    def test_memory_ends_anywhere(self):
        ends = set()
        for mib in (60, 100, 160, 200, 260, 330, 400, 600):
            with self.subTest("run", mib=mib):
                ended = self.run_text(limit=(resource.RLIMIT_AS, mib * MIB))
                self.check(ended, ("RT_MEMORY", "RT_THREADS", "EN_MEMORY"))
                ends.add(ended.status)
        for mib in (345, 365, 385, 400, 410, 450, 700):
            with self.subTest("build", mib=mib):
                folder = hostile.fresh_folder("no-memory")
                ended = build(folder, limit=(resource.RLIMIT_AS, mib * MIB))
                self.check(ended, ("RT_MEMORY", "RT_THREADS", "CG_LINK"))
                self.assertEqual([path.name for path in folder.iterdir()], ["e.bin"] if ended.status == 0 else [])
                ends.add(ended.status)
        self.assertIn(69, ends, "the limits above bind nobody any more: lower them")


if __name__ == "__main__":
    unittest.main()
