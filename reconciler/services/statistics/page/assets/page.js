"use strict";
// Takes what has changed into the page as it stands: focus, scroll, selection and open details stay where they are.

const QUIET_MS = 40000; // More than two beats of the server.
const AGAIN_MS = 5000;

const bar = document.getElementById("connection");
let source = null;
let quiet = 0;
let again = 0;
let last = new Date(bar.dataset.drawn);

function clock(date) {
  return date.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit" });
}

// Said only when it changes: a screen reader reads it out each time.
function say(state, words) {
  if (bar.dataset.state === state) return;
  bar.dataset.state = state;
  bar.firstElementChild.textContent = words;
}

function lost() {
  say("lost", `Not connected: this is how it was at ${clock(last)}`);
}

function alive() {
  last = new Date();
  say("live", "Live: updates by itself");
  clearTimeout(quiet);
  quiet = setTimeout(() => { lost(); begin(); }, QUIET_MS);
}

function sameKind(one, other) {
  return one.nodeType === other.nodeType && one.nodeName === other.nodeName;
}

function takeAttributes(have, want) {
  for (const { name } of [...have.attributes]) {
    // What the reader has opened stays open.
    if (!want.hasAttribute(name) && !(name === "open" && have.localName === "details")) have.removeAttribute(name);
  }
  for (const { name, value } of want.attributes) {
    if (have.getAttribute(name) !== value) have.setAttribute(name, value);
  }
}

function take(have, want) {
  if (have.nodeType !== Node.ELEMENT_NODE) {
    if (have.nodeValue !== want.nodeValue) have.nodeValue = want.nodeValue;
    return;
  }
  takeAttributes(have, want);
  const wanted = [...want.childNodes];
  wanted.forEach((child, at) => {
    const there = have.childNodes[at];
    if (!there) have.append(child);
    else if (sameKind(there, child)) take(there, child);
    else there.replaceWith(child);
  });
  while (have.childNodes.length > wanted.length) have.lastChild.remove();
}

function takeParts(parts) {
  for (const [id, html] of Object.entries(parts)) {
    const have = document.getElementById(id);
    const want = new DOMParser().parseFromString(html, "text/html").getElementById(id);
    if (have && want) take(have, document.adoptNode(want));
  }
  document.title = document.getElementById("glance").dataset.title;
}

function end() {
  clearTimeout(quiet);
  clearTimeout(again);
  if (source) source.close();
  source = null;
}

function begin() {
  end();
  if (document.hidden) return;
  source = new EventSource("/events");
  source.addEventListener("parts", (event) => { takeParts(JSON.parse(event.data)); alive(); });
  source.addEventListener("beat", alive);
  source.addEventListener("error", () => {
    lost();
    end();
    again = setTimeout(begin, AGAIN_MS * (0.5 + Math.random()));
  });
}

// A page that nobody sees costs the node nothing.
document.addEventListener("visibilitychange", () => {
  if (document.hidden) { end(); say("paused", `Paused: this is how it was at ${clock(last)}`); } else begin();
});
window.addEventListener("pagehide", end);
window.addEventListener("pageshow", (event) => { if (event.persisted) begin(); });
begin();
