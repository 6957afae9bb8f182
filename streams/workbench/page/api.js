// Requests to the workbench. An error is an Error with `hints`, `status` and, of a refused rule set, `shortcomings`.

let csrf = "";

async function request(method, path, body) {
  const headers = { accept: "application/json" };
  if (method !== "GET") headers["x-csrf-token"] = csrf;
  if (body !== undefined) headers["content-type"] = "application/json";
  let answer;
  try {
    answer = await fetch(path, { method, headers, body: body === undefined ? undefined : JSON.stringify(body) });
  } catch {
    throw problem("the workbench does not answer: is it still running?", 0, {});
  }
  const type = answer.headers.get("content-type") || "";
  const told = type.startsWith("application/json") ? await answer.json() : {};
  if (answer.ok) return told;
  if (answer.status === 401) throw problem("your session has ended: load the page again, or start the workbench again", 401, {});
  throw problem(told.error || `the workbench answered ${answer.status}`, answer.status, told);
}

function problem(text, status, told) {
  return Object.assign(new Error(text), { status, hints: told.hints || [], shortcomings: told.shortcomings || [] });
}

/** Who we are and what there is; from then on requests that change something are let through. */
export async function connect() {
  const state = await request("GET", "/api/state");
  csrf = state.csrf;
  return state;
}

export const get = (path) => request("GET", path);
export const post = (path, body) => request("POST", path, body ?? {});
export const put = (path, body) => request("PUT", path, body);
export const remove = (path) => request("DELETE", path, {});

/** An error as a person should read it. */
export const told = (error) => [error.message, ...(error.hints || [])].join(". ");
