// Light, dark or the system's choice; runs before the first paint, so that nothing flashes.
"use strict";

const Theme = {
  order: ["auto", "light", "dark"],
  get() {
    try {
      const kept = localStorage.getItem("llmc.theme");
      return Theme.order.includes(kept) ? kept : "auto";
    } catch {
      return "auto"; // storage is off
    }
  },
  set(name) {
    try {
      localStorage.setItem("llmc.theme", name);
    } catch {
      // It holds until the page closes.
    }
    document.documentElement.dataset.theme = name;
  },
  next() {
    return Theme.order[(Theme.order.indexOf(document.documentElement.dataset.theme) + 1) % Theme.order.length];
  },
};
document.documentElement.dataset.theme = Theme.get();
