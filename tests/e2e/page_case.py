"""What the tests of the page share: one Chromium for all of them, a server and its words for each."""

import atexit
import functools
import pathlib
import tempfile
import unittest

import browser
import mock_server
from browser import Browser
from mock_server import MockServer

READY = "document.querySelector('.idea')?.disabled === false"
DONE = "document.querySelector('.answer:last-child[aria-busy=false] .facts')"
BUSY = "document.querySelector('.answer.running')"



@functools.cache
def chromium() -> Browser:
    """Started by the first test that needs it."""
    started = Browser().__enter__()
    atexit.register(started.__exit__)
    return started


@unittest.skipUnless(mock_server.PROGRAM.exists(), "needs llmc-mock-server")
@unittest.skipUnless(browser.PROGRAM, browser.MISSING)
class PageCase(unittest.TestCase):
    second_chance = True  # waits for a browser on a shared machine
    flags: tuple = ("--step-us", 2000)
    expected_errors: tuple = ()  # what a browser logs of answers that a test asks for

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.words = pathlib.Path(folder.name, "say")
        self.say("Hello from the model.")
        self.server = MockServer("--say", self.words, *self.flags)
        self.server.__enter__()
        self.addCleanup(self.server.__exit__)

    def say(self, text: str):
        self.words.write_text(text)

    def open(self, *size, dark=False, ready=READY):
        page = chromium().page(*size, dark=dark)
        self.addCleanup(page.__exit__)
        self.addCleanup(self.no_errors, page)
        page.open(self.server.url + "/")
        page.until(ready)
        return page

    def no_errors(self, page):
        unexpected = [e for e in page.errors if not any(part in e for part in self.expected_errors)]
        self.assertEqual(unexpected, [])

    def ask(self, page, text="Hi"):
        page.type(text)
        page.press("Enter")
        page.until(f"{DONE} && !{BUSY}")

