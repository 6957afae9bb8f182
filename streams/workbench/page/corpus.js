// The team's corpus: label samples by selecting text, run a draft over them, misses first.

import { get, post, put, remove, told } from "./api.js";
import { draft } from "./draft.js";
import { counted, el, field, fill, oneAtATime, say, table } from "./dom.js";
import { marked } from "./spans.js";
import { length, pointsBefore, slicer } from "./text.js";

export function corpus(state, views) {
  const against = el("select", { "aria-label": "Compare with" });
  const results = el("div", {});
  const list = el("ul", { class: "samples" });
  const shown = el("pre", { class: "shown labelled", tabindex: "0", "aria-label": "Labelled sample" });
  const tools = el("div", { class: "bar" });
  const kinds = el("div", { class: "bar" });
  const labels = el("ul", { class: "labels" });
  const hint = el("p", {}, "Choose a sample to label what must be found in it.");
  const value = el("input", { type: "text", autocomplete: "off", spellcheck: "false" });
  const how = field("a value", value, "Select text in the sample, or type a value to label it wherever it stands; then say what it is.");
  const desk = el("div", { hidden: true }, tools, shown, how, kinds, labels);
  const served = state.corpus && state.person.may_change;
  let current = null;
  let selected = null;
  let asked = 0;

  async function load() {
    if (!served) return;
    try {
      const found = await get("/api/corpus");
      fill(
        list,
        found.samples.map((each) =>
          el(
            "li",
            {},
            el(
              "button",
              { type: "button", "aria-pressed": String(each.id) === String(current?.id) ? "true" : "false", onclick: () => open(each.id) },
              `${each.id} · ${counted(each.labels, "label")}${each.complete ? " · complete" : ""}`,
              el("small", {}, each.preview),
            ),
          ),
        ),
        found.samples.length === 0 && el("li", {}, "No samples yet: add one from the Tune view."),
      );
      await fillSets(against);
    } catch (error) {
      say(told(error), "bad");
    }
  }

  async function fillSets(select) {
    const { sets } = await get("/api/sets");
    const before = select.value;
    fill(select, sets.map((each) => el("option", { value: each.id }, setName(each))));
    select.value = sets.some((each) => each.id === before) ? before : (sets.find((each) => each.stage === "active") || sets.at(-1)).id;
  }

  async function open(id) {
    await change(() => get(`/api/corpus/samples/${encodeURIComponent(id)}`));
    load();
  }

  /** Do something that answers with a sample, and show it, unless another was asked for meanwhile. */
  async function change(work) {
    const mine = ++asked;
    try {
      const found = await work();
      if (mine !== asked) return;
      current = found;
      selected = null;
      show();
    } catch (error) {
      say(told(error), "bad");
    }
  }

  const path = (what) => `/api/corpus/samples/${encodeURIComponent(current.id)}${what}`;

  function show() {
    const slice = slicer(current.text);
    const marks = current.spans.map((each) => ({
      ...each,
      label: `${each.type} ${slice(each.start, each.end)}`,
      tip: () => [el("strong", {}, each.type), el("div", {}, each.q || "gold")],
    }));
    hint.hidden = true;
    desk.hidden = false;
    fill(shown, marked(current.text, marks));
    const types = state.types.map((type) =>
      el("button", { type: "button", class: `chip ${type}`, disabled: !selected && !value.value.trim(), onclick: () => label(type) }, type),
    );
    fill(
      tools,
      el("h3", {}, `Sample ${current.id}`),
      el("button", { type: "button", onclick: () => accept() }, "Accept what the draft finds"),
      el("button", { type: "button", onclick: () => tryIt() }, "Try it"),
      el("button", { type: "button", class: "danger", onclick: () => drop() }, "Remove"),
    );
    fill(kinds, types);
    fill(
      labels,
      current.spans.map((each) =>
        el(
          "li",
          {},
          el("span", { class: `chip ${each.type}` }, each.type),
          el("code", {}, slice(each.start, each.end)),
          el("button", { type: "button", "aria-label": `Take the label ${each.type} ${slice(each.start, each.end)} away`, onclick: () => unlabel(each) }, "Take away"),
        ),
      ),
    );
  }

  document.addEventListener("selectionchange", () => {
    const selection = document.getSelection();
    if (!current || !selection.rangeCount || !shown.isConnected) return;
    const range = selection.getRangeAt(0);
    if (!shown.contains(range.startContainer) || !shown.contains(range.endContainer)) return;
    const start = before(range.startContainer, range.startOffset);
    const text = range.toString();
    const lead = text.length - text.trimStart().length;
    const trimmed = text.trim();
    selected = trimmed ? { start: start + lead, end: start + lead + length(trimmed) } : null;
    allow();
  });
  value.addEventListener("input", allow);

  /** Types can be chosen when there is something to label. */
  function allow() {
    for (const button of kinds.querySelectorAll("button.chip")) button.disabled = !selected && !value.value.trim();
  }

  function before(node, offset) {
    const range = document.createRange();
    range.setStart(shown, 0);
    range.setEnd(node, offset);
    const text = range.toString();
    return pointsBefore(text, text.length);
  }

  async function label(type) {
    const typed = value.value.trim();
    const wanted = typed ? { values: [{ value: typed, type }] } : { labels: [{ ...selected, type }] };
    await change(async () => {
      const labelled = await post(path("/label"), wanted);
      value.value = "";
      return labelled;
    });
    load();
  }

  async function unlabel(each) {
    await change(() => post(path("/unlabel"), { labels: [{ start: each.start, end: each.end, type: each.type }] }));
    load();
  }

  async function accept() {
    await change(() => post(path("/accept"), { draft: draft.asked }));
    load();
  }

  function tryIt() {
    views.open("tune");
    views.take(current.text);
  }

  async function drop() {
    if (!confirm(`Remove sample ${current.id} from the corpus?`)) return;
    try {
      await remove(path(""));
      asked += 1;
      current = null;
      hint.hidden = false;
      desk.hidden = true;
      load();
    } catch (error) {
      say(told(error), "bad");
    }
  }

  const run = oneAtATime(async () => {
    fill(results, el("p", { class: "busy" }, "Running the corpus …"));
    try {
      if (!against.value) await fillSets(against); // somebody was quicker than the list
      const found = await post("/api/corpus/run", { draft: draft.asked, against: { id: against.value } });
      fill(results, ...outcome(found, open));
    } catch (error) {
      fill(results, el("p", { class: "objection" }, told(error)));
    }
  });

  async function accepted() {
    if (!confirm("Take today's recall as the baseline that no rule set may fall below?")) return;
    try {
      await put("/api/corpus/baseline", { draft: draft.asked });
      say("Accepted as the baseline");
      run();
    } catch (error) {
      say(told(error), "bad");
    }
  }

  const view = served
    ? el(
        "div",
        { class: "corpus" },
        el(
          "section",
          { "aria-label": "Run" },
          el("div", { class: "bar" }, el("h2", {}, `Corpus ${state.corpus}`), el("button", { type: "button", class: "primary", onclick: run }, "Run the draft"), el("span", {}, "compared with"), against, el("button", { type: "button", onclick: accepted }, "Accept as baseline")),
          results,
        ),
        el("section", { "aria-label": "Samples" }, el("h2", {}, "Samples"), list),
        el("section", { "aria-label": "Sample" }, el("h2", {}, "Label"), hint, desk),
      )
    : el("p", { class: "empty" }, state.corpus ? "The corpus holds real names: your account does not have the role that it takes to see it." : "There is no corpus: start the workbench with --corpus team.ndjson.");
  return {
    view,
    shown(id) {
      load();
      if (id) open(id);
    },
  };
}

/** A rule set of the list, as a person knows it. */
export const setName = (each) => {
  const where = { disk: "on disk", shipped: "shipped", published: each.stage || "published" }[each.origin];
  return `${each.identity} · ${where}${each.origin === "published" ? ` · ${each.id.slice(0, 8)}` : ""}`;
};

const percent = (share) => (share === null || share === undefined ? "–" : `${(100 * share).toFixed(1)} %`);
const recall = (tally) => (tally && tally.labels ? tally.found / tally.labels : null);
const precision = (tally) => (tally && tally.right + tally.wrong ? tally.right / (tally.right + tally.wrong) : null);

function move(before, after) {
  const text = before === after ? percent(after) : `${percent(before)} → ${percent(after)}`;
  const kind = before === null || after === null || before === after ? "" : after > before ? "better" : "worse";
  return [text + (kind === "better" ? " ▲" : kind === "worse" ? " ▼" : ""), kind];
}

function outcome({ before, after }, open) {
  const types = [...new Set([...Object.keys(before.tallies), ...Object.keys(after.tallies)])].sort();
  const rows = types.map((type) => {
    const [old, now] = [before.tallies[type], after.tallies[type]];
    return [
      [type, `type ${type}`],
      String(now?.labels ?? old?.labels ?? 0),
      move(recall(old), recall(now)),
      move(precision(old), precision(now)),
      after.fallen.includes(type) ? ["below the baseline", "worse"] : "holds",
    ];
  });
  const missed = new Set(before.misses.map(key));
  const verdict = after.fallen.length === 0 ? "The draft holds the baseline." : "The draft falls below the baseline.";
  return [
    el("p", { class: after.fallen.length ? "objection" : "fine", id: "verdict" }, `${before.now.rule_set} → ${after.now.rule_set}: ${verdict}`),
    table("Recall and precision", ["type", "labels", "recall", "precision", "baseline"], rows),
    el("h3", {}, `${after.misses.length} missed`),
    mistakes(after.misses, open, (each) => (missed.has(key(each)) ? "" : "new")),
    el("h3", {}, `${after.false_alarms.length} false alarms`),
    mistakes(after.false_alarms, open, (each) => each.rule),
  ];
}

const key = (each) => `${each.id} ${each.type} ${each.context}`;

function mistakes(found, open, note) {
  return el(
    "ul",
    { class: "mistakes" },
    found.slice(0, 100).map((each) =>
      el(
        "li",
        {},
        el("button", { type: "button", onclick: () => open(each.id) }, String(each.id)),
        el("span", { class: `chip ${each.type}` }, each.type),
        el("code", {}, each.context),
        note(each) && el("em", {}, note(each)),
      ),
    ),
    found.length > 100 && el("li", {}, `and ${found.length - 100} more`),
  );
}
