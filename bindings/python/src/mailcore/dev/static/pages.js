// The other pages: queue, scripted trouble, DNS records, and how to point a program here.
import { attempt, byId, call, copy, el, size, timeOf, until } from "/static/dom.js";

const box = () => byId("detail");

export async function queuePage() {
  const queue = await attempt(() => call("GET", "/queue"));
  if (!queue) return;
  const all = (action, text) =>
    el(
      "button",
      {
        type: "button",
        disabled: !queue.entries.length,
        click: () => attempt(() => call("POST", `/queue/${action}`), `${text}: done`),
      },
      text,
    );
  const rows = queue.entries.map((entry) => {
    const act = (action, text) =>
      el(
        "button",
        {
          type: "button",
          "aria-label": `${text} ${entry.id}`,
          click: () => attempt(() => call("POST", `/queue/${entry.id}/${action}`), `${text}: done`),
        },
        text,
      );
    const due = entry.held
      ? el("span.chip", {}, "held")
      : entry.due_ms
        ? el("span.chip.wait", { "data-until": entry.due_ms }, until(entry.due_ms))
        : "";
    const subject = entry.mail
      ? el("a", { href: `#/mail/${entry.mail}/road` }, entry.subject || "(no subject)")
      : entry.subject;
    return el(
      "tr",
      {},
      el("td.mono", {}, entry.id),
      el(
        "td",
        {},
        subject,
        el("span.meaning", {}, `${entry.sender || "<>"} → ${entry.recipients.join(", ")}`),
        entry.host ? el("span.meaning", {}, `by ${entry.host}`) : "",
      ),
      el("td.tight", {}, timeOf(entry.accepted_ms), el("span.meaning", {}, size(entry.size))),
      el("td", {}, `${entry.attempts}`),
      el("td", {}, `${entry.code || ""} ${entry.reply}`),
      el("td.tight", {}, due),
      el(
        "td",
        {},
        el(
          "div.buttons",
          {},
          act("retry", "Retry"),
          entry.held ? act("release", "Release") : act("hold", "Hold"),
          act("bounce", "Give up"),
          act("drop", "Drop"),
        ),
      ),
    );
  });
  const heads = ["Id", "Mail", "Taken", "Attempts", "Last reply", "Next", ""];
  box().replaceChildren(
    el(
      "div.page",
      {},
      el("h1", {}, "Queue"),
      el(
        "p.soft",
        {},
        "Mail that waits: put off by scripted trouble, or released to a smart host. The clock above makes it due.",
      ),
      el(
        "div.buttons",
        {},
        all("retry", "Retry all"),
        all("hold", "Hold all"),
        all("release", "Release all"),
        all("drop", "Drop all"),
      ),
      rows.length
        ? el(
            "div.card",
            {},
            el(
              "table",
              {},
              el(
                "thead",
                {},
                el(
                  "tr",
                  {},
                  heads.map((head) => el("th", { scope: "col" }, head)),
                ),
              ),
              el("tbody", {}, rows),
            ),
          )
        : el("p.empty", {}, "Nothing waits."),
    ),
  );
}

const STAGES = [
  ["rcpt", "RCPT TO"],
  ["connect", "connect"],
  ["hello", "EHLO"],
  ["login", "login"],
  ["mail", "MAIL FROM"],
  ["data", "DATA"],
  ["message", "message, not taken"],
  ["accepted", "taken, not answered"],
  ["deliver", "delivery (queue)"],
];
const PRESETS = [
  ["Next RCPT: 451", { stage: "rcpt", code: 451, text: "4.7.1 Greylisted, try again later", times: 1 }],
  ["Next RCPT: 550", { stage: "rcpt", code: 550, text: "5.1.1 No such mailbox", times: 1 }],
  ["Next login fails", { stage: "login", code: 535, text: "5.7.8 Wrong password", times: 1 }],
  ["Next DATA: connection lost", { stage: "data", drop: true, times: 1 }],
  ["Mailbox full", { stage: "message", code: 452, text: "4.2.2 Mailbox full", times: 1 }],
  ["Put off next delivery", { stage: "deliver", code: 451, text: "4.2.0 Try again later", times: 1 }],
  ["Next delivery bounces", { stage: "deliver", code: 550, text: "5.1.1 No such mailbox", times: 1 }],
  ["Slow greeting (5 s)", { stage: "connect", wait: 5, times: 1 }],
];

function ruleText(rule) {
  const does = [
    rule.wait ? `wait ${rule.wait} s` : "",
    rule.drop ? "drop the connection" : "",
    rule.code ? `answer ${rule.code} ${rule.text || ""}` : "",
  ];
  const when = rule.times ? (rule.times === 1 ? "once" : `${rule.times} times`) : "always";
  return `at ${rule.stage}${rule.address ? ` for ${rule.address}` : ""}: ${does.filter(Boolean).join(", ").trim()}, ${when}`;
}

export async function troublePage() {
  const trouble = await attempt(() => call("GET", "/trouble"));
  if (!trouble) return;
  const add = (rule) => attempt(() => call("POST", "/trouble", rule), "Added");
  const field = (name, more = {}) => el("input", { name, autocomplete: "off", ...more });
  const form = el(
    "form.grid",
    {
      submit: (event) => {
        event.preventDefault();
        const data = new FormData(form);
        const rule = { stage: data.get("stage") };
        for (const name of ["code", "times", "wait", "skip"]) if (data.get(name)) rule[name] = Number(data.get(name));
        for (const name of ["address", "text"]) if (data.get(name)) rule[name] = data.get(name);
        if (data.get("drop")) rule.drop = true;
        add(rule);
      },
    },
    el(
      "label",
      {},
      "At",
      el(
        "select",
        { name: "stage" },
        STAGES.map(([value, text]) => el("option", { value }, text)),
      ),
    ),
    el("label", {}, "For", field("address", { placeholder: "*@else.test" })),
    el(
      "label",
      {},
      "Answer",
      field("code", { class: "narrow", inputmode: "numeric", pattern: "[45][0-9][0-9]", value: "451" }),
    ),
    el("label", {}, "Text", field("text", { placeholder: "try again later" })),
    el("label", {}, "Wait (s)", field("wait", { class: "narrow", type: "number", min: 0, step: "any" })),
    el("label", {}, "Times (0: always)", field("times", { class: "narrow", type: "number", min: 0, value: 1 })),
    el("label", {}, "Let pass first", field("skip", { class: "narrow", type: "number", min: 0 })),
    el("label.tick", {}, el("input", { type: "checkbox", name: "drop" }), "drop the connection"),
    el("button.primary", { type: "submit" }, "Add"),
  );
  box().replaceChildren(
    el(
      "div.page",
      {},
      el("h1", {}, "Trouble"),
      el("p.soft", {}, "What the server does wrong on purpose. The first rule that fits decides."),
      el(
        "div.card",
        {},
        el("h2", {}, "At once"),
        el(
          "div.buttons",
          {},
          PRESETS.map(([text, rule]) => el("button", { type: "button", click: () => add(rule) }, text)),
        ),
      ),
      el("div.card", {}, el("h2", {}, "A rule of your own"), form),
      el(
        "div.card",
        {},
        el("h2", {}, "Scripted so far"),
        trouble.rules.length
          ? [
              el(
                "ol",
                {},
                trouble.rules.map((rule) => el("li", {}, ruleText(rule))),
              ),
              el(
                "button.danger",
                { type: "button", click: () => attempt(() => call("DELETE", "/trouble"), "Cleared") },
                "Clear all",
              ),
            ]
          : el("p.soft", {}, "None: everything works."),
      ),
    ),
  );
}

export async function namesPage() {
  const names = await attempt(() => call("GET", "/dns"));
  if (!names) return;
  const form = el(
    "form.grid",
    {
      submit: (event) => {
        event.preventDefault();
        attempt(() => call("POST", "/dns", Object.fromEntries(new FormData(form))), "Added");
      },
    },
    el("label", {}, "Name", el("input", { name: "name", required: true, placeholder: "shop.test" })),
    el(
      "label",
      {},
      "Type",
      el(
        "select",
        { name: "type" },
        ["TXT", "A", "AAAA", "MX", "PTR", "CNAME"].map((type) => el("option", {}, type)),
      ),
    ),
    el(
      "label",
      {},
      "Data",
      el("input.wide", { name: "data", required: true, placeholder: "v=spf1 ip4:127.0.0.1 -all" }),
    ),
    el("button.primary", { type: "submit" }, "Add"),
  );
  const rows = names.records.map((one) =>
    el("tr", {}, el("td.mono", {}, one.name), el("td", {}, one.type), el("td.mono", {}, one.data)),
  );
  box().replaceChildren(
    el(
      "div.page",
      {},
      el("h1", {}, "DNS"),
      el(
        "p.soft",
        {},
        "The names that exist for this server. SPF, DKIM and DMARC of later mails see them; nobody else is asked.",
      ),
      el("div.card", {}, form),
      rows.length
        ? el(
            "div.card",
            {},
            el("table", {}, el("tbody", {}, rows)),
            el(
              "p",
              {},
              el(
                "button.danger",
                { type: "button", click: () => attempt(() => call("DELETE", "/dns"), "Cleared") },
                "Clear all",
              ),
            ),
          )
        : el("p.empty", {}, "No records: every name is unknown."),
    ),
  );
}

const SAMPLES = {
  Python: (host, port) =>
    `import smtplib\nwith smtplib.SMTP("${host}", ${port}) as smtp:\n    smtp.send_message(message)\n\n# Django\nEMAIL_HOST, EMAIL_PORT = "${host}", ${port}`,
  Node: (host, port) =>
    `import nodemailer from "nodemailer";\nconst mail = nodemailer.createTransport({ host: "${host}", port: ${port}, tls: { rejectUnauthorized: false } });`,
  Java: (host, port) => `spring.mail.host=${host}\nspring.mail.port=${port}`,
  Go: (host, port) => `err := smtp.SendMail("${host}:${port}", nil, from, []string{to}, message)`,
  PHP: (host, port) => `# Laravel, .env\nMAIL_MAILER=smtp\nMAIL_HOST=${host}\nMAIL_PORT=${port}\nMAIL_ENCRYPTION=null`,
  Rails: (host, port) =>
    `config.action_mailer.delivery_method = :smtp\nconfig.action_mailer.smtp_settings = { address: "${host}", port: ${port}, openssl_verify_mode: "none" }`,
};

export function connectPage(status, sampleMail) {
  const { host, ports } = status;
  const sample = el("pre.sample", {}, SAMPLES.Python(host, ports.smtp));
  const buttons = Object.keys(SAMPLES).map((name, n) =>
    el(
      "button",
      {
        type: "button",
        role: "tab",
        "aria-selected": String(n === 0),
        click: (event) => {
          buttons.forEach((button) => button.setAttribute("aria-selected", button === event.target));
          sample.textContent = SAMPLES[name](host, ports.smtp);
        },
      },
      name,
    ),
  );
  const address = (name, text) => el("div.address", {}, text, el("b", {}, `${host}:${ports[name]}`));
  box().replaceChildren(
    el(
      "div.page",
      {},
      el("h1", {}, "Point your program here"),
      el(
        "p.soft",
        {},
        "Any sender, recipient, user name and password will do. STARTTLS is offered with a self-signed certificate; nothing leaves this machine.",
      ),
      el(
        "div.addresses",
        {},
        address("smtp", "SMTP"),
        address("submission", "Submission"),
        address("imap", "IMAP"),
        address("pop3", "POP3"),
      ),
      el(
        "div.card",
        {},
        el("div.tabs", { role: "tablist", "aria-label": "Languages" }, buttons),
        sample,
        el(
          "div.buttons",
          {},
          el("button", { type: "button", click: () => copy(sample.textContent, "Sample") }, "Copy"),
          el("button.primary", { type: "button", id: "sample", click: sampleMail }, "Send a sample mail"),
        ),
      ),
      el(
        "p.soft",
        {},
        "IMAP and POP3 log in with a recipient's address and any password. Clients that look at certificates trust ",
        el("a", { href: "/api/v1/certificate", download: true }, "this one"),
        ". The API is described at ",
        el("a", { href: "/api/v1/openapi.json" }, "/api/v1/openapi.json"),
        ".",
      ),
    ),
  );
}
