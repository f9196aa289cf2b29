// Small helpers: elements, requests, times, sizes. Text goes in as text only: nothing here reads markup.

/** An element: `el("a.button", {href: "#/"}, "text", child)`. Attributes with functions are listeners. */
export function el(what, attributes = {}, ...children) {
  const [tag, ...classes] = what.split(".");
  const made = document.createElement(tag || "div");
  if (classes.length) made.className = classes.join(" ");
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") made.addEventListener(name, value);
    else if (value === true) made.setAttribute(name, "");
    else if (value !== false && value != null) made.setAttribute(name, value);
  }
  made.append(...children.flat().filter((child) => child != null && child !== false));
  return made;
}

export const byId = (id) => document.getElementById(id);

/** Calls the API; gives its JSON, or null. What went wrong is thrown with the server's words. */
export async function call(method, path, body) {
  const options = { method, headers: {} };
  if (body !== undefined) {
    options.headers["content-type"] = "application/json";
    options.body = JSON.stringify(body);
  }
  const answer = await fetch("/api/v1" + path, options);
  const json = answer.headers.get("content-type") === "application/json";
  if (!answer.ok) throw new Error(json ? (await answer.json()).error : `${answer.status} ${answer.statusText}`);
  return json ? answer.json() : answer.status === 204 ? null : answer.text();
}

/** A word at the edge of the page, for some seconds. */
export function toast(text, bad = false) {
  const made = el(bad ? "div.toast.bad" : "div.toast", {}, text);
  byId("toasts").append(made);
  setTimeout(() => made.remove(), bad ? 8000 : 3000);
}

/** Does what may fail, and says so where it does. */
export async function attempt(work, done) {
  try {
    const result = await work();
    if (done) toast(done);
    return result;
  } catch (error) {
    toast(error.message, true);
    return undefined;
  }
}

let ahead = 0;
/** The server's clock, as far as the last answer told. */
export const now = () => Date.now() + ahead;
export function setClock(serverMs) {
  ahead = serverMs - Date.now();
}

export function clockText(ms) {
  return new Date(ms).toLocaleTimeString([], { hour12: false });
}

/** "2 min ago"; later than a week ago the date. */
export function relative(ms) {
  const seconds = Math.round((now() - ms) / 1000);
  const away = Math.abs(seconds);
  const text =
    away < 5
      ? "now"
      : away < 60
        ? `${away} s`
        : away < 3600
          ? `${Math.round(away / 60)} min`
          : away < 86400
            ? `${Math.round(away / 3600)} h`
            : away < 7 * 86400
              ? `${Math.round(away / 86400)} d`
              : new Date(ms).toLocaleDateString();
  return text === "now" || away >= 7 * 86400 ? text : seconds < 0 ? `in ${text}` : `${text} ago`;
}

/** "in 4 min 12 s". */
export function until(ms) {
  const seconds = Math.max(0, Math.round((ms - now()) / 1000));
  const parts = [
    [86400, "d"],
    [3600, "h"],
    [60, "min"],
    [1, "s"],
  ];
  let left = seconds;
  const said = [];
  for (const [size, unit] of parts) {
    if (left >= size) {
      said.push(`${Math.floor(left / size)} ${unit}`);
      left %= size;
    }
  }
  return said.length ? "in " + said.slice(0, 2).join(" ") : "now";
}

export function timeOf(ms) {
  return el("time", { datetime: new Date(ms).toISOString(), title: new Date(ms).toLocaleString() }, relative(ms));
}

export function size(octets) {
  return octets < 1024
    ? `${octets} B`
    : octets < 1 << 20
      ? `${(octets / 1024).toFixed(1)} KiB`
      : `${(octets / (1 << 20)).toFixed(1)} MiB`;
}

export async function copy(text, what) {
  await attempt(() => navigator.clipboard.writeText(text), `${what} copied`);
}

const STATES = {
  queued: ["wait", "in the queue"],
  deferred: ["wait", "put off"],
  failed: ["bad", "failed"],
  released: ["ok", "released"],
};
/** A chip for the state of a mail; nothing for one that was simply filed. */
export function stateChip(state) {
  return STATES[state] ? el(`span.chip.${STATES[state][0]}`, {}, STATES[state][1]) : null;
}
