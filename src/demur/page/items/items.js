"use strict";
// Keys and buttons of a page that shows one item at a time. Texts come from the server and are set as text,
// never as markup. The server decides what counts and which item comes next; a decision counts when it says so.
// The page's own script, which follows, has showItem(item).
const byId = (id) => document.getElementById(id);
const said = byId("keys").dataset;
const keys = new Map([...document.querySelectorAll("[data-label]")].map((b) => [b.querySelector("kbd").textContent, b]));
const acts = new Map([...document.querySelectorAll("[data-act]")].map((b) => [b.dataset.act, b]));
let place = null, total = 0, busy = false;

function line(kind, text) {
  const element = document.createElement(kind === "role" ? "p" : "div");
  element.className = kind;
  element.dir = "auto";
  element.textContent = text;
  return element;
}

function lines(messages) {
  return messages.flatMap((m) => (messages.length > 1 ? [line("role", m.role)] : []).concat(line("said", m.text)));
}

function show(state) {
  place = state.place;
  total = state.total;
  const item = state.item;
  byId("progress").max = total;
  byId("progress").value = state.labelled;
  byId("status").textContent = `${state.labelled} of ${total} ${said.decided}` + (item ? ` · ${said.item} ${place + 1}` : "");
  byId("item").hidden = !item;
  byId("done").hidden = state.labelled !== total;
  for (const button of keys.values()) {
    button.setAttribute("aria-pressed", String(Boolean(item) && item.label === button.dataset.label));
    button.disabled = !item;
  }
  if (!item) return;
  showItem(item);
  window.scrollTo(0, 0);
}

async function ask(path, body) {
  if (busy) return;
  busy = true;
  try {
    const options = body === undefined ? {} : {
      method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body),
    };
    const reply = await fetch(path, options);
    const state = await reply.json();
    if (!reply.ok) throw new Error(state.error);
    byId("trouble").hidden = true;
    show(state);
  } catch (error) {
    byId("trouble").textContent = `Not saved (${error.message}). Is ${said.command} still running? Start it again; what came before is on disk.`;
    byId("trouble").hidden = false;
    window.scrollTo(0, 0);
  } finally {
    busy = false;
  }
}

const go = {
  previous: () => ask(`item?place=${place === null ? total - 1 : Math.max(0, place - 1)}`),
  next: () => (place !== null && place + 1 < total ? ask(`item?place=${place + 1}`) : ask("item")),
  skip: () => ask(place === null ? "item" : `item?after=${place}`),
  undo: () => ask("undo", {}),
};
const decide = (button) => place !== null && ask("decide", { place, label: button.dataset.label });

for (const button of keys.values()) button.addEventListener("click", () => { decide(button); button.blur(); });
for (const [act, button] of acts) button.addEventListener("click", () => { go[act](); button.blur(); });
document.addEventListener("keydown", (event) => {
  if (event.repeat || event.ctrlKey || event.metaKey || event.altKey) return;
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  const act = { ArrowLeft: "previous", ArrowRight: "next", s: "skip", u: "undo" }[key];
  if (keys.has(key)) decide(keys.get(key));
  else if (act) go[act]();
  else return;
  event.preventDefault();
});
ask("item");
