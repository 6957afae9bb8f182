// Two rule sets side by side: on the sample, on the corpus, and what differs in the sets themselves.

import { get, post, told } from "./api.js";
import { setName } from "./corpus.js";
import { draft } from "./draft.js";
import { el, field, fill, oneAtATime, table } from "./dom.js";
import { fate, marked, score, source, tip } from "./spans.js";
import { sample } from "./tune.js";

const DRAFT = "draft";

export function compare(state) {
  const sides = [el("select", {}), el("select", {})];
  const withCorpus = el("input", { type: "checkbox" });
  const pair = el("div", { class: "pair" });
  const differences = el("div", {});

  async function load() {
    const { sets } = await get("/api/sets");
    sides.forEach((select, index) => {
      const before = select.value;
      fill(select, el("option", { value: DRAFT }, "the draft"), sets.map((each) => el("option", { value: each.id }, setName(each))));
      const active = sets.find((each) => each.stage === "active") || sets.at(-1);
      const there = before === DRAFT || sets.some((each) => each.id === before);
      select.value = there ? before : index ? DRAFT : active.id;
    });
    await run();
  }

  const asked = (select) => (select.value === DRAFT ? draft.asked : { id: select.value });

  const run = oneAtATime(async () => {
    if (!sides[1].value) return; // it runs when the lists are there
    const wanted = { text: sample.text, event: sample.event, known: sample.known };
    fill(differences, el("p", { class: "busy" }, "Comparing …"));
    try {
      const [before, after] = await Promise.all(sides.map((select) => post("/api/try", { draft: asked(select), sample: wanted })));
      fill(pair, side(title(sides[0]), before, after, wanted.text), side(title(sides[1]), after, before, wanted.text));
      const found = await post("/api/compare", { before: asked(sides[0]), after: asked(sides[1]), corpus: withCorpus.checked });
      fill(differences, ...shown(found));
    } catch (error) {
      fill(differences, el("p", { class: "objection" }, told(error)));
    }
  });

  const standing = (trial) =>
    (trial.explanation?.strings ?? []).flatMap((each) => each.candidates).filter((each) => each.fate === "kept" || each.fate === "allowed");
  const same = (a, b) => a.place[0] === b.place[0] && a.place[1] === b.place[1] && a.type === b.type && a.fate === b.fate;

  /** Two sets may have one name and version: the draft has those of the set that it began as. */
  const title = (select) => select.selectedOptions[0].textContent;

  function side(called, own, other, text) {
    if (!own.explanation) {
      const why = own.objection || own.problems.map((each) => `${each.file}:${each.line} ${each.what}`).join("\n");
      return el("div", {}, el("h3", {}, called), el("p", { class: "objection" }, why));
    }
    const others = standing(other);
    const marks = standing(own).map((each) => {
      const alone = !others.some((one) => same(one, each));
      return {
        start: each.place[0],
        end: each.place[1],
        type: each.type,
        class: `${each.fate === "allowed" ? "passes" : ""} ${alone ? "alone" : ""}`,
        label: `${alone ? "only here: " : ""}${each.type} ${each.value}: ${fate(each)}, by ${source(each)}, score ${score(each)}`,
        tip: () => tip(each),
      };
    });
    return el("div", {}, el("h3", {}, called), el("pre", { class: "shown", tabindex: "0", "aria-label": called }, marked(text, marks)));
  }

  function shown(found) {
    const signs = { added: "+", removed: "−", changed: "~" };
    const rules = found.differences.map((each) => [signs[each.kind], each.part, each.name, each.what.join(", ")]);
    const counts = found.counts.map((each) => [
      signs[each.kind],
      [each.type, `type ${each.type}`],
      each.rule,
      String(each.number),
      each.what.join(", "),
      each.samples.map((one) => `${one.id}: …${one.left}«${one.value}»${one.right}…`).join("\n"),
    ]);
    return [
      el("h3", {}, `${found.before} → ${found.after}`),
      rules.length ? table("What differs in the rules", ["", "part", "name", "what"], rules) : el("p", {}, "The rules are the same."),
      found.texts > 0 && el("p", {}, `Findings change in ${found.changed_texts} of ${found.texts} samples of the corpus.`),
      counts.length > 0 && table("What changes in the corpus", ["", "type", "rule", "findings", "what", "samples"], counts),
    ];
  }

  const view = el(
    "div",
    {},
    el(
      "form",
      {
        class: "bar",
        onsubmit: (event) => {
          event.preventDefault();
          run();
        },
      },
      field("from", sides[0]),
      field("to", sides[1]),
      state.corpus && state.person.may_change && el("label", { class: "check" }, withCorpus, "also on the corpus"),
      el("button", { type: "submit", class: "primary" }, "Compare"),
    ),
    el("p", {}, "On the sample of the Tune view; what only one of the two finds is outlined."),
    pair,
    differences,
  );
  return { view, shown: () => load().catch((error) => fill(differences, el("p", { class: "objection" }, told(error)))) };
}
