// Live counters of the workers: rates and levels, as small charts.

import { get, told } from "./api.js";
import { chart, KEPT } from "./chart.js";
import { counted, el, fill, oneAtATime, table } from "./dom.js";

const EVERY = 2000;

// What is shown: [title, counter, whether it is a rate, the label whose total stands for all].
const CHARTS = [
  ["Events", "records", true, "scrub"], // the auditor reads each of them again
  ["Findings by type", "findings", true],
  ["Quarantined by reason", "quarantined", true],
  ["Lag, records that wait", "lag", false],
  ["Leaks found", "leaks", false],
  ["Canaries that came out", "canary_leaks", false],
  ["Rule sets refused", "refused", false],
];

export function live() {
  const grid = el("div", { class: "grid" });
  const used = el("div", {});
  const state = el("p", { role: "status" });
  const series = new Map();
  let last = null;

  function take(found, when) {
    const seconds = last ? (when - last.when) / 1000 : 0;
    for (const [, counter, isRate] of CHARTS) {
      const labels = new Set([...Object.keys(found.totals[counter]), ...Object.keys(last?.totals[counter] ?? {})]);
      for (const label of labels) {
        const key = `${counter} ${label}`;
        const value = found.totals[counter][label] ?? 0;
        const before = last?.totals[counter][label] ?? 0;
        // A worker that was started anew counts from nothing again.
        const shown = isRate ? (seconds ? Math.max(0, value - before) / seconds : 0) : value;
        series.set(key, [...(series.get(key) ?? []), shown].slice(-KEPT));
      }
    }
    last = { totals: found.totals, when };
  }

  function show(found) {
    fill(state, found.workers ? `${counted(found.workers, "worker")} ${found.workers === 1 ? "answers" : "answer"}.` : "No worker answers at the ports of these settings; name them: --worker URL.");
    fill(
      grid,
      CHARTS.map(([title, counter, isRate, main]) => {
        const rows = Object.entries(found.totals[counter]).filter(([label, value]) => value > 0 || (counter !== "leaks" && label) || !label);
        const alarm = (counter === "leaks" || counter === "canary_leaks" || counter === "refused") && rows.some(([, value]) => value > 0);
        const counts = found.totals[counter];
        const total = main ? (counts[main] ?? 0) : Object.values(counts).reduce((sum, value) => sum + value, 0);
        return el(
          "section",
          { class: `card ${alarm ? "alarm" : ""}`, "aria-label": title },
          el("h3", {}, title),
          el("p", { class: "total" }, total.toLocaleString(), alarm && " ✖"),
          rows.map(([label, value]) => {
            const values = series.get(`${counter} ${label}`) ?? [];
            const now = values.at(-1) ?? 0;
            const said = isRate ? `${now.toFixed(now < 10 ? 1 : 0)}/s` : String(value);
            return el("div", { class: "serie" }, el("span", {}, label || "all"), chart(values, `${title} ${label}: ${said}`), el("span", {}, said));
          }),
        );
      }),
    );
    const rows = found.rule_sets.map((each) => [each.stage, each.identity, each.digest.slice(0, 12), String(each.workers)]);
    fill(used, rows.length > 0 && table("Rule sets at work", ["stage", "rule set", "digest", "workers"], rows));
  }

  const look = oneAtATime(async () => {
    if (!view.isConnected || document.hidden) return;
    try {
      const found = await get("/api/counters");
      take(found, Date.now());
      show(found);
    } catch (error) {
      fill(state, told(error));
    }
  });

  setInterval(look, EVERY);
  const view = el("div", {}, el("div", { class: "bar" }, el("h2", {}, "Live")), state, grid, used);
  return { view, shown: look };
}
