"""The page of GET / in a headless Chromium: by keyboard, hostile answers, settings, live numbers, keys, faults, delivery."""

import json
import time
import unittest
import urllib.error
import urllib.request

import browser
from browser import SHIFT
from page_case import BUSY, DONE, READY, PageCase


class Talking(PageCase):
    def test_by_keyboard_alone(self):
        self.say("word " * 150)
        page = self.open()
        page.type("first line")
        page.press("Enter", SHIFT)
        page.type("second line")
        self.assertEqual(page.run("document.activeElement.value"), "first line\nsecond line")
        page.press("Enter")
        page.until(f"{BUSY} && document.querySelector('.body').textContent.length > 20")
        self.assertLess(len(page.text(".body")), 700, "shown while it comes")
        self.assertEqual(page.run("document.querySelector('#send').getAttribute('aria-label')"), "Stop")
        page.until(DONE)
        self.assertEqual(page.text(".bubble"), "first line\nsecond line")
        self.assertEqual(page.text(".body").split(), ["word"] * 150)
        self.assertRegex(page.text(".facts"), r"751 tokens · \d+ tokens/s · first after [\d.]+ m?s")
        self.assertIn("word word", page.text("#say"), "read out")
        asked = json.loads(page.requests[-1]["postData"]) if page.requests[-1]["method"] == "POST" else self.last_body(page)
        self.assertEqual(asked["messages"], [{"role": "user", "content": "first line\nsecond line"}])
        page.type("again")
        page.press("Enter")
        page.until("document.querySelectorAll('.answer').length == 2")
        page.until(f"!{BUSY}")
        self.assertEqual([m["role"] for m in self.last_body(page)["messages"]], ["user", "assistant", "user"])

    def last_body(self, page):
        return json.loads([r for r in page.requests if r["method"] == "POST"][-1]["postData"])

    def test_stop_again_and_a_new_chat(self):
        self.say("x " * 3000)
        page = self.open()
        page.type("Go on")
        page.press("Enter")
        page.until("document.querySelector('.body')?.textContent.length > 50")
        page.press("Escape")
        page.until(DONE)
        self.assertIn("stopped", page.text(".facts"))
        self.assertLess(len(page.text(".body")), 5000)
        end = time.monotonic() + 5
        while self.server.metric("vllm:num_requests_running") and time.monotonic() < end:
            time.sleep(0.02)
        self.assertEqual(self.server.metric("vllm:num_requests_running"), 0, "the server stopped too")
        self.say("short")
        page.click(".again")
        page.until(f"document.querySelector('.body')?.textContent === 'short' && {DONE}")
        self.assertEqual(page.run("document.querySelectorAll('.messages > li').length"), 2)
        page.call("Page.reload")
        page.until(f"document.querySelector('.body')?.textContent === 'short' && {READY}")
        page.click("#new")
        page.until("document.querySelector('#welcome').checkVisibility()")
        self.assertEqual(page.run("document.querySelectorAll('.messages > li').length"), 0)

    def test_settings_reach_the_request(self):
        page = self.open()
        self.ask(page)
        plain = self.last_body(page)
        self.assertEqual(set(plain), {"model", "messages", "stream", "stream_options"}, "what is not set is not sent")
        page.click("#tab-settings")
        values = {"system": "Be brief.", "temperature": "0.25", "top_p": "0.9", "min_p": "0.05", "top_k": "40", "max_tokens": "12", "seed": "7", "stop": "END\n\\n\\n"}
        for name, value in values.items():
            page.click(f"#set-{name}")
            page.type(value)
        self.assertEqual(page.run("document.querySelector('[type=range]').value"), "0.25", "slider and field agree")
        page.click("#input")
        self.ask(page)
        body = self.last_body(page)
        self.assertEqual(body["messages"][0], {"role": "system", "content": "Be brief."})
        wanted = {"temperature": 0.25, "top_p": 0.9, "min_p": 0.05, "top_k": 40, "max_tokens": 12, "seed": 7, "stop": ["END", "\n\n"]}
        self.assertEqual({name: body[name] for name in wanted}, wanted)
        self.assertIn("12 tokens", page.text(".answer:last-child .facts"))
        self.assertIn("ended at the most tokens", page.text(".answer:last-child .facts"))
        sent = len(page.requests)
        page.run("document.querySelector('#set-temperature').select()")
        page.type("9")
        page.click("#input")
        page.type("no")
        page.press("Enter")
        page.until("document.querySelector('.fault')")
        self.assertEqual(page.text(".fault strong"), "Temperature is out of range")
        self.assertFalse([r for r in page.requests[sent:] if r["method"] == "POST"])
        page.click("#reset")
        self.assertEqual(page.run("document.querySelector('#set-temperature').value"), "")


class Hostile(PageCase):
    flags = ("--step-us", 0)
    ATTEMPTS = [
        "<script>window.hacked = 1</script>", "<img src=x onerror='window.hacked = 1'>", "<svg/onload=window.hacked=1>",
        "[click](javascript:window.hacked=1)", "[click](JaVaScRiPt:window.hacked=1)", "[c](\x01javascript:window.hacked=1)",
        "[c](data:text/html,<script>window.hacked=1</script>)", "[c](vbscript:x)", "[c](file:///etc/passwd)", "[c](//evil.example)",
        "<javascript:window.hacked=1>", "![x](javascript:window.hacked=1)", "![pixel](https://evil.example/p.png)",
        '[a](https://e.org/"onmouseover="window.hacked=1)', "```<img src=x onerror=window.hacked=1>\n<b>\n```", "`<iframe src=javascript:window.hacked=1>`",
        "| <script>window.hacked=1</script> | b |\n| - | - |\n| <a href='javascript:1'>x</a> | <form action=//evil.example> |",
        "<style>body{display:none}</style>", "<meta http-equiv=refresh content='0;url=//evil.example'>", "<base href=//evil.example>",
        "[x]: javascript:window.hacked=1\n\n[x]", "&lt;script&gt;", "<a href='https://e.org' target=_self>x</a>", "<input autofocus onfocus=window.hacked=1>",
        "<!--><script>window.hacked=1</script>-->", "</li></ol></main><script>window.hacked=1</script>", "\u202egnp.exe",
    ]
    KNOWN = {"P", "A", "CODE", "PRE", "FIGURE", "FIGCAPTION", "SPAN", "BUTTON", "svg", "use", "DIV", "TABLE", "THEAD", "TBODY", "TR", "TH", "TD", "BR", "UL", "LI"}

    def test_nothing_in_an_answer_is_more_than_text(self):
        self.say("\n\n".join(self.ATTEMPTS))
        page = self.open()
        self.ask(page)
        time.sleep(0.3)
        self.assertIsNone(page.run("window.hacked ?? null"))
        tags = set(page.run("[...document.querySelectorAll('.body *')].map((e) => e.tagName)"))
        self.assertLessEqual(tags, self.KNOWN)
        text = page.text(".body")
        for raw in self.ATTEMPTS[:3] + self.ATTEMPTS[17:20] + self.ATTEMPTS[-5:]:
            self.assertIn(raw, text)
        links = page.run("[...document.querySelectorAll('.body a')].map((a) => [a.protocol, a.rel, a.target, a.getAttributeNames().length])")
        self.assertTrue(links)
        for protocol, rel, target, attributes in links:
            self.assertIn(protocol, ("https:", "http:"))
            self.assertIn("noopener", rel.split())
            self.assertEqual((target, attributes), ("_blank", 3))
        self.assertEqual(page.run("location.pathname"), "/")
        foreign = [r["url"] for r in page.requests if not r["url"].startswith((self.server.url, "data:"))]
        self.assertEqual(foreign, [], "nothing is fetched from elsewhere")

    def test_the_policy_holds_when_our_code_would_not(self):
        """The needle: markup that does get into the document must not run."""
        self.expected_errors = ("Content Security Policy", "This document requires 'Trusted")
        page = self.open()
        for attempt in ("document.body.innerHTML += '<img src=x>'", "document.body.setAttribute('onclick', 'window.hacked = 1')",
                        "eval('window.hacked = 1')", "new Function('window.hacked = 1')()"):
            with self.assertRaises(browser.BrowserError, msg=attempt):
                page.run(attempt)
        page.run("""(() => { const s = document.createElement('script'); s.append('window.hacked = 1'); document.body.append(s);
            fetch('https://example.org/').catch(() => window.refused = true); })()""")
        page.until("window.refused")
        self.assertIsNone(page.run("window.hacked ?? null"))

    def test_long_and_deep_answers_stay_quick(self):
        page = self.open()
        for name, text in {"quotes": ">" * 20000, "lists": "\n".join("  " * i + "- x" for i in range(400)), "stars": "*a _b " * 20000, "brackets": "[" * 50000,
                           "ticks": " ".join("`" * (i % 300) for i in range(2000)), "pipes": "|" * 20000 + "\n" + "|-" * 20000, "open": "[a](" * 20000,
                           "links": "https://" * 10000, "lines": "line\n" * 20000, "hashes": "#" * 50000 + " " * 50000 + "#"}.items():
            spent = page.run(f"(() => {{ const t = performance.now(); Markdown.nodes({json.dumps(text)}); return performance.now() - t; }})()")
            self.assertLess(spent, 2000, name)


class LivePanel(PageCase):
    def test_numbers_move_only_while_they_are_seen(self):
        self.say("w " * 1200)
        page = self.open()
        page.until("document.querySelector('#live .tile b').textContent === '0'")
        page.type("Go")
        page.press("Enter")
        first = "document.querySelectorAll('#live .tile b')"
        page.until(f"{first}[0].textContent === '1' && Number({first}[2].textContent) > 50")
        self.assertEqual(page.text("#health span"), "1 running")
        page.until(DONE, 30)
        page.until(f"{first}[0].textContent === '0' && document.querySelector('#live-note').textContent.startsWith('1 answer and 2,401 tokens')")
        self.assertRegex(page.text("#live .tile.wide .note"), r"^mean [\d.]+ m?s of 1 answer$")
        self.assertRegex(page.run("document.querySelectorAll('.tile.wide b')[3].textContent"), r"^(< 10|\d+) ms$")
        page.until("document.querySelector('.tile .line').getAttribute('d').split('L').length > 2")
        self.assertIn("now running 0", page.run("document.querySelector('.chart').getAttribute('aria-label')"))

        polls = lambda: sum(r["url"].endswith("/metrics") for r in page.requests)
        page.run("Object.defineProperty(document, 'visibilityState', {value: 'hidden', configurable: true}); document.dispatchEvent(new Event('visibilitychange'))")
        time.sleep(0.5)  # one may be on its way
        before = polls()
        time.sleep(2.2)
        self.assertEqual(polls(), before)
        page.run("delete document.visibilityState; document.dispatchEvent(new Event('visibilitychange'))")
        time.sleep(2.2)
        self.assertIn(polls() - before, (2, 3))

    def test_percentiles_are_those_of_prometheus(self):
        """histogram_quantile's definition, on a text of its own."""
        bounds = [(0.01, 0), (0.1, 50), (1, 90), (10, 99), ("+Inf", 100)]
        text = "# HELP x y\n" + "".join(f'vllm:t_bucket{{engine="0",le="{b}"}} {c}\n' for b, c in bounds) + 'vllm:t_count{engine="0"} 100\nvllm:t_sum{engine="0"} 70\n'
        page = self.open()
        got = page.run(f"""(() => {{ const g = new HistogramGrowth(new Snapshot("", 0), new Snapshot({json.dumps(text)}, 1), "t");
            return [g.quantile(0.5).value, g.quantile(0.9).value, g.quantile(0.95).value, g.quantile(0.995).above, g.mean]; }})()""")
        self.assertEqual(got[0], 0.1)
        self.assertAlmostEqual(got[1], 1)
        self.assertAlmostEqual(got[2], 1 + 9 * 5 / 9)
        self.assertEqual(got[3:], [True, 0.7])


class Keys(PageCase):
    flags = ("--step-us", 1000, "--api-key", "right-key")
    expected_errors = ("status of 401",)

    def test_a_key_is_asked_for_and_stays_in_the_tab(self):
        page = self.open(ready="document.querySelector('#lock').checkVisibility()")
        self.assertEqual(page.text("#health span"), "needs a key")
        self.assertTrue(page.run("document.querySelector('#send').disabled"))
        self.assertEqual(page.run("document.activeElement.id"), "key")
        page.type("wrong-key")
        page.press("Enter")
        page.until("document.querySelector('#lock-text').textContent.includes('not one of')")
        asked = len(page.requests)
        time.sleep(1.5)
        self.assertEqual(len(page.requests), asked, "a server that refuses is left in peace")
        page.type("right-key")
        page.press("Enter")
        page.until(READY)
        self.assertFalse(page.run("document.querySelector('#lock').checkVisibility()"))
        self.ask(page)
        self.assertEqual(page.text(".body"), "Hello from the model.")
        self.assertIn("right-key", page.run("JSON.stringify({...sessionStorage})"))
        self.assertNotIn("right-key", page.run("JSON.stringify({...localStorage}) + document.cookie + location.href"))
        page.call("Page.reload")
        page.until(f"{READY} && document.querySelector('.answer')")
        page.click("#tab-settings")
        page.click("#forget")
        page.until("document.querySelector('#lock').checkVisibility()")
        self.assertNotIn("right-key", page.run("JSON.stringify({...sessionStorage})"))


class Faults(PageCase):
    flags = ("--context", 2000, "--max-running", 1, "--max-queue", 0, "--step-us", 2000)
    expected_errors = ("status of 4", "ERR_CONNECTION_REFUSED", "ERR_INCOMPLETE_CHUNKED", "ERR_EMPTY_RESPONSE", "ERR_CONNECTION_RESET", "ERR_ABORTED")

    def test_errors_are_words(self):
        page = self.open()
        page.type("x" * 3000)
        page.press("Enter")
        page.until("document.querySelector('.fault')")
        self.assertEqual(page.text(".fault strong"), "The conversation no longer fits the model's context")
        self.assertEqual(page.run("document.querySelector('.fault').getAttribute('role')"), "alert")
        page.click("#new")
        self.say("y " * 700)
        first = self.open()
        first.type("Hold the only place")
        first.press("Enter")
        first.until(BUSY)
        page.type("Is there room?")
        page.press("Enter")
        page.until("document.querySelector('.fault')")
        self.assertEqual(page.text(".fault strong"), "The server is full at the moment")
        self.assertRegex(page.text(".fault p"), r"Try again in \d+ s\.")
        first.until(f"!{BUSY}")
        self.say("now there is")
        page.click(".again")
        page.until(f"document.querySelector('.body').textContent === 'now there is' && {DONE}")
        self.say("z " * 900)
        page.type("And now?")
        page.press("Enter")
        page.until("document.querySelector('.answer:last-child .body').textContent.length > 50")
        self.server.child.kill()
        page.until("document.querySelector('.fault')")
        self.assertEqual(page.text(".fault strong"), "The connection broke before the answer's end")
        self.assertGreater(len(page.text(".answer:last-child .body")), 50, "what came is kept")
        page.until("document.querySelector('#health').dataset.state === 'down'")
        page.click(".again")
        page.until("document.querySelector('.fault strong')?.textContent === 'The server cannot be reached'")


class Delivery(PageCase):
    flags = ("--api-key", "k")

    def fetch(self, method="GET", **headers):
        try:
            with urllib.request.urlopen(urllib.request.Request(self.server.url + "/", headers=headers, method=method), timeout=10) as reply:
                return reply.status, reply.headers, reply.read()
        except urllib.error.HTTPError as error:
            return error.code, error.headers, error.read()

    def test_without_a_key_and_cheaply_again(self):
        status, headers, body = self.fetch()
        self.assertEqual((status, headers["Content-Type"], headers["Cache-Control"]), (200, "text/html; charset=utf-8", "no-cache"))
        self.assertNotIn("unsafe", headers["Content-Security-Policy"])
        self.assertNotRegex(body.decode(), r'(src|href)="(?!#|data:)', "no file but this one")
        status, head, nothing = self.fetch("HEAD")
        self.assertEqual((status, nothing, int(head["Content-Length"]), head["ETag"]), (200, b"", len(body), headers["ETag"]))
        status, again, nothing = self.fetch(**{"If-None-Match": headers["ETag"]})
        self.assertEqual((status, nothing, again["ETag"], again["Content-Length"]), (304, b"", headers["ETag"], None))
        self.assertEqual(self.fetch(**{"If-None-Match": '"other"'})[0], 200)
        self.assertEqual(self.fetch("DELETE")[0], 401)


if __name__ == "__main__":
    unittest.main()
