"""How the page looks and is operated: light and dark, contrast, widths, names for screen readers, focus."""

import time
import unittest

from page_case import READY, PageCase

WIDE = "A word " + "Donaudampfschifffahrt" * 20 + "\n\n```text\n" + "wide " * 80 + "\n```\n\n" + "|" + "column|" * 12 + "\n|" + "---|" * 12 + "\n"
RICH = "## Title\n\nText with **bold** and `code`.\n\n- one\n- two\n\n| a | b |\n| - | - |\n| 1 | 2 |\n\n> quoted\n\n```js\nlet x = 1;\n```\n\n[a link](https://example.org/x)\n"

# Relative luminance as WCAG 2 defines it, of every visible text against what is painted behind it.
CONTRAST = """(() => {
  const context = Object.assign(document.createElement("canvas"), {width: 1, height: 1}).getContext("2d", {willReadFrequently: true});
  const rgba = (colour) => { context.clearRect(0, 0, 1, 1); context.fillStyle = colour; context.fillRect(0, 0, 1, 1); return [...context.getImageData(0, 0, 1, 1).data]; };
  const light = (c) => { const [r, g, b] = c.map((v) => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node; (node = walker.nextNode()); ) {
    const e = node.parentElement;
    if (!node.data.trim() || !e.checkVisibility({visibilityProperty: true, opacityProperty: true}) || e.closest(".unseen, .skip, script, option")) continue;
    let behind = e;
    while (behind && rgba(getComputedStyle(behind).backgroundColor)[3] < 255) behind = behind.parentElement;
    const a = light(rgba(getComputedStyle(e).color)), b = light(rgba(getComputedStyle(behind ?? document.body).backgroundColor));
    found.push([(Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05), e.className + " " + node.data.trim().slice(0, 30)]);
  }
  return found.sort((a, b) => a[0] - b[0]);
})()"""


class Looks(PageCase):
    flags = ("--step-us", 0)

    def test_light_and_dark_by_the_system_and_by_the_switch(self):
        self.say(RICH)
        page = self.open(dark=True)
        paper = lambda: page.run("getComputedStyle(document.body).backgroundColor")
        dark = paper()
        page.scheme(False)
        light = paper()
        self.assertNotEqual(light, dark)
        page.click("#theme")
        self.assertEqual(page.run("document.querySelector('#theme').getAttribute('aria-label')"), "Theme: light")
        page.click("#theme")
        self.assertEqual(paper(), dark)
        page.call("Page.reload")
        page.until(READY)
        self.assertEqual(paper(), dark, "the choice is kept")
        self.ask(page)
        for theme in ("light", "dark"):
            page.run(f"Theme.set('{theme}')")
            for tab in ("live", "settings"):
                page.click(f"#tab-{tab}")
                time.sleep(0.25)  # colours of buttons move
                found = page.run(CONTRAST)
                self.assertGreater(len(found), 25)
                self.assertEqual([(round(ratio, 2), what) for ratio, what in found if ratio < 4.5], [], theme)

    def test_widths(self):
        self.say(WIDE)
        for width, height in ((1280, 800), (390, 844), (320, 568), (844, 390)):
            with self.subTest(width=width):
                page = self.open(width, height)
                inside = lambda: page.run("[document.documentElement.scrollWidth, document.body.scrollWidth, document.querySelector('#scroll').scrollWidth - document.querySelector('#scroll').clientWidth]")
                self.assertEqual(inside(), [width, width, 0])
                self.ask(page)
                self.assertEqual(inside(), [width, width, 0])
                places = page.run("['#input', '#send', '#new', '#theme', '#toggle'].map((s) => document.querySelector(s).getBoundingClientRect()).map((b) => [b.left, b.top, b.right, b.bottom, b.width, b.height])")
                for left, top, right, bottom, wide, high in places:
                    self.assertTrue(left >= 0 and top >= 0 and right <= width and bottom <= height and min(wide, high) >= 24, places)
                if width < 900:
                    page.click("#toggle")
                    page.until("document.querySelector('#close').checkVisibility() && document.activeElement.id === 'close'")
                    self.assertEqual(inside()[:2], [width, width])
                    self.assertTrue(page.run("document.querySelector('.chat').inert"))
                    page.press("Escape")
                    page.until("!document.querySelector('#side').checkVisibility() && document.activeElement.id === 'toggle'")

    def test_a_note_of_a_tile_shows_whole_words(self):
        """Where letters are too wide the note's end goes away, and nothing is cut in two."""
        page = self.open()
        self.ask(page)
        page.until("document.querySelectorAll('.tile.wide .note span').length === 4")
        spans = "[...document.querySelectorAll('.tile .note span')].map((s) => [s.textContent, s.getBoundingClientRect(), s.parentElement.getBoundingClientRect()])"
        for letters in ("sans-serif", "monospace"):
            page.run(f"document.documentElement.style.setProperty('--sans', '{letters}')")
            cut = page.run(f"{spans}.filter(([, s, note]) => s.top < note.bottom - 1 && (s.left < note.left - 1 || s.right > note.right + 1)).map(([text]) => text)")
            self.assertEqual(cut, [], letters)
        self.assertTrue(page.run(f"{spans}.some(([, s, note]) => s.top >= note.bottom - 1)"), "monospace letters are wide enough to show it")

    def test_everything_has_a_name_and_a_place_in_the_order(self):
        self.say(RICH)
        page = self.open()
        self.ask(page)
        for tab in ("live", "settings"):
            page.click(f"#tab-{tab}")
            nodes = page.call("Accessibility.getFullAXTree")["nodes"]
            named = [(n["role"]["value"], n.get("name", {}).get("value", "")) for n in nodes if not n["ignored"] and
                     n["role"]["value"] in ("button", "textbox", "combobox", "slider", "spinbutton", "tab", "image", "region", "link", "log", "tabpanel")]
            self.assertGreater(len(named), 15)
            self.assertEqual([role for role, name in named if not name.strip()], [])
        page.run("document.querySelector('#tab-settings').focus()")
        page.press("ArrowLeft")
        self.assertEqual(page.run("document.activeElement.id + document.querySelector('#live').checkVisibility()"), "tab-livetrue")
        page.run("document.activeElement.blur()")
        visited = []
        for _ in range(40):
            page.press("Tab")
            visited.append(page.run("document.activeElement.id || document.activeElement.className || document.activeElement.tagName"))
            if visited[-1] != "BODY":
                self.assertNotEqual(page.run("getComputedStyle(document.activeElement).outlineStyle + getComputedStyle(document.activeElement.parentElement).boxShadow"), "nonenone", visited)
        self.assertLessEqual({"input", "model", "new", "theme", "toggle", "scroll", "tab-live"}, set(visited))


if __name__ == "__main__":
    unittest.main()
