"use strict";
// Asks again each second while the switch is on and somebody looks; all else works without this file.
const button = document.getElementById("live"), note = document.getElementById("note");
let call = null, timer = 0;

function say(words) {
  if (note.textContent !== words) note.textContent = words;
}

function show(page) {
  const selection = getSelection();
  for (const old of document.querySelectorAll("[data-live]")) {
    const fresh = page.getElementById(old.id);
    const inUse = old.contains(document.activeElement) || (!selection.isCollapsed && old.contains(selection.anchorNode));
    if (!fresh || inUse) continue;
    old.className = fresh.className;
    old.replaceChildren(...fresh.childNodes);
  }
  document.title = page.title;
}

async function ask() {
  let pause = 1;
  const mine = call = new AbortController();
  try {
    const headers = { Accept: "text/html" };
    const reply = await fetch(location.href, { headers, cache: "no-store", redirect: "error", signal: mine.signal });
    pause = Math.max(1, Number(reply.headers.get("Retry-After")) || 1);
    show(new DOMParser().parseFromString(await reply.text(), "text/html"));
    say(`Asking: ${reply.status}`);
  } catch {
    if (!mine.signal.aborted) say("Asking: this client does not answer");
  }
  if (call !== mine) return;
  call = null;
  if (!document.hidden) timer = setTimeout(ask, 1000 * pause);
}

function stop() {
  clearTimeout(timer);
  call?.abort();
  call = null;
}

function isOn() {
  return button.getAttribute("aria-checked") === "true";
}

button.hidden = false;
button.addEventListener("click", () => {
  button.setAttribute("aria-checked", !isOn());
  stop();
  say("");
  if (isOn()) ask();
});
document.addEventListener("visibilitychange", () => {
  stop();
  if (isOn() && !document.hidden) ask();
});
