// Elements from data: text is always set as text, never parsed.
"use strict";

const byId = (id) => document.getElementById(id);

/// h("p", {class: "a", onclick: f}, "text", child): attributes by name, listeners by their on- name.
function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

function svg(tag, attributes = {}, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

const icon = (name) => svg("svg", { "aria-hidden": "true" }, svg("use", { href: `#i-${name}` }));
const setIcon = (button, name) => button.querySelector("use").setAttribute("href", `#i-${name}`);

/// What the browser keeps for us; private windows may keep nothing.
class Kept {
  constructor(storage, name) {
    this.storage = storage;
    this.name = `llmc.${name}`;
  }
  read(otherwise) {
    try {
      const text = window[this.storage].getItem(this.name);
      return text === null ? otherwise : JSON.parse(text);
    } catch {
      return otherwise;
    }
  }
  write(value) {
    try {
      if (value === null) window[this.storage].removeItem(this.name);
      else window[this.storage].setItem(this.name, JSON.stringify(value));
    } catch {
      // Full or forbidden: the value lives as long as the page.
    }
  }
}

/// The clipboard interface needs https or localhost; selecting works everywhere.
async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const area = h("textarea", { class: "unseen", readonly: true, "aria-hidden": "true" });
    area.value = text;
    document.body.append(area);
    const focused = document.activeElement;
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    focused?.focus();
    return done;
  }
}

function copyButton(text, label) {
  const button = h("button", { type: "button", class: "act", "aria-label": label, title: label }, icon("copy"), h("span", {}, "Copy"));
  button.addEventListener("click", async () => {
    const done = await copyText(text());
    setIcon(button, done ? "check" : "alert");
    button.lastChild.textContent = done ? "Copied" : "Not copied";
    setTimeout(() => {
      setIcon(button, "copy");
      button.lastChild.textContent = "Copy";
    }, 1500);
  });
  return button;
}
