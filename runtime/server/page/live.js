// The live panel: /metrics once a second while somebody can see the page, and what changed between two looks.
"use strict";

const kPollMilliseconds = 1000;
const kWindowSeconds = 60; // of percentiles and hit rate

const Live = (() => {
  const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
  const number = (value) => (value >= 10000 ? `${(value / 1000).toFixed(value >= 100000 ? 0 : 1)}k` : whole.format(value));
  const rate = (value) => (value === null ? "–" : value > 0 && value < 10 ? value.toFixed(1) : number(value));
  const percent = (value) => (value === null ? "–" : value > 0 && value < 0.1 ? `${(value * 100).toFixed(1)}%` : `${Math.round(value * 100)}%`);
  function time(seconds) {
    if (seconds === null) return "–";
    if (seconds < 0.0995) return `${(seconds * 1000).toFixed(seconds < 0.00995 ? 1 : 0)} ms`;
    return seconds < 0.9995 ? `${(seconds * 1000).toFixed(0)} ms` : `${seconds.toFixed(seconds < 10 ? 2 : 0)} s`;
  }
  /// Says no more than the buckets do.
  function bounded(found) {
    if (!found) return "–";
    return found.below ? `< ${time(found.bound)}` : `${found.above ? "> " : ""}${time(found.value)}`;
  }

  class Tile {
    constructor(title, series, { wide = false, show }) {
      this.show = show;
      this.chart = new Chart(title, series);
      this.cells = series.map(({ name, tone }) => ({ value: h("b", {}, "–"), name, tone }));
      this.note = h("p", { class: "note" });
      this.element = h("article", { class: wide ? "tile wide" : "tile" },
        h("header", {}, h("h3", {}, title), this.note),
        h("dl", {}, ...this.cells.map(({ value, name, tone }) => h("div", { class: series.length > 1 ? `key ${tone}` : null }, h("dt", {}, name), h("dd", {}, value)))),
        this.chart.element);
      this.chart.onpoint = (values, ago) => this.hover(values, ago);
      this.texts = series.map(() => "–");
      this.noteText = "";
    }
    /// `texts` overrides how the newest values are written.
    add(values, top, note = "", texts = values.map(this.show)) {
      this.texts = texts;
      this.noteText = note;
      this.chart.add(values, top, `last two minutes, now ${this.cells.map(({ name }, i) => `${name} ${texts[i]}`).join(", ")}`);
      if (!this.hovered) this.write(texts, note);
    }
    hover(values, ago) {
      this.hovered = values !== null;
      if (values) this.write(values.map(this.show), ago === 0 ? "now" : `${ago} s ago`);
      else this.write(this.texts, this.noteText);
    }
    write(texts, note) {
      this.cells.forEach(({ value }, i) => (value.textContent = texts[i]));
      // What does not fit is left out whole, from its "of" on.
      this.note.replaceChildren(...note.split(/(?= of )/).map((part) => h("span", {}, part)));
    }
  }

  const nullable = (f) => (value) => (value === null ? "–" : f(value));
  const kLines = { latency: [{ name: "p50", tone: "a" }, { name: "p90", tone: "b" }, { name: "p99", tone: "c" }] };

  class Panel {
    /// `onstate(state, words)`: what the header says of the server.
    constructor(element, onstate) {
      this.element = element;
      this.onstate = onstate;
      this.history = [];
      this.timer = null;
      this.locked = false;
      this.tiles = {
        requests: new Tile("Requests", [{ name: "running", tone: "a" }, { name: "waiting", tone: "c" }], { show: nullable(number) }),
        speed: new Tile("Tokens per second", [{ name: "answers", tone: "a" }, { name: "prompts", tone: "b" }], { show: rate }),
        cache: new Tile("KV cache in use", [{ name: "used", tone: "a" }], { show: percent }),
        prefix: new Tile("Prefix cache hits", [{ name: "of prompt tokens", tone: "a" }], { show: percent }),
        first: new Tile("Time to first token", kLines.latency, { wide: true, show: time }),
        between: new Tile("Time between tokens", kLines.latency, { wide: true, show: time }),
      };
      this.status = h("p", { class: "note", id: "live-note" }, "Waiting for the first numbers");
      element.append(h("div", { class: "tiles" }, ...Object.values(this.tiles).map((tile) => tile.element)), this.status);
      document.addEventListener("visibilitychange", () => this.wake());
    }

    /// `locked`: without a key there is nothing to ask.
    lock(locked) {
      this.locked = locked;
      if (locked) this.status.textContent = "Numbers need the key too.";
      this.wake();
    }
    wake() {
      clearTimeout(this.timer);
      this.timer = null;
      if (document.visibilityState === "visible" && !this.locked && !this.asking) this.poll();
    }

    async poll() {
      this.asking = true;
      const begin = performance.now();
      try {
        this.take(new Snapshot(await Api.metrics(), performance.now() / 1000));
      } catch (fault) {
        this.history = []; // a server that came back counts from zero
        this.onstate(fault.status === 401 ? "locked" : "down", fault.message);
        this.status.textContent = fault.message;
      }
      this.asking = false;
      clearTimeout(this.timer);
      if (document.visibilityState === "visible" && !this.locked)
        this.timer = setTimeout(() => this.poll(), Math.max(100, kPollMilliseconds - (performance.now() - begin)));
    }

    take(now) {
      const last = this.history.at(-1);
      // A gap (the page was hidden) or a restart: rates begin anew.
      if (last && (now.time - last.time > 5 || now.value("generation_tokens_total") < last.value("generation_tokens_total"))) this.history = [];
      this.history.push(now);
      while (this.history.length > 1 && now.time - this.history[0].time > kWindowSeconds + 1) this.history.shift();
      this.draw(now);
      const running = now.value("num_requests_running");
      const waiting = now.value("num_requests_waiting");
      this.onstate("up", running + waiting === 0 ? "idle" : `${number(running)} running${waiting ? `, ${number(waiting)} waiting` : ""}`);
      const answered = now.value("request_success_total");
      this.status.textContent = `${number(answered)} ${answered === 1 ? "answer" : "answers"} and ${number(now.value("generation_tokens_total"))} tokens since the start. Percentiles and hit rate are of the last minute.`;
    }

    draw(now) {
      const { tiles } = this;
      const [oldest, before] = [this.history[0], this.history.at(-2)];
      tiles.requests.add([now.value("num_requests_running"), now.value("num_requests_waiting")], 4);
      const perSecond = (name) => (before ? (now.value(name) - before.value(name)) / (now.time - before.time) : null);
      const speed = [perSecond("generation_tokens_total"), perSecond("prompt_tokens_total")];
      tiles.speed.add(speed, 20);
      tiles.cache.add([now.value("kv_cache_usage_perc")], 1);
      const queries = now.value("prefix_cache_queries_total") - oldest.value("prefix_cache_queries_total");
      const hits = now.value("prefix_cache_hits_total") - oldest.value("prefix_cache_hits_total");
      tiles.prefix.add([queries > 0 ? hits / queries : null], 1);
      this.latency(tiles.first, new HistogramGrowth(oldest, now, "time_to_first_token_seconds"), "answers", 0.05);
      this.latency(tiles.between, new HistogramGrowth(oldest, now, "inter_token_latency_seconds"), "tokens", 0.02);
    }

    latency(tile, growth, what, top) {
      const found = [0.5, 0.9, 0.99].map((share) => growth.quantile(share));
      const note = growth.count > 0 ? `mean ${time(growth.mean)} of ${number(growth.count)} ${growth.count === 1 ? what.slice(0, -1) : what}` : "";
      tile.add(found.map((one) => one?.value ?? null), top, note, found.map(bounded));
    }
  }
  return { Panel, time, number };
})();
