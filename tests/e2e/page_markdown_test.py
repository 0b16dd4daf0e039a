"""Markdown as the page shows it, beside markdown-it-py: the same elements and text for what models write."""

import html.parser
import json
import re
import unittest

from page_case import PageCase

try:
    import markdown_it
except ImportError:  # an older .venv; install.sh --tests brings it
    markdown_it = None

SAMPLES = [
    "Plain text.", "Two\nlines of one paragraph.", "First.\n\nSecond.", "# One\n## Two\n### Three\nText", "## Closed ##\n### Not closed#", "#no heading",
    "*em* **strong** ***both*** ~~gone~~", "_em_ __strong__ snake_case_name and 2 * 3 * 4", "**bold *and em* bold**", "*a **b** c*", "**not closed", "a*b*c a_b_c",
    "`code` and ``a ` b`` and `not closed", "`*no em*` **`bold code`**", "\\*not em\\* \\[not a link\\] \\\\ \\a", "[text](https://example.org/a_(b)) end", "[*em* `code`](https://example.org)",
    '[titled](https://example.org/x "Title")', "<https://example.org/auto>", "[a] [b](not closed", "[]: text] more", "a [b [c](https://example.org/d) e](/f)",
    "- one\n- two\n- three", "* one\n* two", "1. one\n2. two\n10. three", "3. starts\n4. later", "1) one\n2) two", "- a\n  - b\n    - c\n  - d\n- e", "1. a\n   - b\n   - c\n2. d",
    "- a\n\n- b\n\n- c", "- first\n\n  second paragraph\n- next", "- code:\n  ```py\n  x = 1\n    y = 2\n  ```\n- after", "Text\n- list after text\n- more", "- a\n- b\n\nText after", "- a\n+ b", "+ a\n  lazy\n+ b",
    "```python\nfor i in x:\n    print(i)\n\n# *no em* <b>\n```", "~~~\ntildes ``` inside\n~~~", "````\n```\ninner\n```\n````", "```\nnot closed\n\nstill", "text\n```js\nlet a;\n```\ntext", "```\n```",
    "> quote\n> more\n\nafter", "> a\n>> b\n\nc", "> lazy\ncontinued", "> - list\n> - in quote", "---", "a\n\n***\n\nb", "- a\n\n---\n\nb", "| a | b |\n| --- | --- |\n| 1 | 2 |\n| 3 | 4 |",
    "a | b\n:-: | --:\n1 | 2", "| a | b |\n|-|-|\n| **x** | `y` |\n| only |\n\nafter", "| a \\| b | c |\n|--|--|\n| 1 | 2 |", "not | a table\nat all", "<b>html</b> <script>alert(1)</script>", "a & b < c > d &amp; &lt;b&gt; &#65;&#x42; &none; &#0;", "- a\n\n- b\n  - c\n  - d", "- a\n  - b\n\n    c\n- d", "5 < 6 and 7 > 3",
    "Line with two spaces  \nbreak", "backslash\\\nbreak", "Ünï **cödé** 你好 *🙂*", "1986\\. A year", "**Note:** text", "**a**b", "a**b**", "**日本**語", "* * *", "*a*b*c*", "***a** b*", "***a* b**", "**a*", "*(**x**)*",
]


class Elements(html.parser.HTMLParser):
    """A document as a list of tags and texts, without what only one of the two adds around them."""

    AROUND = {"figure", "div", "thead", "tbody"}
    BESIDE = {"figcaption", "button", "svg", "use"}

    def __init__(self, text: str, shift: int):
        super().__init__()
        self.shift, self.out, self.skipped, self.pre = shift, [], 0, 0
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        if tag in self.BESIDE:
            self.skipped += 1
        elif not self.skipped and tag not in self.AROUND:
            given = dict(attributes)
            lean = re.sub(r"text-align:", "", given.get("style", "")).replace("right", "end") or given.get("class", "")
            address = re.sub(r"^(https?://[^/]+)/$", r"\1", given.get("href", ""))  # the browser's spelling has the slash
            kept = address or given.get("start") or (lean if tag in ("th", "td") and lean != "left" else "")
            self.pre += tag == "pre"
            self.out.append((self.level(tag), kept))

    def handle_endtag(self, tag):
        if tag in self.BESIDE:
            self.skipped -= 1
        elif not self.skipped and tag not in self.AROUND and tag not in ("br", "hr"):
            self.pre -= tag == "pre"
            self.out.append(("/" + self.level(tag), ""))

    def handle_data(self, data):
        if self.skipped:
            return
        text = data.rstrip("\n") if self.pre else re.sub(r"\s+", " ", data)
        if text.strip():
            self.out.append(("text", text if self.pre else text.strip()))

    def level(self, tag):
        return f"h{min(6, int(tag[1]) + self.shift)}" if re.fullmatch("h[1-6]", tag) else tag


@unittest.skipUnless(markdown_it, "no markdown-it-py: examples/install.sh --tests")
class MarkdownPage(PageCase):
    def test_as_markdown_it_reads_it(self):
        reference = markdown_it.MarkdownIt("commonmark", {"breaks": True, "html": False}).enable(["table", "strikethrough"])
        page = self.open()
        ours = page.run(f"{json.dumps(SAMPLES)}.map((text) => Markdown.nodes(text).map((node) => node.outerHTML).join('\\n'))")
        for text, shown in zip(SAMPLES, ours, strict=True):
            with self.subTest(text):
                wanted = reference.render(text).replace("<s>", "<del>").replace("</s>", "</del>")
                self.assertEqual(Elements(shown, 0).out, Elements(wanted, 1).out)

    def test_a_growing_text_ends_as_the_whole_one(self):
        page = self.open()
        text = "\n\n".join(SAMPLES)
        grown, whole = page.run(f"""(() => {{ const text = {json.dumps(text)}, element = document.createElement("div"), view = new Markdown.View(element);
            for (let i = 0; i < text.length; i += 7) view.update(text.slice(0, i));
            view.update(text); return [element.innerHTML, Markdown.nodes(text).map((node) => node.outerHTML).join("")]; }})()""")
        self.assertEqual(grown, whole)
        kept = page.run("""(() => { const element = document.createElement("div"), view = new Markdown.View(element);
            view.update("one\\n\\ntwo"); const first = element.firstChild; view.update("one\\n\\ntwo and more"); return first === element.firstChild; })()""")
        self.assertTrue(kept, "what is complete keeps its elements")


if __name__ == "__main__":
    unittest.main()
