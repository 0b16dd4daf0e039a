// Markdown blocks as elements. A growing text renders again only what changed: its last block.
"use strict";

const Markdown = (() => {
  const kDepth = 8; // of lists and quotes in each other
  const kItem = /^( {0,12})([-*+]|\d{1,9}[.)])(?: +|$)/;

  const indentOf = (line) => line.length - line.trimStart().length;
  const isBlank = (line) => line.trim() === "";
  const isQuote = (line) => /^ {0,3}>/.test(line);
  const headingOf = (line) => /^ {0,3}(#{1,6})(?: +|$)/.exec(line);
  const fenceOf = (line) => /^( {0,3})(`{3,}|~{3,})([^`]*)$/.exec(line);

  function isRule(line) {
    const marks = line.replaceAll(" ", "");
    return indentOf(line) < 4 && marks.length >= 3 && /^(\*+|-+|_+)$/.test(marks);
  }

  function cellsOf(line) {
    const cells = [""];
    const text = line.trim();
    for (let i = 0; i < text.length; i++) {
      if (text[i] === "\\" && text[i + 1] === "|") cells[cells.length - 1] += text[++i];
      else if (text[i] === "|") cells.push("");
      else cells[cells.length - 1] += text[i];
    }
    if (text.startsWith("|")) cells.shift();
    if (cells.length > 1 && cells.at(-1).trim() === "") cells.pop();
    return cells.map((cell) => cell.trim());
  }

  /// How the columns lean if these two lines begin a table, else null.
  function columnsOf(lines, at) {
    if (at + 1 >= lines.length || !lines[at].includes("|") || !lines[at + 1].includes("-")) return null;
    const marks = cellsOf(lines[at + 1]);
    if (!marks.every((mark) => /^:?-+:?$/.test(mark)) || marks.length !== cellsOf(lines[at]).length) return null;
    return marks.map((mark) => (mark.endsWith(":") ? (mark.startsWith(":") ? "center" : "end") : ""));
  }

  const endsParagraph = (lines, at) =>
    isBlank(lines[at]) || fenceOf(lines[at]) || headingOf(lines[at]) || isQuote(lines[at]) || isRule(lines[at]) || kItem.test(lines[at]) || columnsOf(lines, at);

  /// {kind, from, to} for each block of the lines.
  function split(lines) {
    const blocks = [];
    for (let at = 0; at < lines.length; ) {
      if (isBlank(lines[at])) {
        at++;
        continue;
      }
      const from = at;
      const kind = kindOf(lines, at);
      at = endOf[kind](lines, at);
      blocks.push({ kind, from, to: at });
    }
    return blocks;
  }

  function kindOf(lines, at) {
    if (fenceOf(lines[at])) return "fence";
    if (headingOf(lines[at])) return "heading";
    if (isRule(lines[at])) return "rule";
    if (isQuote(lines[at])) return "quote";
    if (kItem.test(lines[at])) return "list";
    return columnsOf(lines, at) ? "table" : "paragraph";
  }

  const endOf = {
    fence(lines, at) {
      const mark = fenceOf(lines[at])[2];
      for (at++; at < lines.length; at++) {
        const text = lines[at].trim();
        if (indentOf(lines[at]) < 4 && text.length >= mark.length && text === mark[0].repeat(text.length)) return at + 1;
      }
      return at;
    },
    heading: (lines, at) => at + 1,
    rule: (lines, at) => at + 1,
    quote(lines, at) {
      while (at < lines.length && (isQuote(lines[at]) || !endsParagraph(lines, at))) at++;
      return at;
    },
    list(lines, at) {
      const first = kItem.exec(lines[at]);
      const bullet = /\d/.test(first[2]) ? first[2].at(-1) : first[2];
      const base = first[1].length;
      for (at++; at < lines.length; at++) {
        if (isBlank(lines[at])) {
          const next = lines.slice(at, at + 3).find((line) => !isBlank(line));
          if (next === undefined || (indentOf(next) <= base && !kItem.test(next))) return at;
          continue;
        }
        const item = kItem.exec(lines[at]);
        if (item && item[1].length <= base + 1) {
          if ((/\d/.test(item[2]) ? item[2].at(-1) : item[2]) !== bullet || isRule(lines[at])) return at;
        } else if (indentOf(lines[at]) <= base && endsParagraph(lines, at)) return at;
      }
      return at;
    },
    table(lines, at) {
      for (at += 2; at < lines.length && !isBlank(lines[at]) && lines[at].includes("|"); at++);
      return at;
    },
    paragraph(lines, at) {
      for (at++; at < lines.length && !endsParagraph(lines, at); at++);
      return at;
    },
  };

  const build = {
    fence(lines) {
      const [, indent, mark, info] = fenceOf(lines[0]);
      const closed = lines.length > 1 && lines.at(-1).trim().startsWith(mark) && lines.at(-1).trim() === mark[0].repeat(lines.at(-1).trim().length);
      const text = lines.slice(1, closed ? -1 : undefined).map((line) => line.slice(Math.min(indent.length, indentOf(line)))).join("\n");
      const language = info.trim().split(/\s/)[0].slice(0, 30);
      return h("figure", { class: "code" },
        h("figcaption", {}, h("span", {}, language || "code"), copyButton(() => text, "Copy code")),
        h("pre", { tabindex: 0, role: "group", "aria-label": language ? `${language} code` : "code" }, h("code", {}, text)));
    },
    heading(lines) {
      const marks = headingOf(lines[0]);
      let text = lines[0].slice(marks[0].length).trim();
      const bare = text.replace(/#{1,100}$/, "");
      if (bare === "" || bare.endsWith(" ")) text = bare.trim();
      // The page's own heading is the first level.
      return h(`h${Math.min(marks[1].length + 1, 6)}`, {}, ...Inline.parse(text));
    },
    rule: () => h("hr"),
    quote: (lines, depth) => h("blockquote", {}, ...render(lines.map((line) => line.replace(/^ {0,3}> ?/, "")), depth + 1)),
    list(lines, depth) {
      const first = kItem.exec(lines[0]);
      const numbered = /\d/.test(first[2]);
      const items = [];
      const base = first[1].length;
      for (const line of lines) {
        const item = kItem.exec(line);
        if (item && item[1].length <= base + 1) items.push({ width: Math.min(item[0].length, item[1].length + item[2].length + 4), lines: [line.slice(item[0].length)] });
        else items.at(-1).lines.push(line.slice(Math.min(indentOf(line), items.at(-1).width)));
      }
      // Blank lines between items, or between what stands in one, give all of them paragraphs.
      const loose = items.some(({ lines: own }, i) => looseItem(own, i < items.length - 1));
      const start = numbered ? Number.parseInt(first[2], 10) : 1;
      return h(numbered ? "ol" : "ul", { start: start === 1 ? null : start }, ...items.map((item) => itemNode(item.lines, depth, loose)));
    },
    table(lines) {
      const columns = columnsOf(lines, 0);
      const row = (line, tag) => {
        const cells = cellsOf(line);
        return h("tr", {}, ...columns.map((lean, i) => h(tag, { class: lean || null, scope: tag === "th" ? "col" : null }, ...Inline.parse(cells[i] ?? ""))));
      };
      return h("div", { class: "table", tabindex: 0, role: "region", "aria-label": "Table" },
        h("table", {}, h("thead", {}, row(lines[0], "th")), h("tbody", {}, ...lines.slice(2).map((line) => row(line, "td")))));
    },
    paragraph: (lines) => h("p", {}, ...Inline.parse(lines.map((line) => line.trimStart()).join("\n").trimEnd())),
  };

  function looseItem(lines, another) {
    if (another && isBlank(lines.at(-1)) && lines.length > 1) return true;
    const blocks = split(lines);
    return blocks.some(({ from }, i) => i > 0 && isBlank(lines[from - 1]));
  }

  function itemNode(lines, depth, loose) {
    const task = /^\[([ xX])\] /.exec(lines[0]);
    if (task) lines = [lines[0].slice(4), ...lines.slice(1)];
    let nodes = render(lines, depth + 1);
    // A tight item has its text without a paragraph around it.
    if (!loose) nodes = nodes.flatMap((node) => (node.tagName === "P" ? [...node.childNodes] : [node]));
    if (task) {
      const box = h("input", { type: "checkbox", disabled: true, "aria-label": task[1] === " " ? "open" : "done" });
      box.checked = task[1] !== " ";
      nodes.unshift(box);
    }
    return h("li", { class: task ? "task" : null }, ...nodes);
  }

  function render(lines, depth) {
    if (depth > kDepth) return [h("p", {}, lines.join("\n"))];
    return split(lines).map((block) => build[block.kind](lines.slice(block.from, block.to), depth));
  }

  const linesOf = (text) => text.replaceAll("\r\n", "\n").replaceAll("\t", "    ").split("\n");

  /// Shows a text that grows. Blocks that did not change keep their elements, and with them selection and scroll.
  class View {
    constructor(element) {
      this.element = element;
      this.shown = [];
    }
    /// Returns the text of the blocks before the last one, which will not change any more.
    update(text) {
      const lines = linesOf(text);
      const blocks = split(lines);
      const shown = blocks.map(({ kind, from, to }, i) => {
        const own = lines.slice(from, to);
        const key = kind + own.join("\n");
        if (this.shown[i]?.key === key) return this.shown[i];
        const node = build[kind](own, 0);
        if (this.shown[i]) this.shown[i].node.replaceWith(node);
        else this.element.append(node);
        return { key, node };
      });
      for (const old of this.shown.slice(shown.length)) old.node.remove();
      this.shown = shown;
    }
    /// Blocks that are complete: all but the last while more text comes.
    settled(all) {
      return this.shown.slice(0, all ? undefined : -1).map((block) => block.node);
    }
  }

  return { View, nodes: (text) => render(linesOf(text), 0) };
})();
