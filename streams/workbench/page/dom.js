// Elements without a template language: every text goes in as text, never as markup.

/** An element: `el("p", {class: "x", onclick: f}, "text", child)`. */
export function el(name, attributes = {}, ...children) {
  const svg = name === "svg" || name === "path" || name === "line" || name === "title";
  const made = svg ? document.createElementNS("http://www.w3.org/2000/svg", name) : document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (key in made && typeof value !== "string" && !svg) made[key] = value;
    else made.setAttribute(key, value === true ? "" : value);
  }
  made.append(...children.flat().filter((child) => child !== undefined && child !== null && child !== false));
  return made;
}

/** Put children in the place of those that are there. */
export function fill(parent, ...children) {
  parent.replaceChildren(...children.flat().filter((child) => child !== undefined && child !== null && child !== false));
  return parent;
}

/** `1 error`, `2 errors`. */
export const counted = (number, what) => `${number} ${what}${number === 1 ? "" : "s"}`;

export const $ = (id) => document.getElementById(id);

/** A labelled field. */
export function field(label, control, hint) {
  control.id ||= `f${(field.count = (field.count || 0) + 1)}`;
  return el("div", { class: "field" }, el("label", { for: control.id }, label), control, hint && el("small", {}, hint));
}

/** A table from head cells and rows of cells; a cell is a text, a node, or [text, class]. */
export function table(caption, head, rows) {
  const cell = (value) => (Array.isArray(value) ? el("td", { class: value[1] }, value[0]) : el("td", {}, value ?? ""));
  return el(
    "div",
    { class: "wide", role: "region", "aria-label": caption, tabindex: "0" },
    el(
      "table",
      {},
      el("caption", {}, caption),
      el("thead", {}, el("tr", {}, head.map((text) => el("th", { scope: "col" }, text)))),
      el("tbody", {}, rows.map((row) => el("tr", {}, row.map(cell)))),
    ),
  );
}

/** Say something to everybody, screen readers too; it goes after a while. */
export function say(text, kind = "") {
  const said = $("said");
  const line = el("p", { class: kind }, text);
  said.append(line);
  setTimeout(() => line.remove(), kind === "bad" ? 12000 : 6000);
}

/** What a person did not do yet, done later: the last call within `ms` counts. */
export function later(ms, work) {
  let timer;
  return (...given) => {
    clearTimeout(timer);
    timer = setTimeout(() => work(...given), ms);
  };
}

/** Only one at a time; what comes meanwhile is done once afterwards, with the latest. */
export function oneAtATime(work) {
  let busy = false;
  let next;
  return async function run(...given) {
    if (busy) {
      next = given;
      return;
    }
    busy = true;
    try {
      await work(...given);
    } finally {
      busy = false;
      if (next) {
        const again = next;
        next = undefined;
        run(...again);
      }
    }
  };
}
