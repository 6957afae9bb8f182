// The page: views in tabs, the rule set that is open, theme, and who is here.

import { connect, get, post, told } from "./api.js";
import { compare } from "./compare.js";
import { corpus, setName } from "./corpus.js";
import { $, el, fill, say } from "./dom.js";
import { draft } from "./draft.js";
import { live } from "./live.js";
import { publish } from "./publish.js";
import { openSet, tune } from "./tune.js";

const THEMES = ["system", "light", "dark"];
const VIEWS = [
  ["tune", "Tune", tune],
  ["corpus", "Corpus", corpus],
  ["compare", "Compare", compare],
  ["publish", "Publish", publish],
  ["live", "Live", live],
];

async function start() {
  themes();
  document.querySelector(".skip").addEventListener("click", (event) => {
    event.preventDefault(); // the address names the view
    $("main").focus();
  });
  let state;
  try {
    state = await connect();
  } catch (error) {
    if (error.status === 401) return location.replace("/");
    return fill($("main"), el("p", { class: "objection" }, told(error)));
  }
  $("person").textContent = `${state.person.name}${state.person.may_change ? "" : " (may look)"}`;
  $("sign-out").addEventListener("click", signOut);
  const views = tabs(state);
  $("sets").addEventListener("change", (event) => choose(event.target.value));
  await views.sets();
  await begin();
  $("sets").value = draft.id;
  views.open(location.hash.slice(1) || "tune");
  addEventListener("beforeunload", (event) => draft.dirty && event.preventDefault());
}

/** With the draft that this tab had; without changes in it, with the files as they are now. */
async function begin() {
  if (draft.restore() && draft.dirty) return;
  const listed = [...$("sets").options].map((each) => each.value);
  const wanted = listed.includes(draft.id) ? draft.id : listed[0];
  if (wanted) await openSet(wanted);
}

async function signOut() {
  if (draft.dirty && !confirm("Sign out, and throw your changes away?")) return;
  try {
    await post("/sign-out");
  } catch (error) {
    if (error.status !== 401) return say(told(error), "bad");
  }
  draft.forget();
  location.replace("/signed-out"); // not to the page: an identity provider would sign in again at once
}

async function choose(id) {
  if (draft.dirty && !confirm("Open another rule set, and throw your changes away?")) {
    $("sets").value = draft.id;
    return;
  }
  await openSet(id);
  $("sets").value = draft.id;
}

/** The views as tabs (WAI-ARIA tab pattern: arrow keys move, one tab stop). */
function tabs(state) {
  const list = document.querySelector("nav");
  const made = new Map();
  const views = {
    open(name, ...given) {
      const known = VIEWS.some(([each]) => each === name) ? name : "tune";
      for (const tab of list.children) {
        const chosen = tab.dataset.view === known;
        tab.setAttribute("aria-selected", String(chosen));
        tab.tabIndex = chosen ? 0 : -1;
      }
      fill($("main"), made.get(known).view);
      $("main").setAttribute("aria-labelledby", `tab-${known}`);
      history.replaceState(null, "", `#${known}`);
      made.get(known).shown?.(...given);
    },
    take: (...given) => made.get("tune").take(...given),
    async sets() {
      try {
        const { sets } = await get("/api/sets");
        fill($("sets"), sets.map((each) => el("option", { value: each.id }, setName(each))));
        if (draft.id) $("sets").value = draft.id;
      } catch (error) {
        say(told(error), "bad");
      }
    },
  };
  for (const [name, title, make] of VIEWS) {
    made.set(name, make(state, views));
    list.append(
      el(
        "button",
        { type: "button", role: "tab", id: `tab-${name}`, "data-view": name, "aria-controls": "main", onclick: () => views.open(name) },
        title,
      ),
    );
  }
  $("main").setAttribute("role", "tabpanel");
  list.addEventListener("keydown", (event) => {
    const all = [...list.children];
    const at = all.indexOf(document.activeElement);
    const wanted = { ArrowRight: at + 1, ArrowLeft: at - 1 + all.length, Home: 0, End: all.length - 1 }[event.key];
    if (wanted === undefined) return;
    event.preventDefault();
    const next = all[wanted % all.length];
    next.focus();
    views.open(next.dataset.view);
  });
  return views;
}

function themes() {
  const button = $("theme");
  let chosen = localStorage.getItem("theme") || "system";
  const show = () => {
    document.documentElement.dataset.theme = chosen;
    button.textContent = `Theme: ${chosen}`;
  };
  button.addEventListener("click", () => {
    chosen = THEMES[(THEMES.indexOf(chosen) + 1) % THEMES.length];
    localStorage.setItem("theme", chosen);
    show();
  });
  show();
}

start();
