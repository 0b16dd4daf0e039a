"""`llmc-run --chat` on a terminal: answers, Ctrl-C, /reset, /exit, a cache kept from turn to turn, and no work while waiting."""

import os
import pty
import re
import select
import signal
import subprocess
import termios
import time
import unittest

import engine
import hostile
from commands_test import cpu_ticks

LONG = ("--max-tokens", "1200", "--ignore-eos", "--temperature", "0")


class Chat:
    """A chat in a session of its own whose terminal is a pty: Ctrl-C typed there becomes a signal."""

    def __init__(self, *flags):
        path = engine.build(hostile.model_path(), "--cpu-levels", "x86-64-v3")
        self.main, side = pty.openpty()
        self.text = b""

        def lead():
            os.setsid()
            import fcntl

            fcntl.ioctl(0, termios.TIOCSCTTY, 0)

        command = [str(engine.BIN / "llmc-run"), str(path), "--chat", *flags]
        self.child = subprocess.Popen(command, stdin=side, stdout=side, stderr=side, preexec_fn=lead)
        os.close(side)

    def __enter__(self):
        self.wait_for(rb"> $")
        return self

    def __exit__(self, *_):
        if self.child.poll() is None:
            self.child.kill()
        self.child.wait()
        os.close(self.main)

    def read(self, seconds: float) -> bool:
        if not select.select([self.main], [], [], seconds)[0]:
            return False
        try:
            self.text += os.read(self.main, 65536)
        except OSError:  # the other side is gone
            return False
        return True

    def plain(self) -> bytes:
        return re.sub(rb"\x1b\[[0-9;?]*[A-Za-z]|\r", b"", self.text)

    def wait_for(self, pattern: bytes, seconds: float = 30) -> bytes:
        """What came until the pattern stands there; forgets it."""
        end = time.monotonic() + seconds
        while not re.search(pattern, self.plain()):
            if time.monotonic() > end or (not self.read(0.2) and self.child.poll() is not None):
                raise AssertionError(f"{pattern!r} did not come; there is {self.plain()[-500:]!r}")
        found, self.text = self.plain(), b""
        return found

    def wait_for_editing(self, seconds: float = 30):
        """libedit draws the prompt and then takes the terminal's own editing away: Ctrl-D in between is none to either."""
        end = time.monotonic() + seconds
        while termios.tcgetattr(self.main)[3] & termios.ICANON and time.monotonic() < end:
            time.sleep(0.01)

    def type(self, text: str):
        os.write(self.main, text.encode())

    def ask(self, text: str) -> bytes:
        """The question as typed and the answer. What is typed while the prompt is being drawn is echoed twice."""
        self.type(text + "\n")
        line = text.encode() + b"\n"
        return line + self.wait_for(rb"\n> $").split(line)[-1]

    def ends(self, seconds: float = 10) -> int:
        end = time.monotonic() + seconds
        while self.child.poll() is None and time.monotonic() < end:
            self.read(0.1)
        return self.child.wait(timeout=1)


@unittest.skipUnless(engine.have_binaries(), f"no llmc and llmc-run in {engine.BIN}")
class ChatOnATerminal(unittest.TestCase):
    second_chance = True  # has to catch an answer in the middle on a shared machine, and counts ticks

    def test_answers_and_exit(self):
        with Chat("--max-tokens", "12", "--temperature", "0", "--ignore-eos") as chat:
            answer = chat.ask("In the beginning")
            self.assertGreater(len(answer), len(b"In the beginning\n> "))
            chat.type("/exit\n")
            self.assertEqual(chat.ends(), 0)

    def test_end_of_input_ends_it(self):
        with Chat() as chat:
            chat.wait_for_editing()
            chat.type("\x04")
            self.assertEqual(chat.ends(), 0)

    def test_ctrl_c_stops_the_answer_only(self):
        with Chat(*LONG) as chat:
            chat.type("In the beginning\n")
            end = time.monotonic() + 20
            while len(chat.text) < 60 and time.monotonic() < end:
                chat.read(0.1)
            chat.type("\x03")
            stopped = chat.wait_for(rb"\n> $", 5)
            self.assertIsNone(chat.child.poll(), "the program ended with the answer")
            self.assertLess(len(stopped), 5000)
            chat.type("/exit\n")
            self.assertEqual(chat.ends(), 0)

    def test_ctrl_c_at_the_prompt_keeps_the_program(self):
        with Chat("--max-tokens", "4", "--ignore-eos") as chat:
            chat.type("\x03")
            time.sleep(0.5)
            chat.read(0.5)
            self.assertIsNone(chat.child.poll(), "Ctrl-C at the prompt ended the program")
            chat.type("\n")
            chat.wait_for(rb"> $")
            chat.type("/exit\n")
            self.assertEqual(chat.ends(), 0)

    def test_reset_forgets(self):
        flags = ("--max-tokens", "16", "--temperature", "0", "--ignore-eos")
        with Chat(*flags) as chat:
            first = chat.ask("In the beginning")
            second = chat.ask("In the beginning")
            chat.type("/reset\n")
            chat.wait_for(rb"> $")
            again = chat.ask("In the beginning")
            self.assertEqual(first, again)
            self.assertNotEqual(first, second, "the second turn saw no first one")
            chat.type("/exit\n")
            self.assertEqual(chat.ends(), 0)

    def test_a_turn_equals_the_conversation_run_at_once(self):
        """The cache of the first turn, continued, must give the tokens that the whole text gives from an empty cache."""
        flags = ("--max-tokens", "3", "--temperature", "0", "--ignore-eos", "--repetition-penalty", "1")
        path = engine.build(hostile.model_path(), "--cpu-levels", "x86-64-v3")
        # The template trims, and a terminal shows only what is text: a random model needs some asking for both.
        asked = (f"{a} {b}" for a in ("And God", "In the", "Let there", "said", "waters") for b in ("light", "day", "earth", "heaven"))
        first = next(text for text in asked if engine.run_json(path, "--message", text, *flags)["text"].strip().isalnum())
        with Chat(*flags) as chat:
            answers = [chat.ask(text).split(b"\n", 1)[1].rsplit(b"\n> ", 1)[0].decode() for text in (first, "said")]
        text = (f"<|im_start|>user\n{first}<|im_end|>\n<|im_start|>assistant\n{answers[0].strip()}<|im_end|>\n"
                "<|im_start|>user\nsaid<|im_end|>\n<|im_start|>assistant\n")
        whole = engine.run_json(path, "--prompt", text, *flags)
        self.assertEqual(whole["text"].strip(), answers[1].strip())

    def test_a_message_longer_than_the_context_is_refused_and_forgotten(self):
        with Chat("--max-model-len", "64", "--max-tokens", "4", "--temperature", "0", "--ignore-eos") as chat:
            first = chat.ask("In")
            chat.type("/reset\n")
            chat.wait_for(rb"> $")
            self.assertIn(b"error[RT_CONTEXT]", chat.ask("word " * 150))
            self.assertEqual(chat.ask("In"), first)
            chat.type("/exit\n")
            self.assertEqual(chat.ends(), 0)

    def test_no_work_while_waiting(self):
        with Chat("--max-tokens", "8", "--ignore-eos") as chat:
            chat.ask("In")
            time.sleep(0.5)  # workers may spin a little after the last step
            before = cpu_ticks(chat.child.pid)
            time.sleep(3)
            self.assertLessEqual(cpu_ticks(chat.child.pid) - before, 1)  # a tick is 10 ms
            chat.type("/exit\n")
            self.assertEqual(chat.ends(), 0)

    def test_without_a_terminal(self):
        path = engine.build(hostile.model_path(), "--cpu-levels", "x86-64-v3")
        flags = ("--chat", "--max-tokens", "4", "--temperature", "0", "--ignore-eos")
        done = subprocess.run([str(engine.BIN / "llmc-run"), str(path), *flags], input=b"In\n/reset\nIn\n/exit\nnever\n", capture_output=True, timeout=60)
        self.assertEqual(done.returncode, 0, done.stderr)
        half = len(done.stdout) // 2
        self.assertEqual(done.stdout[:half], done.stdout[half:])
        done = subprocess.run([str(engine.BIN / "llmc-run"), str(path), *flags], input=b"In \xff\xfe\nIn", capture_output=True, timeout=60)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn(b"error[TK_UTF8]", done.stderr)
        alone = subprocess.run([str(engine.BIN / "llmc-run"), str(path), *flags], input=b"In\n", capture_output=True, timeout=60)
        self.assertEqual(done.stdout, alone.stdout)


if __name__ == "__main__":
    unittest.main()
