// A small line chart of the last values, as SVG.

import { el } from "./dom.js";

const WIDTH = 240;
const HEIGHT = 48;

/** `values` from the oldest on; `told` is what a screen reader hears of it. */
export function chart(values, told) {
  const top = Math.max(1e-9, ...values);
  const step = WIDTH / Math.max(1, KEPT - 1);
  const offset = WIDTH - (values.length - 1) * step;
  const points = values.map((value, index) => `${(offset + index * step).toFixed(1)},${(HEIGHT - 3 - (value / top) * (HEIGHT - 6)).toFixed(1)}`);
  return el(
    "svg",
    { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, class: "chart", role: "img", preserveAspectRatio: "none" },
    el("title", {}, told),
    el("line", { x1: "0", x2: String(WIDTH), y1: String(HEIGHT - 3), y2: String(HEIGHT - 3), class: "axis" }),
    points.length > 1 && el("path", { d: `M${points.join("L")}`, class: "curve" }),
  );
}

export const KEPT = 120; // values of a chart: four minutes
