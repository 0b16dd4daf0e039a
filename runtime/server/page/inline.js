// Markdown inside a paragraph: emphasis, code, links. Linear in the text but for emphasis, whose search is bounded.
"use strict";

const Inline = (() => {
  const kMostCharacters = 20000; // of one paragraph; longer ones are shown as they are
  const kEntities = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'", nbsp: "\u00a0" };
  const kPunctuation = /[!-/:-@[-`{-~]/;
  const isSpace = (c) => c === undefined || /\s/.test(c);
  const isPunctuation = (c) => c !== undefined && /[\p{P}\p{S}]/u.test(c);

  /// The address if a browser may go there on a click, else null. Only the web: no scripts, files or data.
  function webAddress(text) {
    try {
      const url = new URL(text);
      return url.protocol === "https:" || url.protocol === "http:" ? url.href : null;
    } catch {
      return null;
    }
  }

  function link(address, ...children) {
    return h("a", { href: address, target: "_blank", rel: "noopener noreferrer nofollow" }, ...children);
  }

  /// Parts are nodes, or runs of delimiters that may still become emphasis.
  class Reader {
    constructor(text, inLink) {
      this.text = text;
      this.at = 0;
      this.parts = [];
      this.plain = "";
      this.brackets = [];
      this.inLink = inLink;
      this.noCode = new Set(); // lengths of backtick runs that have no partner in the rest
    }

    flush() {
      if (this.plain) this.parts.push({ node: document.createTextNode(this.plain) });
      this.plain = "";
    }
    push(node) {
      this.flush();
      this.parts.push({ node });
    }

    run() {
      const { text } = this;
      while (this.at < text.length) {
        const c = text[this.at];
        if (c === "\\") this.escape();
        else if (c === "`") this.code();
        else if (c === "\n") this.lineBreak();
        else if (c === "*" || c === "_" || c === "~") this.delimiter(c);
        else if (c === "[") this.open(false);
        else if (c === "!" && text[this.at + 1] === "[") this.open(true);
        else if (c === "]") this.close();
        else if (c === "<") this.angle();
        else if (c === "&") this.entity();
        else if (c === "h" && !this.inLink && /^https?:\/\//.test(text.slice(this.at, this.at + 8))) this.bare();
        else {
          this.plain += c;
          this.at++;
        }
      }
      this.flush();
      emphasize(this.parts, 0);
      return nodesOf(this.parts);
    }

    escape() {
      const next = this.text[this.at + 1];
      if (next === "\n") {
        this.at++;
      } else if (next !== undefined && kPunctuation.test(next)) {
        this.plain += next;
        this.at += 2;
      } else {
        this.plain += "\\";
        this.at++;
      }
    }

    entity() {
      const found = /^&(?:#(\d{1,7})|#[xX]([0-9a-fA-F]{1,6})|(amp|lt|gt|quot|apos|nbsp));/.exec(this.text.slice(this.at, this.at + 12));
      if (found) {
        const code = found[1] ? Number(found[1]) : Number.parseInt(found[2], 16);
        this.plain += found[3] ? kEntities[found[3]] : code > 0 && code <= 0x10ffff ? String.fromCodePoint(code) : "\ufffd";
      }
      this.plain += found ? "" : "&";
      this.at += found ? found[0].length : 1;
    }

    code() {
      const { text } = this;
      let end = this.at;
      while (text[end] === "`") end++;
      const length = end - this.at;
      if (!this.noCode.has(length)) {
        for (let from = end; (from = text.indexOf("`", from)) >= 0; ) {
          let after = from;
          while (text[after] === "`") after++;
          if (after - from === length) {
            let inner = text.slice(end, from).replaceAll("\n", " ");
            if (inner.startsWith(" ") && inner.endsWith(" ") && inner.trim()) inner = inner.slice(1, -1);
            this.push(h("code", {}, inner));
            this.at = after;
            return;
          }
          from = after;
        }
        this.noCode.add(length);
      }
      this.plain += text.slice(this.at, end);
      this.at = end;
    }

    lineBreak() {
      this.plain = this.plain.trimEnd();
      this.push(document.createElement("br"));
      this.at++;
      while (this.text[this.at] === " ") this.at++;
    }

    delimiter(c) {
      let end = this.at;
      while (this.text[end] === c) end++;
      const count = end - this.at;
      const before = this.text[this.at - 1];
      const after = this.text[end];
      const left = !isSpace(after) && (!isPunctuation(after) || isSpace(before) || isPunctuation(before));
      const right = !isSpace(before) && (!isPunctuation(before) || isSpace(after) || isPunctuation(after));
      // snake_case is a word
      const opens = c === "_" ? left && (!right || isPunctuation(before)) : left;
      const closes = c === "_" ? right && (!left || isPunctuation(after)) : right;
      this.at = end;
      if (c === "~" && count !== 2) this.plain += "~".repeat(count);
      else {
        this.flush();
        this.parts.push({ mark: c, count, opens, closes });
      }
    }

    open(image) {
      this.flush();
      const length = image ? 2 : 1;
      this.brackets.push({ part: this.parts.length, image, from: this.at + length });
      this.parts.push({ node: document.createTextNode(image ? "![" : "[") });
      this.at += length;
    }

    close() {
      const bracket = this.brackets.pop();
      const target = bracket && this.text[this.at + 1] === "(" ? this.target(this.at + 2) : null;
      const address = target && !this.inLink ? webAddress(target.text) : null;
      if (!address) {
        this.plain += "]";
        this.at++;
        return;
      }
      this.flush();
      const inner = this.parts.splice(bracket.part).slice(1);
      emphasize(inner, 0);
      // Pictures are not fetched: an address in an answer must not learn that it was read.
      const nodes = nodesOf(inner);
      this.push(link(address, ...(nodes.length ? nodes : [target.text])));
      this.brackets.length = 0; // no link in a link
      this.at = target.end;
    }

    /// The address behind "](" and where it ends, or null.
    target(from) {
      const { text } = this;
      let end = from;
      let depth = 0;
      const angled = text[from] === "<";
      for (; end < text.length && end - from < 2100; end++) {
        const c = text[end];
        if (c === "\n") return null;
        if (angled ? c === ">" : c === " " || (c === ")" && depth === 0)) break;
        if (!angled && c === "(") depth++;
        if (!angled && c === ")") depth--;
      }
      const address = text.slice(angled ? from + 1 : from, end);
      if (angled) end++;
      const title = /^ +("[^"\n]{0,300}"|'[^'\n]{0,300}')/.exec(text.slice(end, end + 310));
      if (title) end += title[0].length;
      return text[end] === ")" ? { text: address, end: end + 1 } : null;
    }

    angle() {
      const found = /^<(https?:\/\/[^\s<>]{1,2000})>/.exec(this.text.slice(this.at, this.at + 2100));
      const address = found && !this.inLink && webAddress(found[1]);
      if (address) {
        this.push(link(address, found[1]));
        this.at += found[0].length;
      } else {
        this.plain += "<";
        this.at++;
      }
    }

    bare() {
      let found = /^https?:\/\/[^\s<>"'`*|\\^{}]{1,2000}/.exec(this.text.slice(this.at, this.at + 2100))?.[0] ?? "h";
      found = found.replace(/[.,;:!?_~]{1,50}$/, "");
      while (found.endsWith(")") && !found.includes("(")) found = found.slice(0, -1);
      while (found.endsWith("]")) found = found.slice(0, -1);
      const address = webAddress(found);
      if (address) this.push(link(address, found));
      else this.plain += found;
      this.at += found.length;
    }
  }

  /// Pairs delimiter runs by CommonMark's rules: each closer with the nearest opener of its kind.
  function emphasize(parts, from) {
    const floor = { "*": from, _: from, "~": from };
    for (let i = from; i < parts.length; i++) {
      const closer = parts[i];
      if (!closer.mark || !closer.closes) continue;
      while (closer.count > 0) {
        let at = i - 1;
        while (at >= floor[closer.mark] && !matches(parts[at], closer)) at--;
        if (at < floor[closer.mark]) {
          if (!closer.opens) floor[closer.mark] = i;
          break;
        }
        const opener = parts[at];
        const two = opener.count >= 2 && closer.count >= 2;
        const tag = closer.mark === "~" ? "del" : two ? "strong" : "em";
        opener.count -= two ? 2 : 1;
        closer.count -= two ? 2 : 1;
        const node = h(tag, {}, ...nodesOf(parts.slice(at + 1, i)));
        parts.splice(at + 1, i - at - 1, { node });
        i = at + 2;
      }
    }
  }

  function matches(part, closer) {
    if (part.mark !== closer.mark || !part.opens || part.count === 0) return false;
    if (closer.mark === "~") return part.count === closer.count;
    return !((part.closes || closer.opens) && (part.count + closer.count) % 3 === 0 && part.count % 3 !== 0);
  }

  const nodesOf = (parts) =>
    parts.filter((part) => part.node || part.count > 0).map((part) => part.node ?? document.createTextNode(part.mark.repeat(part.count)));

  return {
    /// Nodes for one paragraph's text.
    parse(text) {
      return text.length > kMostCharacters ? [document.createTextNode(text)] : new Reader(text, false).run();
    },
    webAddress,
  };
})();
