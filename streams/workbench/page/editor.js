// An editor for rule files: a text area, with line numbers and problems at their lines drawn beneath it.

import { el, fill } from "./dom.js";

const LINE = 20; // pixels, as in style.css
const TOKEN = /(#.*$)|("(?:[^"\\]|\\.)*"|'(?:[^']|'')*')|(^\s*-?\s*[\w$.*-]+(?=\s*:))|([\w-]+(?=:\s))|(«[^»]*»)/gm;
const PLACE = /^\w+(\.\w+)+: /; // of a problem in the file: at its line it needs none
const KINDS = ["comment", "string", "name", "name", "example"];

/** Makes one; `changed(text)` is called with every edit. */
export function editor(changed) {
  const gutter = el("div", { class: "gutter", "aria-hidden": "true" });
  const under = el("pre", { class: "under", "aria-hidden": "true" });
  const area = el("textarea", {
    class: "code",
    spellcheck: "false",
    autocapitalize: "off",
    autocomplete: "off",
    wrap: "off",
    "aria-label": "Rule file",
    "aria-describedby": "problems-title",
  });
  const box = el("div", { class: "editor" }, gutter, el("div", { class: "sheet" }, under, area));
  let problems = new Map();

  function draw() {
    const lines = area.value.split("\n");
    fill(gutter, lines.map((_, index) => number(index + 1, problems.get(index + 1))));
    fill(under, lines.map((text, index) => line(text, problems.get(index + 1))));
    follow();
  }

  function follow() {
    under.style.transform = `translate(${-area.scrollLeft}px, ${-area.scrollTop}px)`;
    gutter.style.transform = `translateY(${-area.scrollTop}px)`;
  }

  area.addEventListener("scroll", follow);
  area.addEventListener("input", () => {
    draw();
    changed(area.value);
  });
  area.addEventListener("keydown", (event) => {
    if (event.isComposing || event.ctrlKey || event.altKey || event.metaKey) return;
    if (event.key === "Enter") keepIndentation(event, area);
    if (event.key === "Backspace") stepBack(event, area);
  });

  return {
    box,
    /** Another file. */
    open(name, text) {
      area.value = text;
      area.setAttribute("aria-label", `Rule file ${name}`);
      problems = new Map();
      draw();
      area.scrollTop = 0;
    },
    /** The problems of this file, `{line, severity, what}`. */
    mark(found) {
      problems = new Map();
      for (const each of found) {
        const there = problems.get(each.line);
        if (!there || each.severity === "error") problems.set(each.line, each);
      }
      area.setAttribute("aria-invalid", found.some((each) => each.severity === "error") ? "true" : "false");
      draw();
    },
    /** Go to a line. */
    go(wanted) {
      const lines = area.value.split("\n");
      const start = lines.slice(0, wanted - 1).reduce((sum, text) => sum + text.length + 1, 0);
      area.focus();
      area.setSelectionRange(start, start + (lines[wanted - 1] || "").length);
      area.scrollTop = Math.max(0, (wanted - 6) * LINE);
    },
    /** Add lines at the end, and go there. */
    append(text) {
      const at = area.value.split("\n").length;
      area.value = `${area.value.replace(/\n*$/, "\n")}${text}`;
      area.dispatchEvent(new Event("input"));
      this.go(at);
    },
    get text() {
      return area.value;
    },
    focus: () => area.focus(),
  };
}

function number(value, problem) {
  const attributes = problem ? { class: problem.severity, title: problem.what } : {};
  return el("div", attributes, problem ? (problem.severity === "error" ? "✖ " : "▲ ") : "", String(value));
}

function line(text, problem) {
  const pieces = [];
  let position = 0;
  for (const match of text.matchAll(TOKEN)) {
    pieces.push(text.slice(position, match.index));
    const kind = KINDS[match.slice(1).findIndex((group) => group !== undefined)];
    pieces.push(el("span", { class: kind }, match[0]));
    position = match.index + match[0].length;
  }
  pieces.push(text.slice(position));
  const told = problem && el("span", { class: "problem" }, `  ${problem.what.replace(PLACE, "")}`);
  return el("div", { class: problem ? `line ${problem.severity}` : "line" }, pieces, told, text || told ? "" : " ");
}

/** A new line begins where the one before it did, behind `- name: …` two further; through the browser's own undo. */
function keepIndentation(event, area) {
  const before = lineBefore(area);
  const [indentation] = /^ */.exec(before);
  const deeper = /^ *- [\w-]+:(\s|$)/.test(before) ? "  " : "";
  if (!indentation && !deeper) return;
  event.preventDefault();
  document.execCommand("insertText", false, `\n${indentation}${deeper}`);
}

/** Backspace in the indentation takes a level away. */
function stepBack(event, area) {
  const { selectionStart: at, selectionEnd: end } = area;
  if (at !== end || !/^( {2})+$/.test(lineBefore(area))) return;
  event.preventDefault();
  area.setSelectionRange(at - 2, at);
  document.execCommand("delete");
}

/** The line of the caret, up to it. */
function lineBefore(area) {
  const before = area.value.slice(0, area.selectionStart);
  return before.slice(before.lastIndexOf("\n") + 1);
}
