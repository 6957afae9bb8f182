// The main view: rules on one side, a sample before and after on the other.

import { get, post, put, told } from "./api.js";
import { draft } from "./draft.js";
import { editor } from "./editor.js";
import { counted, el, field, fill, later, oneAtATime, say, table } from "./dom.js";
import { drawSealed } from "./sealed.js";
import { fate, hideTip, marked, score, source, tip } from "./spans.js";
import { indented, pointsBefore, slicer } from "./text.js";

const TYPING = 15; // ms without a key before the sample is tried: several at once are one
const PAUSE = 900; // ms without a key before lint is asked, which takes seconds
const FIELDS = "zz-fields.yaml"; // behind the files that the rule set has
const EXAMPLE = '{"tenant":"acme","host":{"name":"UTICA"},"message":"UTICA logged on from 10.20.1.2 as \\\\\\\\UTICA\\\\c$"}';

/** What the other views may want to know of the last trial. */
export const sample = { text: EXAMPLE, event: true, known: [], trial: null };

export function tune(state, views) {
  const own = editor((text) => draft.edit(text));
  const files = el("div", { class: "files", role: "group", "aria-label": "Files of the rule set" });
  const list = el("ul", { class: "problems" });
  const title = el("h3", { id: "problems-title" });
  const save = el("button", { type: "button", onclick: () => saved(state, views) }, "Save to disk");
  const revert = el("button", { type: "button", onclick: () => reverted() }, "Revert");
  const drop = el("button", { type: "button", onclick: () => dropFile() }, "Remove file …");
  const text = el("textarea", { class: "sample", spellcheck: "false", autocomplete: "off", rows: "5", "aria-label": "Sample: an event or a text" });
  const event = el("input", { type: "checkbox" });
  const known = el("input", { type: "text", placeholder: "utica, web-7", autocomplete: "off", spellcheck: "false" });
  const before = el("pre", { class: "shown", id: "before", tabindex: "0", "aria-label": "Before" });
  const after = el("pre", { class: "shown", id: "after", tabindex: "0", "aria-label": "After" });
  const objection = el("p", { class: "objection", role: "alert" });
  const took = el("output", { id: "took" });
  const facts = el("div", { class: "facts", "aria-live": "polite" });
  const candidates = el("div", {});
  let shown = null; // the text that Before shows
  let lint = [];
  let flaws = [];

  function showFiles() {
    fill(
      files,
      draft.files.map((file) => {
        const bad = problems().filter((each) => each.file === file.name && each.severity === "error").length;
        const label = `${draft.isChanged(file) ? "● " : ""}${file.name}${bad ? ` ✖${bad}` : ""}`;
        const pressed = file.name === draft.current ? "true" : "false";
        return el("button", { type: "button", "aria-pressed": pressed, onclick: () => draft.show(file.name) }, label);
      }),
    );
    save.hidden = !state.disk;
    save.disabled = draft.id !== "disk" || !draft.dirty || !state.person.may_change;
    save.title = draft.id === "disk" ? "" : "Open the rules on disk to save there";
    revert.disabled = !draft.dirty;
    drop.disabled = draft.files.length < 2;
  }

  const problems = () => (flaws.length ? flaws : lint);

  function showProblems() {
    const found = problems();
    own.mark(found.filter((each) => each.file === draft.current));
    const errors = found.filter((each) => each.severity === "error").length;
    title.textContent = found.length ? `${counted(errors, "error")}, ${counted(found.length - errors, "warning")}` : "No problems";
    fill(
      list,
      found.slice(0, 100).map((each) =>
        el(
          "li",
          { class: each.severity },
          el("button", { type: "button", onclick: () => jump(each) }, `${each.file}${each.line ? `:${each.line}` : ""}`),
          ` ${each.rule ? `${each.rule}: ` : ""}${each.what}`,
          el("small", {}, each.mend),
        ),
      ),
      found.length > 100 && el("li", {}, `and ${found.length - 100} more`),
    );
    showFiles();
  }

  function jump(problem) {
    if (problem.file !== draft.current && draft.files.some((file) => file.name === problem.file)) draft.show(problem.file);
    own.go(Math.max(1, problem.line));
  }

  const attempt = oneAtATime(async () => {
    const wanted = { text: sample.text, event: sample.event, known: sample.known };
    try {
      const trial = await post("/api/try", { draft: draft.asked, sample: wanted });
      flaws = trial.problems;
      sample.trial = trial;
      showTrial(trial, wanted);
    } catch (error) {
      objection.textContent = told(error);
    }
    showProblems();
  });

  const inspect = oneAtATime(async () => {
    title.textContent = "Checking …";
    try {
      lint = (await post("/api/lint", { draft: draft.asked })).problems;
    } catch (error) {
      say(told(error), "bad");
    }
    showProblems();
  });

  const attemptSoon = later(TYPING, attempt);
  const inspectSoon = later(PAUSE, inspect);

  function showTrial(trial, wanted) {
    objection.textContent = trial.objection || (trial.problems.length ? "The rules have errors: mend them to see what they find." : "");
    document.getElementById("identity").textContent = trial.rule_set || "with errors";
    hideTip();
    if (!trial.explanation) return shown === wanted.text ? undefined : showPlain(wanted.text);
    shown = wanted.text;
    took.textContent = `· ${trial.milliseconds.toFixed(0)} ms`;
    const found = trial.explanation.strings.flatMap((each) => each.candidates.map((one) => ({ ...one, string: each })));
    const standing = found.filter((each) => each.fate === "kept" || each.fate === "allowed");
    const mark = (each) => ({
      start: each.place[0],
      end: each.place[1],
      type: each.type,
      class: each.fate === "allowed" || each.becomes === each.value ? "passes" : "",
      label: `${each.type} ${each.value}: ${fate(each)}, by ${source(each)}, score ${score(each)}`,
      tip: () => tip(each),
      onclick: () => explain(each.string, each.type),
    });
    fill(before, marked(wanted.text, standing.map(mark)));
    fill(after, replaced(wanted.text, trial.explanation.edits, standing));
    showCandidates(found);
    const learned = trial.explanation.learned.map((each) => `${each.value} (${each.type})`).join(", ");
    fill(facts, learned && el("p", {}, `Learned from it, and found anywhere from now on: ${learned}`));
  }

  /** A text that could not be tried: findings of the one before it would mislead. */
  function showPlain(text) {
    shown = text;
    took.textContent = "";
    fill(before, text);
    for (const each of [after, facts, candidates]) fill(each);
  }

  function showCandidates(found) {
    const rows = found.map((each) => [
      [each.type, `type ${each.type}`],
      each.value,
      fate(each),
      source(each),
      score(each),
      each.string.path || "text",
    ]);
    fill(candidates, rows.length ? table("Every candidate", ["type", "value", "fate", "rule", "score", "where"], rows) : "No rule matches anywhere in it.");
  }

  /** What is known of the string that was pointed at; and a field rule for it, if it stands in a field. */
  function explain(string, type = "COMPUTER_NAME") {
    const rule = string.field ? `field rule ${string.field} (${string.selector})` : "no field rule";
    const where = string.path || "the text";
    const chosen = el("select", {}, state.types.map((each) => el("option", { value: each, selected: each === type }, each)));
    const selector = selectorOf(string.path);
    const form = el(
      "form",
      {
        class: "inline",
        onsubmit: (event) => {
          event.preventDefault();
          addFieldRule(selector, chosen.value);
        },
      },
      field("as", chosen),
      el("button", { type: "submit" }, `Add field rule ${selector}`),
    );
    fill(
      facts,
      el("p", {}, `${where}${string.is_key ? " (a name)" : ""}: ${rule}; ${counted(string.candidates.length, "candidate")}.`),
      string.path && !string.is_key && !string.field && selector && form,
    );
  }

  /** Field rules that are made here have a file of their own. */
  function addFieldRule(selector, type) {
    const name = selector.replace(/[^A-Za-z0-9]+/g, "-").replace(/^-|-$/g, "").toLowerCase();
    const rule = `  - {name: ${name}-${type.toLowerCase().replace("_", "-")}, type: ${type}, paths: ["${selector}"]}\n`;
    if (!draft.files.some((file) => file.name === FIELDS)) draft.add(FIELDS, `fields:\n${rule}`);
    else {
      draft.show(FIELDS);
      own.append(rule);
    }
    say(`Field rule for ${selector} added to ${FIELDS}`);
  }

  function freeName(stem) {
    let number = 1;
    while (draft.files.some((file) => file.name === `zz-${stem}-${number}.yaml`)) number += 1;
    return `zz-${stem}-${number}.yaml`;
  }

  function newFile() {
    const name = prompt("Name of the new file (files are read in the order of their names)", freeName("ours"));
    if (!name) return;
    if (draft.files.some((file) => file.name === name)) return say("There is a file of that name", "bad");
    draft.add(name, "recognizers:\n");
    own.go(2);
  }

  function dropFile() {
    if (confirm(`Take ${draft.current} out of the draft?`)) draft.drop(draft.current);
  }

  function reverted() {
    if (confirm("Throw your changes away, and open the files as they are now?")) openSet(draft.id);
  }

  before.addEventListener("click", (clicked) => {
    const trial = sample.trial;
    const at = offsetIn(before, clicked);
    if (clicked.target.closest("mark") || at === null || !trial?.explanation) return;
    const strings = trial.explanation.strings.filter((each) => !each.spared && each.place[0] <= at && at <= each.place[1]);
    const closest = strings.sort((a, b) => a.place[1] - a.place[0] - (b.place[1] - b.place[0]))[0];
    if (closest) explain(closest);
  });

  function take(value, isEvent) {
    text.value = value;
    event.checked = isEvent ?? looksLikeEvent(value);
    read();
    attempt();
  }

  function read() {
    sample.text = text.value;
    sample.event = event.checked;
    sample.known = known.value.split(/[,\s]+/).filter(Boolean);
  }

  text.addEventListener("input", () => {
    event.checked = looksLikeEvent(text.value);
    read();
    attemptSoon();
  });
  for (const each of [event, known]) each.addEventListener("input", () => (read(), attemptSoon()));

  draft.addEventListener("change", ({ detail }) => {
    if (detail === "opened" || detail === "shown") own.open(draft.current, draft.file?.text ?? "");
    if (detail === "opened") lint = [];
    showFiles();
    if (detail === "shown") return showProblems();
    attemptSoon();
    inspectSoon();
  });

  const addSample = el("button", { type: "button", onclick: () => addToCorpus(views) }, "Add to the corpus");
  addSample.hidden = !state.corpus || !state.person.may_change;
  const draw = el("button", { type: "button", onclick: () => drawSealed(take) }, "Draw a sealed sample …");
  draw.hidden = !state.person.may_change;

  const view = el(
    "div",
    { class: "tune" },
    el(
      "section",
      { "aria-label": "Rules" },
      el("div", { class: "bar" }, el("h2", {}, "Rules"), el("button", { type: "button", onclick: () => newFile() }, "New file …"), drop, revert, save),
      files,
      own.box,
      title,
      list,
    ),
    el(
      "section",
      { "aria-label": "Sample" },
      el("div", { class: "bar" }, el("h2", {}, "Sample"), addSample, draw, el("button", { type: "button", onclick: () => indent() }, "Indent"), el("button", { type: "button", onclick: () => take("", false) }, "Clear")),
      text,
      el("div", { class: "row" }, el("label", { class: "check" }, event, "an event (JSON; the tenant's id is spared)"), field("names known beforehand", known)),
      objection,
      el("div", { class: "pair" }, el("div", {}, el("h3", {}, "Before"), before), el("div", {}, el("h3", {}, "After ", took), after)),
      facts,
      el("details", {}, el("summary", {}, "Why: every candidate, and what became of it"), candidates),
      el("p", { class: "legend" }, state.types.map((type) => el("span", { class: `chip ${type}` }, type))),
    ),
  );

  function indent() {
    const pretty = indented(text.value);
    if (pretty === null) return say("It is not JSON", "bad");
    take(pretty);
  }

  return {
    view,
    take,
    shown() {
      own.open(draft.current, draft.file?.text ?? "");
      text.value = sample.text;
      event.checked = sample.event;
      known.value = sample.known.join(", ");
      attempt();
      inspectSoon();
    },
  };
}

/** The text after the edits, each marked by the type of what stood there. */
export function replaced(text, edits, standing) {
  const slice = slicer(text);
  const nodes = [];
  let position = 0;
  for (const edit of edits) {
    const each = standing.find((one) => one.place[0] < edit.end && edit.start < one.place[1]);
    nodes.push(slice(position, edit.start));
    const label = `${each?.type ?? ""} ${edit.text}`;
    nodes.push(...marked(edit.text, [{ start: 0, end: edit.text.length, type: each?.type ?? "", text: edit.text, label, tip: () => (each ? tip(each) : []) }]));
    position = edit.end;
  }
  nodes.push(slice(position));
  return nodes;
}

export function looksLikeEvent(text) {
  try {
    return typeof JSON.parse(text) === "object";
  } catch {
    return false;
  }
}

/** `**.host.name` of `/device/host/name`; array positions are any. */
function selectorOf(pointer) {
  const steps = pointer.split("#").at(-1).split("/").slice(1).map((step) => step.replace(/~1/g, "/").replace(/~0/g, "~"));
  const names = steps.map((step) => (/^\d+$/.test(step) ? "*" : step)).slice(-2);
  while (names.length && names[0] === "*") names.shift();
  return names.length && names.every((name) => /^[\w.*-]+$/.test(name)) ? `**.${names.join(".")}` : "";
}

/** Which code point of the shown text was clicked. */
function offsetIn(shown, clicked) {
  const range = document.caretRangeFromPoint?.(clicked.clientX, clicked.clientY);
  if (!range || !shown.contains(range.startContainer)) return null;
  const ahead = document.createRange();
  ahead.setStart(shown, 0);
  ahead.setEnd(range.startContainer, range.startOffset);
  const text = ahead.toString();
  return pointsBefore(text, text.length);
}

async function addToCorpus(views) {
  try {
    const added = await post("/api/corpus", { text: sample.text });
    say(`Sample ${added.id} is in the corpus; label what must be found in it`);
    views.open("corpus", String(added.id));
  } catch (error) {
    say(told(error), "bad");
  }
}

async function saved(state, views) {
  try {
    draft.saved(await put("/api/sets/disk", { files: draft.files, stamp: draft.stamp }));
    say(`Saved to ${state.disk}`);
    views.sets();
  } catch (error) {
    say(told(error), "bad");
  }
}

let opening = 0;

/** Open a rule set of the list; of several it is the one that was chosen last. */
export async function openSet(id) {
  const mine = ++opening;
  try {
    const found = await get(`/api/sets/${encodeURIComponent(id)}`);
    if (mine === opening) draft.open(found);
  } catch (error) {
    say(told(error), "bad");
  }
}
