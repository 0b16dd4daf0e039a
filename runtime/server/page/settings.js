// What a request asks for besides its messages. An empty field is not sent: the model's own default holds then.
"use strict";

const Settings = (() => {
  const kFields = [
    { name: "temperature", label: "Temperature", min: 0, max: 2, step: 0.05, start: 1, slider: true, help: "0 always takes the likeliest token" },
    { name: "top_p", label: "Top p", min: 0.01, max: 1, step: 0.01, start: 1, slider: true, help: "Smallest set of tokens with this share" },
    { name: "min_p", label: "Min p", min: 0, max: 1, step: 0.01, start: 0, slider: true, help: "Drops tokens below this share of the best" },
    { name: "top_k", label: "Top k", min: 0, max: 1000000, step: 1, whole: true, help: "0 keeps all" },
    { name: "max_tokens", label: "Most tokens", min: 1, max: 10000000, step: 1, whole: true, help: "of one answer" },
    { name: "seed", label: "Seed", min: -9007199254740991, max: 9007199254740991, step: 1, whole: true, blank: "random", help: "Same seed, same answer" },
  ];
  const kMostStops = 16;

  class Form {
    constructor(element) {
      this.kept = new Kept("localStorage", "settings");
      this.values = this.kept.read({});
      this.system = h("textarea", { id: "set-system", rows: 3, placeholder: "None: the model's own" });
      this.stop = h("textarea", { id: "set-stop", rows: 2, placeholder: "One in a line", "aria-describedby": "help-stop", spellcheck: "false" });
      this.inputs = new Map(kFields.map((field) => [field.name, this.makeField(field)]));
      this.reset = h("button", { type: "button", class: "act", id: "reset", onclick: () => this.load({}) }, "Reset to the model's defaults");
      this.keyRow = h("div", { class: "group", hidden: true },
        h("h3", {}, "API key"), h("p", { class: "help" }, "A key is kept in this tab until it closes."),
        h("button", { type: "button", class: "act", id: "forget" }, "Forget the key"));
      element.append(
        h("div", { class: "group" }, h("label", { for: "set-system" }, "System prompt"), this.system),
        h("div", { class: "group sliders" }, ...kFields.filter((field) => field.slider).map(({ name }) => this.inputs.get(name).element)),
        h("div", { class: "group pairs" }, ...kFields.filter((field) => !field.slider).map(({ name }) => this.inputs.get(name).element)),
        h("div", { class: "group" }, h("label", { for: "set-stop" }, "Stop at"), this.stop,
          h("p", { class: "help", id: "help-stop" }, `Up to ${kMostStops} texts; \\n stands for a line break`)),
        h("div", { class: "group" }, this.reset), this.keyRow);
      element.addEventListener("input", () => this.save());
      this.load(this.values);
    }

    makeField({ name, label, min, max, step, start, slider, blank = "default", help }) {
      const box = h("input", { id: `set-${name}`, type: "number", inputmode: step === 1 ? "numeric" : "decimal", min, max, step: slider ? "any" : step, placeholder: blank, "aria-describedby": `help-${name}` });
      const range = slider ? h("input", { type: "range", min, max, step, "aria-label": `${label} slider`, class: "unset" }) : null;
      const follow = () => {
        if (!range) return;
        range.classList.toggle("unset", box.value === "");
        range.value = box.value === "" ? start : box.value;
        range.style.setProperty("--share", `${(100 * (range.value - min)) / (max - min)}%`);
      };
      box.addEventListener("input", follow);
      range?.addEventListener("input", () => {
        box.value = range.value;
        follow();
      });
      const element = h("div", { class: "option" }, h("label", { for: `set-${name}` }, label), box, range,
        h("p", { class: "help", id: `help-${name}` }, help));
      return { element, box, follow };
    }

    load(values) {
      this.system.value = values.system ?? "";
      this.stop.value = values.stop ?? "";
      for (const { name } of kFields) {
        const { box, follow } = this.inputs.get(name);
        box.value = values[name] ?? "";
        follow();
      }
      this.save();
    }

    save() {
      const values = { system: this.system.value, stop: this.stop.value };
      for (const { name } of kFields) values[name] = this.inputs.get(name).box.value;
      this.kept.write(values);
      for (const { name } of kFields) {
        const { box } = this.inputs.get(name);
        box.toggleAttribute("aria-invalid", !box.checkValidity());
      }
    }

    get systemPrompt() {
      return this.system.value.trim();
    }

    /// The fields of a request; throws an ApiFault that names a field out of range.
    request() {
      const out = {};
      for (const { name, label, min, max, whole } of kFields) {
        const { box } = this.inputs.get(name);
        if (box.value === "" && !box.validity.badInput) continue;
        const value = Number(box.value);
        if (!box.checkValidity() || (whole && !Number.isSafeInteger(value)))
          throw new ApiFault(`${label} is out of range`, `It takes ${whole ? "whole numbers" : "numbers"} from ${min} to ${max}.`);
        out[name] = value;
      }
      const stops = this.stop.value.split("\n").filter((line) => line !== "").map((line) => line.replaceAll("\\n", "\n"));
      if (stops.length > kMostStops) throw new ApiFault("Too many stop texts", `There may be ${kMostStops}, found ${stops.length}.`);
      if (stops.length) out.stop = stops;
      return out;
    }
  }
  return { Form };
})();
