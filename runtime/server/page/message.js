// One message of the conversation: a question as it was typed, or an answer while it comes and after.
"use strict";

class Question {
  constructor(text) {
    this.role = "user";
    this.text = text;
    this.element = h("li", { class: "question" }, h("span", { class: "unseen" }, "You: "), h("div", { class: "bubble" }, text));
  }
}

class AnswerMessage {
  /// `text`: of an answer that is kept from before.
  constructor(text = "", facts = "") {
    this.role = "assistant";
    this.text = "";
    this.facts = facts;
    this.body = h("div", { class: "body" });
    this.view = new Markdown.View(this.body);
    this.bottom = h("div", { class: "foot" });
    this.fault = null;
    this.element = h("li", { class: "answer", "aria-busy": "false" }, h("span", { class: "unseen" }, "Answer: "), this.body, this.bottom);
    this.frame = 0;
    this.onrender = () => {};
    if (text) {
      this.text = text;
      this.render();
      this.finish(facts);
    }
  }

  begin() {
    this.started = performance.now();
    this.first = null;
    this.tokens = 0;
    this.said = 0;
    this.element.setAttribute("aria-busy", "true");
    this.element.classList.add("running");
  }

  add(text) {
    this.first ??= performance.now();
    this.tokens++;
    this.text += text;
    // Many tokens may come between two frames; a hidden page has no frames at all.
    if (document.visibilityState === "hidden") this.render();
    else this.frame ||= requestAnimationFrame(() => this.render());
  }

  render() {
    cancelAnimationFrame(this.frame);
    this.frame = 0;
    this.view.update(this.text);
    this.announce(false);
    this.onrender();
  }

  /// Whole blocks are read out, not single tokens.
  announce(all) {
    if (!this.started) return;
    const nodes = this.view.settled(all);
    for (const node of nodes.slice(this.said)) {
      const code = node.querySelector("pre");
      byId("say").append(h("p", {}, code ? `Code: ${code.textContent}` : node.innerText));
    }
    this.said = Math.max(this.said, nodes.length);
    while (byId("say").childElementCount > 20) byId("say").firstChild.remove();
  }

  /// What the foot says of how it went. `ending`: why it is over, when that is not plain.
  summary(usage, ending) {
    const tokens = usage?.completion_tokens ?? this.tokens;
    const seconds = (performance.now() - this.first) / 1000;
    const parts = [];
    if (tokens) parts.push(`${Live.number(tokens)} ${tokens === 1 ? "token" : "tokens"}`);
    if (this.first && tokens > 1 && seconds > 0) parts.push(`${Live.number(Math.max(1, (tokens - 1) / seconds))} tokens/s`);
    if (this.first) parts.push(`first after ${Live.time((this.first - this.started) / 1000)}`);
    const cached = usage?.prompt_tokens_details?.cached_tokens;
    if (cached) parts.push(`${Live.number(cached)} of ${Live.number(usage.prompt_tokens)} prompt tokens cached`);
    if (ending) parts.push(ending);
    return parts.join(" · ");
  }

  finish(facts) {
    this.render();
    this.announce(true);
    this.started = 0;
    this.facts = facts;
    this.element.classList.remove("running");
    this.element.setAttribute("aria-busy", "false");
    this.bottom.replaceChildren();
    if (this.text) this.bottom.append(copyButton(() => this.text, "Copy answer"));
    this.bottom.append(h("span", { class: "facts" }, facts));
  }

  /// Only the last answer can be made again.
  offerAgain(again) {
    this.bottom.querySelector(".again")?.remove();
    if (!again) return;
    const words = this.fault ? "Try again" : "Regenerate";
    const button = h("button", { type: "button", class: "act again", title: words, onclick: again }, icon("again"), h("span", {}, words));
    this.bottom.insertBefore(button, this.bottom.querySelector(".facts"));
  }

  fail(fault) {
    this.fault = fault;
    this.element.insertBefore(
      h("div", { class: "fault", role: "alert" }, icon("alert"), h("div", {}, h("strong", {}, fault.message), fault.detail ? h("p", {}, fault.detail) : null)),
      this.bottom);
  }
}
