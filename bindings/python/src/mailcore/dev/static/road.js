// The road of a mail, drawn from its steps.
import { attempt, call, clockText, el, until } from "/static/dom.js";

const MARKS = { ok: "✓", bad: "✕", wait: "…", info: "→" };
const WORDS = { ok: "done", bad: "failed", wait: "waiting", info: "note" };
const COLOURS = { pass: "ok", fail: "bad", softfail: "wait", permerror: "wait", temperror: "wait" };

export function drawRoad(steps) {
  if (!steps.length)
    return el("p.soft", {}, "Nothing is known of its way: it came in an earlier run, or from this program itself.");
  return el(
    "ol.road",
    { "aria-label": "The road of the mail" },
    steps.map((step) => drawStep(step, new Date(step.ms).toDateString() !== new Date(steps[0].ms).toDateString())),
  );
}

function drawStep(step, otherDay) {
  const day = otherDay ? new Date(step.ms).toLocaleDateString([], { month: "short", day: "numeric" }) + " " : "";
  const time = el(
    "time",
    { title: new Date(step.ms).toLocaleString() },
    step.kind === "next" ? until(step.ms) : day + clockText(step.ms),
  );
  if (step.kind === "next") time.dataset.until = step.ms;
  return el(
    "li",
    { "data-kind": step.kind, "data-state": step.state },
    el(`span.mark.${step.state}`, { role: "img", "aria-label": WORDS[step.state] }, MARKS[step.state]),
    el("div.step", {}, el("strong", {}, step.title), time),
    step.facts.length
      ? el(
          "ul.facts",
          {},
          step.facts.map((fact) => el("li", {}, fact)),
        )
      : "",
    step.verdicts ? verdicts(step.verdicts) : "",
    step.lines.length ? dialog(step.lines) : "",
    step.kind === "next" || step.kind === "held" ? buttons(step) : "",
  );
}

function verdicts(found) {
  return el(
    "div.verdicts",
    {},
    found.flatMap((one) => [
      el("span.method", { title: one.question }, one.method.toUpperCase()),
      el("span", {}, el(`span.chip.${COLOURS[one.result] || "none"}`, {}, one.result)),
      el(
        "span",
        {},
        one.why,
        one.about ? el("span.soft", {}, ` · ${one.about}`) : "",
        one.asked.length ? el("span.soft.mono", {}, ` · asked: ${one.asked.join(", ")}`) : "",
      ),
    ]),
  );
}

function dialog(lines) {
  return el(
    "details",
    {},
    el("summary", {}, `What was said (${lines.length} lines)`),
    el(
      "div.dialog.mono",
      {},
      lines.map((line) => el(`div.${line.side}`, {}, el("b", {}, line.side), line.text)),
    ),
  );
}

function buttons(step) {
  const act = (action, text) =>
    el(
      "button",
      {
        type: "button",
        "data-action": action,
        click: () => attempt(() => call("POST", `/queue/${step.queue}/${action}`), `${text}: done`),
      },
      text,
    );
  if (!step.queue) return "";
  return el(
    "div.buttons",
    {},
    act("retry", "Try now"),
    step.kind === "held" ? act("release", "Let it go on") : act("hold", "Hold"),
    act("bounce", "Give up"),
    act("drop", "Drop"),
    el("a.button", { href: "#/queue" }, "Queue"),
  );
}
