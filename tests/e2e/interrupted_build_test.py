"""Builds that are stopped, killed, raced or out of space: the output is old, absent or complete, and nothing stays behind."""

import contextlib
import hashlib
import os
import pathlib
import random
import resource
import shutil
import signal
import subprocess
import time
import unittest

import engine
import hostile
import smollm2

FLAGS = ("--cpu-levels", "x86-64-v3", "--force", "--quiet")


def start(output, *flags, model=None, cwd=None):
    command = [str(engine.BIN / "llmc"), "build", str(model or hostile.model_path()), "-o", str(output), *FLAGS, *map(str, flags)]
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, cwd=cwd)


def digest(path) -> str:
    return hashlib.sha256(pathlib.Path(path).read_bytes()).hexdigest()


def build_seconds() -> float:
    begin = time.monotonic()
    child = start(hostile.fresh_folder("timed") / "engine.bin")
    child.wait()
    child.stderr.close()
    return time.monotonic() - begin


@unittest.skipUnless(engine.have_binaries(), f"no llmc and llmc-run in {engine.BIN}")
class Interrupted(unittest.TestCase):
    second_chance = True  # has to catch builds in the middle on a shared machine

    def whole(self) -> str:
        return digest(engine.build(hostile.model_path(), *FLAGS[:2]))

    def stopped(self, number, count: int, seed: int, beside: bool = False):
        """Starts builds over an old file and signals each at another time. Yields (child's status, folder, output, stderr).
        beside: with remarks and dumps, which every second build finds a folder for."""
        seconds, choice = build_seconds(), random.Random(seed)
        for turn in range(count):
            folder = hostile.fresh_folder("stopped")
            output = folder / "engine.bin"
            output.write_bytes(hostile.OLD)
            if beside and turn % 4 < 2:
                (folder / "dumps").mkdir()
                (folder / "dumps" / "notes").write_bytes(hostile.OLD)
            child = start(output, *(["--remarks", folder / "remarks", "--print-ir-after=all", "--dump-dir", folder / "dumps"] if beside else []))
            # Half of them near the end, where the file is written.
            time.sleep(choice.uniform(0.02, seconds) if turn % 2 else choice.uniform(0.8, 1.05) * seconds)
            child.send_signal(number)
            status = child.wait(timeout=20)
            err = child.stderr.read()
            child.stderr.close()
            yield status, folder, output, err

    def test_ctrl_c_and_its_kin_at_random_times(self):
        ended, stopped_dumps = set(), 0
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            for status, folder, output, err in self.stopped(number, 8, int(number), beside=True):
                # The first milliseconds, before the handler is there, end by the signal itself.
                self.assertIn(status, (0, 128 + number, -number), err)
                ended.add(status)
                if (folder / "remarks").exists() and status != -number:  # they are written whole before the engine gets its name
                    self.assertGreater((folder / "remarks").stat().st_size, 0, f"after signal {number}")
                self.assertEqual(set(os.listdir(folder)) - {"remarks", "dumps"}, {"engine.bin"}, f"left behind after signal {number}")
                content = output.read_bytes()
                if content == hostile.OLD and status != -number:
                    left = [p.name for p in (folder / "dumps").glob("**/*")]
                    self.assertIn(left, ([], ["notes"]), f"dumps left behind after signal {number}")
                    self.assertEqual((folder / "dumps").exists(), bool(left))
                    stopped_dumps += status == 128 + number
                if status == 0:
                    self.assertEqual(hashlib.sha256(content).hexdigest(), self.whole())
                elif content != hostile.OLD:  # the signal came after the rename
                    self.assertEqual(hashlib.sha256(content).hexdigest(), self.whole())
        self.assertIn(128 + signal.SIGINT, ended, "no build was caught in the middle")
        self.assertGreater(stopped_dumps, 0)

    def test_ctrl_c_right_after_a_dump_takes_it_along(self):
        for mine in (False, True):
            folder = hostile.fresh_folder("stopped")
            dumps = folder / "deep" / "dumps"
            if mine:
                dumps.mkdir(parents=True)
            child = start(folder / "engine.bin", "--print-ir-after=all", "--dump-dir", dumps)
            until = time.monotonic() + 30
            while time.monotonic() < until and child.poll() is None and not list(dumps.glob("*.mlir")):
                time.sleep(0.001)
            child.send_signal(signal.SIGINT)
            self.assertEqual(child.wait(timeout=20), 128 + signal.SIGINT, child.stderr.read())
            child.stderr.close()
            self.assertEqual([p.relative_to(folder) for p in folder.rglob("*")], [dumps.parent.relative_to(folder), dumps.relative_to(folder)] if mine else [])

    def test_kill_9_at_random_times_and_the_next_run_reclaims(self):
        for status, folder, output, err in self.stopped(signal.SIGKILL, 10, 9):
            self.assertIn(status, (0, -signal.SIGKILL), err)
            content = output.read_bytes()
            if content != hostile.OLD:
                self.assertEqual(hashlib.sha256(content).hexdigest(), self.whole())
            if len(os.listdir(folder)) > 1:
                self.assertEqual(start(output).wait(timeout=60), 0)
                self.assertEqual(os.listdir(folder), ["engine.bin"])
        # Whatever the luck above: a temporary file of a dead run, made by hand, and one that is no file of ours.
        folder = hostile.fresh_folder("stopped")
        (folder / ".engine.bin.tmp-999999-0").write_bytes(b"part")
        (folder / ".other.bin.tmp-999999-0").write_bytes(b"of another output")
        self.assertEqual(start(folder / "engine.bin").wait(timeout=60), 0)
        self.assertEqual(sorted(os.listdir(folder)), [".other.bin.tmp-999999-0", "engine.bin"])

    def test_two_builds_to_one_output(self):
        a = self.whole()
        b = digest(engine.build(hostile.model_path(), *FLAGS[:2], "--activations", "f32"))
        for turn in range(2):
            folder = hostile.fresh_folder("raced")
            output = folder / "engine.bin"
            children = [start(output), start(output), start(output, "--activations", "f32"), start(output)]
            for child in children:
                self.assertEqual(child.wait(timeout=120), 0, child.stderr.read())
                child.stderr.close()
            self.assertEqual(os.listdir(folder), ["engine.bin"])
            self.assertIn(digest(output), (a, b))

    def test_two_builds_to_one_output_many_times(self):
        """As many as fit in 12 s (or LLMC_RACES), five at least, with starts a little apart, over nothing and over an old engine; each second one with a reader."""
        model, flags = hostile.model_path(hostile.GGUF), ("--quality", "off", "--jobs", 1)
        folder, choice, wanted = hostile.fresh_folder("races"), random.Random(50), digest(engine.build(model, *FLAGS[:2], *flags))
        asked, until = int(os.environ.get("LLMC_RACES", 0)), time.monotonic() + 12
        output, races = folder / "engine.bin", 0
        while races < (asked or 5) or (not asked and time.monotonic() < until):
            if races % 3 == 0:
                output.unlink(missing_ok=True)
            first = start(output, *flags, model=model)
            time.sleep(choice.uniform(0, 0.02))
            second = start(output, *flags, model=model)
            while races % 2 and first.poll() is None:  # whoever reads meets one whole engine, too
                with contextlib.suppress(FileNotFoundError):
                    self.assertEqual(digest(output), wanted, f"in race {races}")
                time.sleep(0.002)
            for child in (first, second):
                self.assertEqual(child.wait(timeout=120), 0, child.stderr.read())
                child.stderr.close()
            self.assertEqual(os.listdir(folder), ["engine.bin"], f"after race {races}")
            self.assertEqual(digest(output), wanted, f"after race {races}")
            races += 1

    def test_equal_bytes_from_equal_input(self):
        """Jobs, folder, name, time and locale of the build, and the place of the model, leave no trace."""
        first = hostile.fresh_folder("same")
        elsewhere = first / "deeper" / "folder"
        name = hostile.model_path().name  # which the engine shows; it is part of the input
        shutil.copytree(hostile.model_path(), elsewhere / name)
        outputs = [(first / "a.bin", ("--jobs", 1), {}), (elsewhere / "named-otherwise", ("--jobs", 4), {"LC_ALL": "C", "TZ": "Asia/Tokyo"}),
                   (first / "c.bin", ("--jobs", 3), {"HOME": "/", "USER": "nobody"}), (first / "a.bin", (), {})]
        # The first and the last level: what the others' code is made of is in them.
        levels, found = ("--cpu-levels", "x86-64-v3,x86-64-v4-vnni-bf16"), set()
        for output, flags, env in outputs:
            ended = hostile.run("llmc", "build", hostile.model_path(), "-o", output, "--force", "--quiet", *levels, *flags, env=env)
            self.assertEqual(ended.status, 0, ended.err)
            found.add(digest(output))
        ended = hostile.run("llmc", "build", name, "-o", "relative.bin", "--quiet", *levels, cwd=elsewhere)
        self.assertEqual(ended.status, 0, ended.err)
        found.add(digest(elsewhere / "relative.bin"))
        self.assertEqual(len(found), 1)

    def test_a_model_that_changes_during_the_build(self):
        model = hostile.model_copy()
        output = hostile.fresh_folder("out") / "engine.bin"
        child = start(output, model=model)
        time.sleep(0.15)  # imported, not yet packed
        os.truncate(model / "model.safetensors", 5000)
        status, err = child.wait(timeout=60), child.stderr.read().decode()
        child.stderr.close()
        self.assertIn(status, (0, 65), err)
        if status == 65:
            self.assertRegex(err, r"error\[(IX_CHANGED|ST_TRUNCATED)\] \S+/model.safetensors")
            self.assertEqual(os.listdir(output.parent), [])


@unittest.skipUnless(engine.have_binaries(), f"no llmc and llmc-run in {engine.BIN}")
class Outputs(unittest.TestCase):
    def refused(self, output, status, code, names=(), flags=(), cpu=30.0, **how):
        ended = hostile.run("llmc", "build", hostile.model_path(), "-o", output, "--quiet", "--cpu-levels", "x86-64-v3", *flags, **how)
        hostile.check_refusal(self, ended, status, code, names, cpu)

    def test_places_that_cannot_be_written(self):
        """Said at once, not after the work."""
        folder = hostile.fresh_folder("out")
        (folder / "file").write_bytes(hostile.OLD)
        self.refused(folder, 64, "OUT_EXISTS", [folder.name], cpu=0.5)
        self.refused("/dev/full", 64, "OUT_EXISTS", ["/dev/full"], cpu=0.5)
        self.refused(folder / "none" / "engine.bin", 74, "OUT_IO", ["none"], cpu=0.5)
        self.refused(folder / "file" / "engine.bin", 74, "OUT_IO", ["file"], cpu=0.5)
        self.refused("", 64, "OUT_PATH", cpu=0.5)
        self.refused(f"{folder}/new/", 64, "OUT_PATH", ["new"], cpu=0.5)
        self.refused(folder / ("n" * 300), 64, "OUT_PATH", ["nnn"], cpu=0.5)
        self.assertEqual(os.listdir(folder), ["file"])

    def test_a_file_that_is_no_engine_stays_without_force(self):
        folder = hostile.fresh_folder("out")
        (folder / "thesis.txt").write_bytes(hostile.OLD)
        self.refused(folder / "thesis.txt", 64, "OUT_EXISTS", ["thesis.txt", "--force"], cpu=0.5)
        self.assertEqual((folder / "thesis.txt").read_bytes(), hostile.OLD)

    def test_an_engine_is_replaced_without_force(self):
        out = hostile.fresh_folder("out") / "engine.bin"
        shutil.copy(engine.build(hostile.model_path(), *FLAGS[:2]), out)
        ended = hostile.run("llmc", "build", hostile.model_path(), "-o", out, "--quiet", "--cpu-levels", "x86-64-v3")
        self.assertEqual(ended.status, 0, ended.err)

    def test_a_folder_without_write_permission(self):
        folder = hostile.fresh_folder("out")
        folder.chmod(0o555)
        try:
            if os.access(folder, os.W_OK):
                # root may write anywhere: run as somebody else, who has to reach binaries and model all the same
                if subprocess.run(["setpriv", "--version"], capture_output=True).returncode != 0:
                    self.skipTest("running as root, and there is no setpriv to become somebody else")
                engine.work_dir().chmod(0o755)
                command = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", str(engine.BIN / "llmc"), "build",
                           str(hostile.model_path()), "-o", str(folder / "engine.bin"), *FLAGS]
            else:
                command = [str(engine.BIN / "llmc"), "build", str(hostile.model_path()), "-o", str(folder / "engine.bin"), *FLAGS]
            done = subprocess.run(command, capture_output=True, timeout=60)
            self.assertEqual(done.returncode, 77, done.stderr)
            self.assertIn(b"error[OUT_IO]", done.stderr)
            self.assertEqual(os.listdir(folder), [])
        finally:
            folder.chmod(0o755)

    def test_a_file_size_limit(self):
        """RLIMIT_FSIZE stands for a full disk: the write fails with EFBIG, and SIGXFSZ must not end the process."""
        for limit in (500_000, 2_200_000, 4_000_000):
            with self.subTest(limit=limit):
                folder = hostile.fresh_folder("out")
                (folder / "engine.bin").write_bytes(hostile.OLD)
                self.refused(folder / "engine.bin", 74, "OUT_IO", ["engine.bin", "old output is intact"], ("--force",),
                             limit=(resource.RLIMIT_FSIZE, limit))
                self.assertEqual(os.listdir(folder), ["engine.bin"])
                self.assertEqual((folder / "engine.bin").read_bytes(), hostile.OLD)

    def test_a_full_disk(self):
        """A small tmpfs in a mount namespace of its own."""
        folder = hostile.fresh_folder("disk")
        script = ('mount -t tmpfs -o size=1m tmpfs "$1" && echo old > "$1/engine.bin" && '
                  '{ "$2" build "$3" -o "$1/engine.bin" --force --quiet --cpu-levels x86-64-v3; echo "status $?"; ls -A "$1"; cat "$1/engine.bin"; }')
        done = subprocess.run(["unshare", "-m", "sh", "-c", script, "sh", str(folder), str(engine.BIN / "llmc"), str(hostile.model_path())],
                              capture_output=True, timeout=60)
        if b"status" not in done.stdout:
            self.skipTest(f"no tmpfs can be mounted here: {done.stderr.decode().strip()[:100]}")
        self.assertEqual(done.stdout, b"status 74\nengine.bin\nold\n", done.stderr)
        self.assertRegex(done.stderr.decode(), r"error\[OUT_IO\] .*No space left on device; free space")

    def test_a_full_disk_is_told_of_remarks_before_code_is_made(self):
        """Remarks of more than a page that replace a text: room is reserved when the passes have run, and the text is as it was."""
        folder = hostile.fresh_folder("disk")
        script = ('mount -t tmpfs -o size=8k tmpfs "$1" && cd "$1" && echo old > remarks.txt && { head -c 8192 /dev/zero > rest || true; } 2> /dev/null && '
                  '{ "$2" build "$3" -o "$4" --cpu-levels x86-64-v3 --remarks remarks.txt; echo "status $?"; ls; cat remarks.txt; }')
        output = hostile.fresh_folder("out") / "engine.bin"
        done = subprocess.run(["unshare", "-m", "sh", "-c", script, "sh", folder, engine.BIN / "llmc", smollm2.gguf(), output],
                              capture_output=True, timeout=60)
        if b"status" not in done.stdout:
            self.skipTest(f"no tmpfs can be mounted here: {done.stderr.decode().strip()[:100]}")
        self.assertEqual(done.stdout, b"status 74\nremarks.txt\nrest\nold\n", done.stderr)
        self.assertRegex(done.stderr.decode(), r"error\[OUT_IO\] cannot write remarks.txt: No space left on device")
        self.assertNotIn(b"code generation", done.stderr)
        self.assertEqual(os.listdir(output.parent), [])

    def test_remarks_and_dumps_that_cannot_be_written(self):
        folder = hostile.fresh_folder("out")
        self.refused(folder / "engine.bin", 74, "OUT_IO", ["none"], ("--remarks", folder / "none" / "remarks.txt"))
        self.refused(folder / "engine.bin", 74, "OUT_IO", ["/dev/full"], ("--remarks", "/dev/full"))
        (folder / "file").touch()
        self.refused(folder / "engine.bin", 74, "OUT_IO", ["file"], ("--print-ir-after", "all", "--dump-dir", folder / "file"))

    def test_dumps_that_a_full_disk_cuts_are_removed(self):
        """RLIMIT_FSIZE again: the first dump that is larger ends the build, and what the build made goes with it."""
        flags = ("--print-ir-after", "all", "--dump-dir")
        for stop in ((), ("--stop-after", "plan")):
            folder = hostile.fresh_folder("out")
            self.refused(folder / "engine.bin", 74, "OUT_IO", ["dumps/deep", ".mlir", "free space or name another --dump-dir"],
                         (*flags, folder / "dumps" / "deep", *stop), limit=(resource.RLIMIT_FSIZE, 3000))
            self.assertEqual(os.listdir(folder), [])
        (folder / "dumps").mkdir()
        (folder / "dumps" / "notes.txt").write_bytes(hostile.OLD)
        self.refused(folder / "engine.bin", 74, "OUT_IO", ["dumps"], (*flags, folder / "dumps"), limit=(resource.RLIMIT_FSIZE, 3000))
        self.assertEqual([p.name for p in folder.rglob("*")], ["dumps", "notes.txt"])

    def test_dumps_of_a_build_that_fails_otherwise_stay(self):
        """Of room for the weights, but not for all that comes after the code; then of none for the weights."""
        folder, whole = hostile.fresh_folder("out"), engine.build(hostile.model_path(), *FLAGS[:2]).stat().st_size
        self.refused(folder / "engine.bin", 74, "OUT_IO", ["engine.bin", "raise the file size limit"],
                     ("--dump-dir", folder / "dumps", "--quality", "off"), limit=(resource.RLIMIT_FSIZE, whole - 4096))
        self.assertEqual(os.listdir(folder), ["dumps"])
        self.assertTrue(list((folder / "dumps" / "kernels-x86-64-v3").glob("*.s")))
        self.refused(folder / "engine.bin", 74, "OUT_IO", ["engine.bin"], ("--dump-dir", folder / "none"), limit=(resource.RLIMIT_FSIZE, 1_000_000))
        self.assertEqual(os.listdir(folder), ["dumps"])

    def test_an_output_that_was_not_there_is_not_called_intact(self):
        folder = hostile.fresh_folder("out")
        ended = hostile.run("llmc", "build", hostile.model_path(), "-o", folder / "engine.bin", *FLAGS, limit=(resource.RLIMIT_FSIZE, 500_000))
        hostile.check_refusal(self, ended, 74, "OUT_IO", ["engine.bin", "raise the file size limit"], 30.0)
        self.assertNotIn("intact", ended.err)
        self.assertEqual(os.listdir(folder), [])

    def test_a_link_stays_a_link(self):
        folder = hostile.fresh_folder("out")
        (folder / "real").mkdir()
        (folder / "engine.bin").symlink_to(folder / "real" / "target.bin")
        ended = hostile.run("llmc", "build", hostile.model_path(), "-o", folder / "engine.bin", "--quiet", "--cpu-levels", "x86-64-v3")
        self.assertEqual(ended.status, 0, ended.err)
        self.assertTrue((folder / "engine.bin").is_symlink())
        self.assertEqual(os.listdir(folder / "real"), ["target.bin"])


if __name__ == "__main__":
    unittest.main()
