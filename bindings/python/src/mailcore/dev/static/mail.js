// One mail: its head, and a panel for each way to look at it.
import { attempt, byId, call, copy, el, size, stateChip, timeOf } from "/static/dom.js";
import { drawRoad } from "/static/road.js";

export const TABS = ["html", "text", "source", "headers", "parts", "links", "road"];
const NAMES = {
  html: "HTML",
  text: "Text",
  source: "Source",
  headers: "Headers",
  parts: "Parts",
  links: "Links",
  road: "Road",
};

export class MailView {
  constructor() {
    this.box = byId("detail");
    this.mail = null;
    this.tab = null;
  }

  async show(id, tab) {
    if (this.mail?.id !== id) {
      const mail = await attempt(() => call("GET", `/mails/${id}`));
      if (!mail) {
        this.box.replaceChildren(el("p.empty", {}, `There is no mail ${id}.`));
        this.mail = null;
        return;
      }
      this.mail = mail;
      if (!mail.seen) call("PUT", `/mails/${id}/seen`, { seen: true }).catch(() => {});
      this.drawHead();
    }
    this.open(
      tab ||
        (TABS.includes(this.tab) && (this.tab !== "html" || this.mail.html)
          ? this.tab
          : this.mail.html
            ? "html"
            : "text"),
    );
  }

  forget() {
    this.mail = null;
  }

  drawHead() {
    const mail = this.mail;
    const tabs = TABS.filter((name) => name !== "html" || mail.html).map((name) =>
      el(
        "button",
        {
          role: "tab",
          id: `tab-${name}`,
          "aria-controls": "panel",
          "aria-selected": "false",
          type: "button",
          click: () => {
            location.hash = `#/mail/${mail.id}/${name}`;
          },
          keydown: (event) => this.turn(event),
        },
        NAMES[name] + (name === "links" && mail.links.length ? ` ${mail.links.length}` : ""),
      ),
    );
    const facts = [
      ["From", mail.author || "—"],
      ["Envelope", `${mail.sender || "<>"} → ${mail.recipients.join(", ")}`],
    ];
    const line = el(
      "dd",
      {},
      timeOf(mail.time_ms),
      ` · ${size(mail.size)} `,
      stateChip(mail.state),
      mail.codes.map((code) =>
        el("button.chip.code", { type: "button", title: "Copy the code", click: () => copy(code, "Code") }, code),
      ),
    );
    const files = mail.parts.filter((part) => !part.multipart && (part.disposition === "attachment" || part.name));
    this.panel = el("section.panel", { role: "tabpanel", id: "panel", tabindex: "0" });
    this.box.replaceChildren(
      el(
        "div.head",
        {},
        el("div.title", {}, el("h1", {}, mail.subject || "(no subject)"), this.actions()),
        el(
          "dl.envelope",
          {},
          facts.flatMap(([name, value]) => [el("dt", {}, name), el("dd", {}, value)]),
          el("dt", {}, "Came"),
          line,
        ),
        el("div.tabs", { role: "tablist", "aria-label": "Ways to look at the mail" }, tabs),
      ),
      this.panel,
      files.length
        ? el(
            "div.files",
            { "aria-label": "Attachments", role: "group" },
            files.map((part) => this.file(part)),
          )
        : "",
    );
    this.tabs = tabs;
  }

  /** Arrow keys go from tab to tab. */
  turn(event) {
    const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!by) return;
    event.preventDefault();
    const next = this.tabs[(this.tabs.indexOf(event.currentTarget) + by + this.tabs.length) % this.tabs.length];
    next.focus();
    next.click();
  }

  actions() {
    const mail = this.mail;
    return el(
      "div.actions",
      {},
      el("button", { type: "button", click: () => copy(this.asPytest(), "Test") }, "Copy as pytest"),
      el("a.button", { href: `/api/v1/mails/${mail.id}/eml`, download: true }, "Download"),
      el("button", { type: "button", id: "release", click: () => this.askRelease() }, "Release"),
      el("button.danger", { type: "button", id: "delete", click: () => this.remove() }, "Delete"),
    );
  }

  file(part) {
    return el(
      "a.file",
      { href: `/api/v1/mails/${this.mail.id}/parts/${part.path}`, download: true },
      `${part.name || part.type} `,
      el("span.soft", {}, size(part.size)),
    );
  }

  asPytest() {
    const mail = this.mail;
    const text = (value) => JSON.stringify(value);
    const lines = [
      "def test_mail(mailserver):",
      "    ...  # what sends the mail",
      `    mail = mailserver.wait_for(to=${text(mail.recipients[0] || "")})`,
      `    assert mail.subject == ${text(mail.subject)}`,
    ];
    if (mail.codes.length) lines.push("    assert mail.codes");
    return lines.join("\n") + "\n";
  }

  remove() {
    const id = this.mail.id;
    return attempt(() => call("DELETE", `/mails/${id}`), "Deleted");
  }

  askRelease() {
    const mail = this.mail;
    const host = el("input.wide", {
      name: "host",
      required: true,
      placeholder: "smtp.example.org:587",
      value: localStorage.getItem("smart-host") || "",
    });
    const to = el("input.wide", { name: "to", value: mail.recipients.join(", "), required: true });
    const shown = el(
      "dialog",
      { "aria-label": "Release", close: () => shown.remove() },
      el(
        "form",
        {
          method: "dialog",
          submit: () => {
            localStorage.setItem("smart-host", host.value.replace(/^.*@/, ""));
            const list = to.value
              .split(",")
              .map((one) => one.trim())
              .filter(Boolean);
            attempt(
              () => call("POST", `/mails/${mail.id}/release`, { host: host.value, to: list }),
              "Released: its road shows how it fares",
            ).then(() => {
              location.hash = `#/mail/${mail.id}/road`;
            });
          },
        },
        el("h2", {}, "Release to a real server"),
        el("p.soft", {}, "The mail leaves this machine. user:password@host:port logs in; the password is not kept."),
        el("p", {}, el("label", {}, "Smart host", el("br"), host)),
        el("p", {}, el("label", {}, "Recipients", el("br"), to)),
        el(
          "div.buttons",
          {},
          el("button.primary", { type: "submit" }, "Release"),
          el("button", { type: "button", click: () => shown.close() }, "Cancel"),
        ),
      ),
    );
    document.body.append(shown);
    shown.showModal();
  }

  open(tab) {
    this.tab = tab;
    for (const button of this.tabs) {
      const selected = button.id === `tab-${tab}`;
      button.setAttribute("aria-selected", selected);
      button.tabIndex = selected ? 0 : -1;
    }
    this.panel.setAttribute("aria-labelledby", `tab-${tab}`);
    this.panel.className = tab === "html" ? "panel frame" : "panel";
    const draw = {
      html: this.html,
      text: this.text,
      source: this.source,
      headers: this.headers,
      parts: this.parts,
      links: this.links,
      road: this.road,
    }[tab];
    draw.call(this);
  }

  html(pictures = false) {
    const mail = this.mail;
    const frame = el("iframe", {
      title: "The mail as its reader sees it",
      referrerpolicy: "no-referrer",
      sandbox: "allow-popups allow-popups-to-escape-sandbox",
      src: `/api/v1/mails/${mail.id}/html${pictures ? "?pictures=1" : ""}`,
    });
    const notice =
      mail.remote_pictures && !pictures
        ? el(
            "div.notice",
            {},
            `${mail.remote_pictures} remote picture${mail.remote_pictures > 1 ? "s" : ""} not loaded.`,
            el("button", { type: "button", click: () => this.html(true) }, "Load pictures"),
          )
        : "";
    this.panel.replaceChildren(notice, frame);
  }

  text() {
    this.panel.replaceChildren(el("div.card", {}, el("pre.text", {}, this.mail.text)));
  }

  async source() {
    const id = this.mail.id;
    const text = await attempt(() => call("GET", `/mails/${id}/source`));
    if (this.mail?.id === id && this.tab === "source")
      this.panel.replaceChildren(el("div.card", {}, el("pre.source", {}, text ?? "")));
  }

  headers() {
    const row = (field) =>
      el(
        "tr",
        {},
        el("td.name", {}, field.name),
        el("td", {}, el("span.mono", {}, field.value), el("span.meaning", {}, field.meaning)),
      );
    const table = (fields) => el("table", {}, el("tbody", {}, fields.map(row)));
    const { headers, advice } = this.mail;
    const own = headers.filter((field) => field.own);
    this.panel.replaceChildren(
      advice.length
        ? el(
            "div.card",
            {},
            el("h2", {}, "Worth a look"),
            el(
              "ul.advice",
              {},
              advice.map((text) => el("li", {}, text)),
            ),
          )
        : "",
      el("div.card", {}, el("h2", {}, "As it was sent"), table(headers.filter((field) => !field.own))),
      own.length ? el("div.card", {}, el("h2", {}, "Added by this server"), table(own)) : "",
    );
  }

  parts() {
    const items = this.mail.parts.map((part) => {
      const level = part.path === "0" ? 0 : Math.min(4, part.path.split(".").length);
      const facts = [
        part.charset,
        part.encoding,
        part.disposition,
        part.cid && `cid:${part.cid}`,
        part.multipart ? "" : size(part.size),
      ];
      return el(
        `li.level-${level}`,
        {},
        el("span.soft.mono", {}, part.path === "0" ? "·" : part.path),
        el("b", {}, part.type),
        el("span", {}, part.name),
        el("span.soft.grow", {}, facts.filter(Boolean).join(" · ")),
        part.multipart
          ? ""
          : el("a", { href: `/api/v1/mails/${this.mail.id}/parts/${part.path}`, download: true }, "Download"),
      );
    });
    this.panel.replaceChildren(el("div.card", {}, el("ul.tree", {}, items)));
  }

  links(results = new Map()) {
    const mail = this.mail;
    if (!mail.links.length) {
      this.panel.replaceChildren(el("p.soft", {}, "The mail has no links."));
      return;
    }
    const row = (url) => {
      const found = results.get(url);
      const web = /^https?:\/\//i.test(url);
      const shown = web
        ? el("a", { href: url, target: "_blank", rel: "noopener noreferrer" }, url)
        : el("span", {}, url);
      return el(
        "tr",
        {},
        el("td", {}, shown),
        el("td", {}, found ? el(`span.chip.${found.ok ? "ok" : "bad"}`, {}, found.text) : ""),
      );
    };
    const button = el(
      "button.primary",
      {
        type: "button",
        click: async () => {
          button.disabled = true;
          const answer = await attempt(() => call("POST", `/mails/${mail.id}/links`));
          if (answer && this.mail?.id === mail.id) this.links(new Map(answer.links.map((link) => [link.url, link])));
        },
      },
      "Check the links",
    );
    this.panel.replaceChildren(
      el(
        "div.card",
        {},
        el("p", {}, button, el("span.soft", {}, "  Each is asked by HEAD, from this machine.")),
        el("table", {}, el("tbody", {}, mail.links.map(row))),
      ),
    );
  }

  async road() {
    const id = this.mail.id;
    const road = await attempt(() => call("GET", `/mails/${id}/road`));
    if (road && this.mail?.id === id && this.tab === "road") this.panel.replaceChildren(drawRoad(road.steps));
  }

  /** The mail changed: what is shown of its way is read anew. */
  async changed(row) {
    if (this.mail?.id !== row.id) return;
    Object.assign(this.mail, row);
    if (this.tab === "road") await this.road();
  }
}
