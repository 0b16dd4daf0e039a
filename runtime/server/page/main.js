// Ties the parts together: connecting, the key, the panel, the keyboard.
"use strict";

(() => {
  const narrow = matchMedia("(max-width: 60rem)");
  const input = byId("input");
  const send = byId("send");
  const side = byId("side");
  const open = new Kept("localStorage", "panel");
  // On a phone focus would open the keyboard over what was just asked for.
  const focusInput = () => matchMedia("(pointer: coarse)").matches || input.focus();

  // --- theme ---
  function showTheme() {
    const now = document.documentElement.dataset.theme;
    setIcon(byId("theme"), now);
    const words = `Theme: ${now === "auto" ? "as the system" : now}`;
    byId("theme").setAttribute("aria-label", words);
    byId("theme").title = words;
  }
  byId("theme").addEventListener("click", () => {
    Theme.set(Theme.next());
    showTheme();
  });
  showTheme();

  // --- side panel and its tabs ---
  function showSide(shown, byHand = false) {
    side.classList.toggle("shut", !shown);
    side.inert = !shown;
    byId("toggle").setAttribute("aria-expanded", String(shown));
    // Where the panel lies over the conversation, only the panel can be reached.
    const covers = shown && narrow.matches;
    byId("veil").hidden = !covers;
    for (const part of document.querySelectorAll(".bar, .chat")) part.inert = covers;
    if (byHand && !narrow.matches) open.write(shown);
    if (byHand && narrow.matches) (shown ? byId("close") : byId("toggle")).focus();
  }
  const sideShown = () => !side.classList.contains("shut");
  byId("toggle").addEventListener("click", () => showSide(!sideShown(), true));
  byId("close").addEventListener("click", () => showSide(false, true));
  byId("veil").addEventListener("click", () => showSide(false, true));
  narrow.addEventListener("change", () => showSide(!narrow.matches && open.read(true)));
  showSide(!narrow.matches && open.read(true));

  const tabs = [byId("tab-live"), byId("tab-settings")];
  function showTab(tab) {
    for (const one of tabs) {
      one.setAttribute("aria-selected", String(one === tab));
      one.tabIndex = one === tab ? 0 : -1;
      byId(one.getAttribute("aria-controls")).hidden = one !== tab;
    }
  }
  for (const tab of tabs) {
    tab.addEventListener("click", () => showTab(tab));
    tab.addEventListener("keydown", (event) => {
      if (event.key !== "ArrowRight" && event.key !== "ArrowLeft") return;
      const other = tabs[1 - tabs.indexOf(tab)];
      showTab(other);
      other.focus();
    });
  }

  // --- parts ---
  const settings = new Settings.Form(byId("settings"));
  const chat = new Chat(settings, { onbusy: () => showSend(), onfault: (fault) => fault.status === 401 && lock(), onagain: focusInput });
  function showHealth(state, words) {
    byId("health").dataset.state = state;
    byId("health").lastElementChild.textContent = words;
  }
  const live = new Live.Panel(byId("live"), (state, words) => {
    showHealth(state, words);
    if (state === "locked") lock();
    if (state === "up" && !chat.model) connect();
  });

  // --- connecting ---
  let connecting = false;
  async function connect() {
    if (connecting) return;
    connecting = true;
    try {
      const models = await Api.models();
      const before = byId("model").value;
      byId("model").replaceChildren(...models.map(({ id }) => h("option", { value: id }, id)));
      if (models.some(({ id }) => id === before)) byId("model").value = before;
      byId("model").disabled = models.length < 2;
      chat.model = byId("model").value;
      document.title = `${chat.model} · llmc`;
      const version = await Api.version();
      byId("facts").textContent = `${chat.model} with a context of ${Live.number(models[0].max_model_len)} tokens, served by llmc ${version}.`;
      unlock();
    } catch (fault) {
      if (fault.status === 401) lock();
      else showHealth("down", fault.message);
    }
    connecting = false;
    showSend();
    live.lock(!byId("lock").hidden);
  }
  byId("model").addEventListener("change", () => (chat.model = byId("model").value));

  function lock() {
    byId("lock-text").textContent = Api.hasKey() ? "The key that was given is not one of the server's." : "It stays in this tab and is forgotten when the tab closes.";
    byId("lock").hidden = false;
    byId("welcome").hidden = true;
    chat.model = "";
    byId("model").replaceChildren(h("option", {}, "locked"));
    byId("model").disabled = true;
    showHealth("locked", "needs a key");
    live.lock(true);
    showSend();
    byId("key").value = "";
    byId("key").focus();
  }
  function unlock() {
    byId("lock").hidden = true;
    byId("welcome").hidden = chat.messages.length > 0;
    settings.keyRow.hidden = !Api.hasKey();
    focusInput();
  }
  byId("lock").addEventListener("submit", (event) => {
    event.preventDefault();
    Api.setKey(byId("key").value.trim());
    connect();
  });
  byId("forget").addEventListener("click", () => {
    Api.setKey("");
    settings.keyRow.hidden = true;
    connect();
  });

  // --- composing ---
  function showSend() {
    const busy = chat.busy;
    setIcon(send, busy ? "stop" : "send");
    send.classList.toggle("stops", busy);
    send.setAttribute("aria-label", busy ? "Stop" : "Send");
    send.title = busy ? "Stop (Esc)" : "Send (Enter)";
    send.disabled = !busy && (input.value.trim() === "" || !chat.model);
    for (const idea of byId("ideas").children) idea.disabled = !chat.model;
  }
  function grow() {
    input.style.height = "auto";
    input.style.height = `${Math.min(input.scrollHeight, 240)}px`;
  }
  function submit() {
    if (!chat.ask(input.value)) return;
    input.value = "";
    grow();
    showSend();
  }
  byId("composer").addEventListener("submit", (event) => {
    event.preventDefault();
    if (chat.busy) chat.stop();
    else submit();
    focusInput();
  });
  input.addEventListener("input", () => {
    grow();
    showSend();
  });
  input.addEventListener("keydown", (event) => {
    // Enter that ends an input method's word is not for us.
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    if (!chat.busy) submit();
  });
  function fresh() {
    chat.clear();
    showSend();
    focusInput();
  }
  byId("new").addEventListener("click", fresh);
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && chat.busy) chat.stop();
    else if (event.key === "Escape" && narrow.matches && sideShown()) showSide(false, true);
    else if (event.key.toLowerCase() === "o" && event.shiftKey && (event.ctrlKey || event.metaKey)) fresh();
    else return;
    event.preventDefault();
  });

  grow();
  showSend();
  connect();
})();
