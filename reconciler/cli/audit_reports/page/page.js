"use strict";
(() => {
  const id = (name) => document.getElementById(name);
  const table = id("table"), tools = id("tools"), map = id("map");
  const rows = [...table.tBodies[0].rows].map((row, order) => ({
    row, order, details: row.querySelector("details"), text: row.textContent.toLowerCase().replace(/\s+/g, " "),
    severities: new Set([...row.querySelectorAll("summary .pill")].map((pill) => pill.classList[1])),
    drawn: map && map.querySelector(`a[href="#${CSS.escape(row.id)}"]`),
  }));
  const levels = ["critical", "major", "minor", "note"];
  let sort = "state", down = false;

  const open = (target) => {
    const found = rows.find((one) => one.row.id === target);
    if (!found) return;
    if (found.row.hidden) { clear(); show(); }
    found.details.open = true;
    for (const one of rows) if (one.drawn) one.drawn.classList.toggle("picked", one === found);
    found.row.scrollIntoView({block: "start"});
    found.details.querySelector("summary").focus({preventScroll: true});
  };
  const clear = () => {
    id("text").value = id("severity").value = "";
    for (const button of tools.querySelectorAll("[data-state]")) button.setAttribute("aria-pressed", "false");
  };
  const chosen = () => [...tools.querySelectorAll("[data-state][aria-pressed=true]")].map((button) => button.dataset.state);
  const show = () => {
    const words = id("text").value.toLowerCase().split(/\s+/).filter(Boolean), states = chosen();
    const wanted = id("severity").value ? levels.slice(0, levels.indexOf(id("severity").value) + 1) : [];
    const filtered = Boolean(words.length || states.length || wanted.length);
    let count = 0;
    for (const one of rows) {
      const fits = (!states.length || states.includes(one.row.dataset.state)) && words.every((word) => one.text.includes(word))
        && (!wanted.length || wanted.some((level) => one.severities.has(level)));
      one.row.hidden = !fits;
      count += fits;
      if (one.drawn) one.drawn.classList.toggle("dim", !fits);
    }
    id("count").textContent = filtered ? `${count.toLocaleString("en")} of ${rows.length.toLocaleString("en")} nodes` : `${rows.length.toLocaleString("en")} nodes`;
    if (map) map.classList.toggle("filtered", filtered);
    id("nothing").hidden = count > 0;
    id("clear").hidden = !filtered;
  };
  const value = (one) => {
    const cell = {findings: 2, links: 3, exits: 4, taken: 5}[sort];
    return sort === "state" ? Number(one.row.dataset.rank) : Number(one.row.cells[cell].dataset.value);
  };
  const names = new Intl.Collator("en", {numeric: true});
  const order = () => {
    const by = sort === "node" ? (a, b) => names.compare(a.row.cells[0].textContent, b.row.cells[0].textContent) : (a, b) => value(a) - value(b);
    const sorted = [...rows].sort((a, b) => (down ? -by(a, b) : by(a, b)) || a.order - b.order);
    table.tBodies[0].append(...sorted.map((one) => one.row));
    for (const head of table.tHead.rows[0].cells) {
      if (head.dataset.sort === sort) head.setAttribute("aria-sort", down ? "descending" : "ascending");
      else head.removeAttribute("aria-sort");
    }
  };
  const remember = () => {
    const said = new URLSearchParams();
    if (id("text").value) said.set("text", id("text").value);
    if (chosen().length) said.set("state", chosen().join(","));
    if (id("severity").value) said.set("severity", id("severity").value);
    if (sort !== "state" || down) said.set("sort", (down ? "-" : "") + sort);
    const words = said.toString();
    history.replaceState(null, "", words ? `#?${words}` : location.pathname + location.search);
  };
  const recall = () => {
    if (!location.hash.startsWith("#?")) return open(decodeURIComponent(location.hash.slice(1)));
    const said = new URLSearchParams(location.hash.slice(2));
    const states = (said.get("state") || "").split(",");
    id("text").value = said.get("text") || "";
    id("severity").value = levels.includes(said.get("severity")) ? said.get("severity") : "";
    for (const button of tools.querySelectorAll("[data-state]")) button.setAttribute("aria-pressed", String(states.includes(button.dataset.state)));
    const wish = said.get("sort") || "state";
    down = wish.startsWith("-");
    sort = wish.replace(/^-/, "");
    if (!table.tHead.querySelector(`[data-sort="${CSS.escape(sort)}"]`)) { sort = "state"; down = false; }
    order();
    show();
  };

  if (tools) {
    tools.hidden = false;
    tools.addEventListener("submit", (event) => event.preventDefault());
    let waiting = 0;
    id("text").addEventListener("input", () => {
      clearTimeout(waiting);
      waiting = setTimeout(() => { show(); remember(); }, rows.length > 300 ? 120 : 0);
    });
    id("severity").addEventListener("change", () => { show(); remember(); });
    tools.addEventListener("click", (event) => {
      const button = event.target.closest("[data-state]");
      if (!button) return;
      button.setAttribute("aria-pressed", String(button.getAttribute("aria-pressed") !== "true"));
      show();
      remember();
    });
    id("clear").addEventListener("click", () => { clear(); show(); remember(); id("text").focus(); });
    id("unfold").addEventListener("click", () => {
      const unfold = id("unfold").getAttribute("aria-pressed") !== "true";
      id("unfold").setAttribute("aria-pressed", String(unfold));
      for (const one of rows) if (!one.row.hidden || !unfold) one.details.open = unfold;
    });
    for (const head of table.tHead.querySelectorAll("[data-sort]")) {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => {
        // What there is most of is looked for first; names and states begin with the first and the worst.
        down = sort === head.dataset.sort ? !down : !["node", "state"].includes(head.dataset.sort);
        sort = head.dataset.sort;
        order();
        remember();
      });
    }
    for (const rule of document.querySelectorAll("[data-rule]")) {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "rule";
      button.textContent = rule.textContent;
      button.addEventListener("click", () => { clear(); id("text").value = rule.textContent; show(); remember(); id("nodes").scrollIntoView(); });
      rule.replaceChildren(button);
    }
    addEventListener("hashchange", recall);
    if (location.hash) recall();
  }
  if (map) {
    const nodes = [...map.querySelectorAll("a")], spot = (node) => node.querySelector(".hit").getBoundingClientRect();
    // One stop for Tab; arrows go on to the nearest in their direction.
    nodes.forEach((node, number) => node.setAttribute("tabindex", number ? "-1" : "0"));
    const toward = {ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1]};
    map.addEventListener("keydown", (event) => {
      const here = event.target.closest("a"), way = toward[event.key];
      if (!here || !way) return;
      event.preventDefault();
      const from = spot(here);
      let best = null, least = Infinity;
      for (const node of nodes) {
        const to = spot(node), x = to.x + to.width / 2 - from.x - from.width / 2, y = to.y + to.height / 2 - from.y - from.height / 2;
        const along = x * way[0] + y * way[1], across = Math.abs(x * way[1]) + Math.abs(y * way[0]);
        if (node !== here && along > 1 && along + 2 * across < least) { least = along + 2 * across; best = node; }
      }
      if (!best) return;
      here.setAttribute("tabindex", "-1");
      best.setAttribute("tabindex", "0");
      best.focus();
    });
    map.addEventListener("click", (event) => {
      const node = event.target.closest("a");
      if (node && node.getAttribute("href") === location.hash) open(decodeURIComponent(location.hash.slice(1)));
    });
  }
  let folded = [];
  addEventListener("beforeprint", () => {
    folded = rows.filter((one) => !one.details.open && one.row.dataset.state !== "in-sync");
    for (const one of folded) one.details.open = true;
  });
  addEventListener("afterprint", () => { for (const one of folded) one.details.open = false; });
})();
