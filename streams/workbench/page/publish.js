// Publish a draft with a reason; shadow, canary, promote, roll back; the history.

import { get, post, told } from "./api.js";
import { draft } from "./draft.js";
import { el, field, fill, oneAtATime, say, table } from "./dom.js";

export function publish(state, views) {
  const now = el("div", { class: "cards" });
  const history = el("div", {});
  const seen = el("div", {});
  const refused = el("div", { role: "alert" });
  const reason = el("input", { type: "text", required: true, maxlength: "500", autocomplete: "off" });
  const tenants = el("input", { type: "text", autocomplete: "off", placeholder: "acme, globex" });
  const force = el("input", { type: "checkbox" });
  const stages = ["shadow", "canary", "active"].map((stage) =>
    el("input", { type: "radio", name: "stage", value: stage, id: `stage-${stage}`, checked: stage === "shadow" }),
  );
  const chosen = () => stages.find((each) => each.checked).value;
  const list = () => tenants.value.split(/[,\s]+/).filter(Boolean);

  const load = oneAtATime(async () => {
    views.sets();
    try {
      show(await get("/api/deployment"));
    } catch (error) {
      fill(now, el("p", { class: "objection" }, told(error)));
    }
  });

  function show(found) {
    const deployment = found.deployment;
    if (!found.kafka) return fill(now, el("p", { class: "objection" }, "No Kafka answers: nothing can be published from here."));
    const step = (digest) => (deployment?.steps ?? []).filter((each) => each.digest === digest).at(-1);
    const card = (stage, digest, note) =>
      el("div", { class: "card" }, el("h3", {}, stage), el("p", {}, step(digest)?.version ?? (digest ? digest.slice(0, 12) : "–")), note && el("small", {}, note));
    fill(
      now,
      card("active", deployment?.active ?? "", deployment?.active ? deployment.active.slice(0, 12) : "the workers' own"),
      card("canary", deployment?.canary?.digest ?? "", deployment?.canary?.tenants.join(", ")),
      card("shadow", deployment?.shadow ?? "", found.shadow && `${found.shadow.compared} events compared`),
    );
    const candidate = deployment?.shadow || deployment?.canary;
    fill(
      seen,
      found.shadow && shadow(found.shadow),
      found.refusals.map((each) => el("p", { class: "objection" }, `Worker ${each.worker} refused ${each.digest.slice(0, 12)}: ${each.why} ${each.where}`)),
      state.person.may_change &&
        deployment &&
        el(
          "div",
          { class: "bar" },
          candidate && el("button", { type: "button", onclick: () => promote(deployment) }, deployment.shadow ? "Promote to canary" : "Promote to everybody"),
          deployment.shadow && el("button", { type: "button", onclick: () => promote(deployment, true) }, "Promote to everybody, without a canary"),
          el("button", { type: "button", class: "danger", onclick: () => rollBack(deployment) }, candidate ? "Take the candidate away" : "Roll back"),
        ),
    );
    const rows = (deployment?.steps ?? []).toReversed().map((each) => [
      String(each.revision),
      each.time.slice(0, 19).replace("T", " "),
      each.change,
      [each.stage, ...each.tenants].join(" "),
      each.version || "the workers' own",
      each.digest.slice(0, 12),
      each.author,
      each.reason + (each.forced.length ? ` (forced though: ${each.forced.join("; ")})` : ""),
      state.person.may_change && each.digest && each.digest !== deployment.active
        ? el("button", { type: "button", onclick: () => rollBack(deployment, each.digest, each.version) }, "Make active")
        : "",
    ]);
    fill(history, rows.length ? table("History", ["rev.", "time (UTC)", "change", "stage", "version", "digest", "who", "why", ""], rows) : el("p", {}, "Nothing was published yet: workers use the rule set that they were started with."));
  }

  function shadow(found) {
    const rows = found.differences.map((each) => [each.kind, [each.type, `type ${each.type}`], each.rule, String(each.count)]);
    const counted = `In shadow: ${found.compared} events compared, ${found.skipped} skipped, ${found.failed} failed.`;
    return el("div", {}, el("p", {}, counted), rows.length ? table("What it finds otherwise", ["difference", "type", "rule", "findings"], rows) : el("p", {}, "No difference so far."));
  }

  async function act(path, body, done) {
    fill(refused);
    try {
      const outcome = await post(path, body);
      say(outcome.changed ? done : "Nothing to do: it is so already");
      force.checked = false;
      reason.value = ""; // the next change has another
      await load();
    } catch (error) {
      fill(refused, ...objections(error));
    }
  }

  async function submit(event) {
    event.preventDefault();
    const body = { draft: draft.asked, reason: reason.value, stage: chosen(), tenants: list(), force: force.checked };
    if (body.stage === "canary" && !body.tenants.length) return say("For which tenants shall it be canary?", "bad");
    fill(refused, el("p", { class: "busy" }, "Checking and publishing …"));
    await act("/api/deployment/publish", body, `Published into ${body.stage}`);
  }

  function why(what) {
    const given = reason.value.trim() || prompt(`${what}: for what reason? It stands in the history and on the audit log.`);
    return given?.trim() ? given.trim() : null;
  }

  async function promote(deployment, active = false) {
    const to = deployment.shadow && !active ? list() : [];
    if (deployment.shadow && !active && !to.length) {
      tenants.focus();
      return say("Name the canary's tenants first", "bad");
    }
    const given = why("Promote");
    if (given) await act("/api/deployment/promote", { reason: given, revision: deployment.revision, tenants: to, active, force: force.checked }, "Promoted");
  }

  async function rollBack(deployment, digest, version) {
    const given = why(digest ? `Make ${version} active` : "Roll back");
    if (given) await act("/api/deployment/rollback", { reason: given, revision: deployment.revision, digest: digest ?? null }, "Rolled back");
  }

  const form = el(
    "form",
    { onsubmit: submit, "aria-label": "Publish" },
    el("h2", {}, "Publish the draft"),
    el("fieldset", {}, el("legend", {}, "into"), stages.map((each) => el("label", { class: "check", for: each.id }, each, STAGES[each.value]))),
    field("canary tenants", tenants),
    field("reason", reason, "It stands in the history and on the audit log."),
    el("label", { class: "check" }, force, "Publish although checks fail; what failed is recorded"),
    el("button", { type: "submit", class: "primary" }, "Publish"),
    refused,
  );
  const view = el(
    "div",
    {},
    el("section", { "aria-label": "Deployed" }, el("div", { class: "bar" }, el("h2", {}, "Deployed"), el("button", { type: "button", onclick: load }, "Reload")), now, seen),
    state.person.may_change ? form : el("p", {}, "You may look, not publish: your account does not have the role for it."),
    el("section", {}, history),
  );
  return { view, shown: load };
}

/** Why a set was not published: what can be forced says how, in this page's words. */
function objections(error) {
  if (!error.shortcomings?.length) return [el("p", { class: "objection" }, told(error))];
  return [
    el("p", { class: "objection" }, `${error.message}:`),
    el("ul", {}, error.shortcomings.map((each) => el("li", {}, each))),
    el("p", {}, "Mend it; or tick that it shall be published although checks fail."),
  ];
}

const STAGES = {
  shadow: "shadow: compared on live traffic, changes nothing",
  canary: "canary: live for some tenants",
  active: "active: live for everybody",
};
