// A text with its findings in it: coloured by type, and what a rule says of each on hover and focus.

import { $, el } from "./dom.js";
import { slicer } from "./text.js";

let described = null; // the mark whose tooltip is shown
let leaving;

/** The text as nodes; marks are `{start, end, type, tip, label, class, onclick}` in code points, and do not overlap. */
export function marked(text, marks) {
  const slice = slicer(text);
  const nodes = [];
  let position = 0;
  for (const mark of [...marks].sort((a, b) => a.start - b.start)) {
    if (mark.start < position) continue;
    nodes.push(slice(position, mark.start));
    nodes.push(
      el(
        "mark",
        {
          class: `${mark.type} ${mark.class || ""}`,
          tabindex: "0",
          "aria-label": mark.label,
          role: mark.onclick ? "button" : "note",
          onmouseenter: (event) => show(event.currentTarget, mark.tip),
          onfocus: (event) => show(event.currentTarget, mark.tip),
          onmouseleave: hideSoon,
          onblur: hideTip,
          onclick: mark.onclick,
          onkeydown: (event) => {
            if (!mark.onclick || (event.key !== "Enter" && event.key !== " ")) return;
            event.preventDefault();
            mark.onclick(event);
          },
        },
        mark.text ?? slice(mark.start, mark.end),
      ),
    );
    position = mark.end;
  }
  nodes.push(slice(position));
  return nodes;
}

/** What became of a candidate, in words. */
export function fate(each) {
  const by = each.by && `${each.by.type} by ${each.by.rule} (${each.by.score.toFixed(2)})`;
  switch (each.fate) {
    case "kept":
      return each.becomes === each.value ? "kept, and stays as it is" : `kept, becomes ${each.becomes}`;
    case "allowed":
      return `passes, by allow rule ${each.allowed_by}`;
    case "invalid":
      return `dropped: validator ${each.validator} said no`;
    case "not_in_keys":
      return "dropped: the rule does not look in keys";
    case "below_threshold":
      return `dropped: below the threshold ${each.threshold.toFixed(2)}`;
    case "duplicate":
      return `dropped: a duplicate of ${by}`;
    case "merged":
      return `merged into ${by}`;
    default:
      return `dropped: overlapped by ${by}`;
  }
}

/** Its score, and what context made of it. */
export function score(each) {
  const now = each.score.toFixed(2);
  if (each.base === each.score) return now;
  return `${each.base.toFixed(2)} → ${now}${each.context ? ` (context word ${each.context})` : ""}`;
}

/** Where a candidate comes from. */
export function source(each) {
  if (each.source === "field") return `${each.rule}, field ${each.pattern}`;
  return each.source === "known" ? "a known name" : `${each.rule}, ${each.pattern}`;
}

/** What the tooltip says of a candidate. */
export function tip(each) {
  return [
    el("strong", {}, each.type),
    el("span", {}, ` score ${score(each)}`),
    el("div", {}, source(each)),
    el("div", {}, fate(each)),
  ];
}

function show(target, content) {
  const box = $("tip");
  if (!content) return;
  clearTimeout(leaving);
  described = target;
  box.replaceChildren(...content().flat());
  box.hidden = false;
  target.setAttribute("aria-describedby", "tip");
  put(box, target);
}

/** Above its mark, or below where there is no room. */
function put(box, target) {
  const place = target.getBoundingClientRect();
  const size = box.getBoundingClientRect();
  const left = Math.max(8, Math.min(place.left, innerWidth - size.width - 8));
  const above = place.top - size.height - 6;
  box.style.left = `${left}px`;
  box.style.top = `${above > 8 ? above : place.bottom + 6}px`;
}

/** Also for whoever shows another text: a mark that is gone says no more that the pointer has left it. */
export function hideTip() {
  clearTimeout(leaving);
  described = null;
  $("tip").hidden = true;
}

/** The pointer may go on to the tooltip, to read or copy it. */
function hideSoon() {
  leaving = setTimeout(hideTip, 200);
}

/** A mark that the keyboard has gone to may have been scrolled into view for it. */
function scrolled() {
  if (described && described === document.activeElement) put($("tip"), described);
  else hideTip();
}

addEventListener("scroll", scrolled, true);
addEventListener("keydown", (event) => event.key === "Escape" && hideTip());
$("tip").addEventListener("mouseenter", () => clearTimeout(leaving));
$("tip").addEventListener("mouseleave", hideTip);
