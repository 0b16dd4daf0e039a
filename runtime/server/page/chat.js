// The conversation: what was said, the answer that comes, and where the page is scrolled meanwhile.
"use strict";

const kIdeas = ["Why is the sky blue?", "Write a haiku about compilers", "Explain recursion with a short Python example"];

class Chat {
  /// `settings`: a Settings.Form. `onbusy()`, `onfault(fault)` and `onagain()` tell the page.
  constructor(settings, { onbusy, onfault, onagain }) {
    Object.assign(this, { settings, onbusy, onfault, onagain });
    this.kept = new Kept("sessionStorage", "conversation");
    this.list = byId("messages");
    this.scroll = byId("scroll");
    this.messages = [];
    this.model = "";
    this.running = null;
    this.following = true;
    this.scroll.addEventListener("scroll", () => this.scrolled());
    new ResizeObserver(() => this.follow()).observe(this.list);
    byId("latest").addEventListener("click", () => this.follow(true));
    byId("ideas").append(...kIdeas.map((text) => h("button", { type: "button", class: "idea", onclick: () => this.ask(text) }, text)));
    for (const { role, text, facts } of this.kept.read([])) this.show(role === "user" ? new Question(text) : new AnswerMessage(text, facts));
    this.settle();
  }

  get busy() {
    return this.running !== null;
  }

  show(message) {
    message.onrender = () => this.follow();
    this.messages.push(message);
    this.list.append(message.element);
    byId("welcome").hidden = true;
  }

  /// What follows from a conversation that is complete for the moment.
  settle() {
    byId("welcome").hidden = this.messages.length > 0;
    this.messages.forEach((message, i) => {
      if (message.role === "assistant") message.offerAgain(i === this.messages.length - 1 ? () => this.again() : null);
    });
    this.kept.write(this.messages.map(({ role, text, facts }) => ({ role, text, facts })));
    this.follow();
  }

  clear() {
    this.stop();
    this.messages = [];
    this.list.replaceChildren();
    byId("say").replaceChildren();
    this.following = true;
    this.settle();
  }

  ask(text) {
    if (this.busy || !text.trim() || !this.model) return false;
    this.show(new Question(text));
    this.following = true;
    this.answer();
    return true;
  }

  again() {
    if (this.busy || this.messages.at(-1)?.role !== "assistant") return;
    this.messages.pop().element.remove();
    this.following = true;
    this.answer();
    this.onagain();
  }

  stop() {
    this.running?.abort();
  }

  body() {
    const said = this.messages.filter((message) => message.role === "user" || message.text !== "").map(({ role, text }) => ({ role, content: text }));
    const system = this.settings.systemPrompt;
    return { model: this.model, messages: system ? [{ role: "system", content: system }, ...said] : said, ...this.settings.request() };
  }

  async answer() {
    const running = (this.running = new AbortController());
    this.onbusy();
    const message = new AnswerMessage();
    let usage;
    let ending = "";
    try {
      const body = this.body();
      this.show(message);
      message.begin();
      this.follow(true);
      for await (const event of Api.chat(body, running.signal)) {
        if (event.text) message.add(event.text);
        if (event.finish === "length") ending = "ended at the most tokens";
        if (event.usage) usage = event.usage;
      }
    } catch (fault) {
      if (!message.element.isConnected && !running.signal.aborted) this.show(message);
      if (running.signal.aborted) ending = "stopped";
      else message.fail(fault instanceof ApiFault ? fault : new ApiFault("The page failed", String(fault)));
    }
    if (this.running === running) this.running = null;
    if (!this.messages.includes(message)) return this.onbusy(); // a new chat began meanwhile
    message.finish(message.fault ? "" : message.summary(usage, ending));
    this.settle();
    this.onbusy();
    if (message.fault) this.onfault(message.fault);
  }

  scrolled() {
    const gap = this.scroll.scrollHeight - this.scroll.scrollTop - this.scroll.clientHeight;
    this.following = gap < 48;
    byId("latest").hidden = gap < 160;
  }
  /// Keeps the newest line in sight, unless the reader scrolled away.
  follow(force = false) {
    if (force) this.following = true;
    if (this.following && this.messages.length) this.scroll.scrollTop = this.scroll.scrollHeight;
  }
}
