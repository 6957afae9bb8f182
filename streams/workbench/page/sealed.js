// Draw a sealed record from quarantine or shadow into the sample box; it is on the audit log before it is shown.

import { get, post, told } from "./api.js";
import { el, field, fill, say, table } from "./dom.js";

export async function drawSealed(take) {
  const dialog = el("dialog", { "aria-label": "Sealed samples", onclose: () => dialog.remove() });
  document.body.append(dialog);
  fill(dialog, el("p", {}, "Loading …"));
  dialog.showModal();
  try {
    show(dialog, await get("/api/sealed"), take);
  } catch (error) {
    dialog.close();
    say(told(error), "bad");
  }
}

function show(dialog, found, take) {
  const purpose = el("input", { type: "text", autocomplete: "off", required: found.purpose_needed });
  const open = async (each) => {
    if (!purpose.reportValidity()) return;
    try {
      const opened = await post("/api/sealed/open", { kind: each.kind, place: each.place, purpose: purpose.value });
      dialog.close();
      take(opened.value);
      if (opened.binary) say("Its value is no text: it is shown with escapes");
    } catch (error) {
      fill(said, told(error));
    }
  };
  const said = el("p", { class: "objection", role: "alert" });
  const rows = found.sealed.map((each) => [
    el("button", { type: "button", onclick: () => open(each) }, `Open ${each.place}`),
    each.kind,
    each.why,
    each.tenant || "not known",
    new Date(each.timestamp).toLocaleString(),
  ]);
  fill(
    dialog,
    el("h2", {}, "Sealed samples"),
    el("p", {}, "Opening one shows personal data to you alone, and is on the audit log. Nothing is kept."),
    found.purpose_needed && field("purpose", purpose, "You need a grant for the tenant and this purpose."),
    said,
    rows.length
      ? table("The newest", ["", "from", "why", "tenant", "when"], rows)
      : el("p", {}, found.kafka ? "There are none." : "No Kafka answers."),
    el("button", { type: "button", onclick: () => dialog.close() }, "Close"),
  );
}
