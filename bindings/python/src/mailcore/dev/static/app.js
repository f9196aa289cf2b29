// The inbox: which page is shown, live changes, keys.
import { attempt, byId, call, clockText, el, now, setClock, toast, until } from "/static/dom.js";
import { MailList } from "/static/list.js";
import { MailView, TABS } from "/static/mail.js";
import { connectPage, namesPage, queuePage, troublePage } from "/static/pages.js";

const KEYS = [
  ["j  k", "next mail, previous mail"],
  ["1  2  3", "HTML, text, source"],
  ["4  5  6  7", "headers, parts, links, road"],
  ["/", "search"],
  ["#", "delete the mail"],
  ["q", "queue"],
  ["t", "trouble"],
  ["i", "mails"],
  ["?", "these keys"],
  ["Esc", "out of the search, back to the list"],
];

let status = null;
const view = new MailView();
const list = new MailList((id) => {
  location.hash = `#/mail/${id}`;
});

async function readStatus() {
  status = await call("GET", "/status");
  setClock(status.now_ms);
  const alarm = byId("count-trouble");
  alarm.textContent = status.trouble.length || "";
  alarm.classList.toggle("alarm", status.trouble.length > 0);
  byId("count-queue").textContent = status.queue || "";
  byId("count-queue").classList.toggle("alarm", status.queue > 0);
  byId("count-names").textContent = status.dns.length || "";
  tick();
}

function tick() {
  if (!status) return;
  const shown = byId("clock");
  shown.textContent = clockText(now());
  shown.classList.toggle("moved", status.advanced_seconds > 0);
  shown.title =
    status.advanced_seconds > 0 ? `The server's clock: ${new Date(now()).toLocaleString()}` : "The server's clock";
  for (const one of document.querySelectorAll("[data-until]")) one.textContent = until(Number(one.dataset.until));
}

async function route() {
  const [page, id, tab] = location.hash.replace(/^#\/?/, "").split("/");
  for (const link of document.querySelectorAll("nav a")) {
    const current = link.dataset.page === (page || "mail");
    if (current) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  document.body.classList.toggle("reading", Boolean(page));
  if (page !== "mail") {
    view.forget();
    list.select(null);
  }
  if (page === "mail" && /^\d+$/.test(id ?? "")) {
    list.select(Number(id));
    await view.show(Number(id), TABS.includes(tab) ? tab : undefined);
  } else if (page === "queue") await queuePage();
  else if (page === "trouble") await troublePage();
  else if (page === "names") await namesPage();
  else if (page === "connect" || !list.total) connectPage(status, sampleMail);
  else byId("detail").replaceChildren(el("p.empty", {}, "Choose a mail.  j and k move,  ? shows all keys."));
}

const sampleMail = () =>
  attempt(() => call("POST", "/mails", { sender: "welcome@shop.test", to: ["kim@else.test"], source: SAMPLE }), "Sent");
const SAMPLE = `From: Shop <welcome@shop.test>
To: kim@else.test
Subject: Your code is 424242
MIME-Version: 1.0
Content-Type: multipart/alternative; boundary=b

--b
Content-Type: text/plain; charset=utf-8

Hello Kim, your code is 424242. It holds for ten minutes.
--b
Content-Type: text/html; charset=utf-8

<div style="font-family:sans-serif;max-width:480px;margin:24px auto;text-align:center"><h2>Hello Kim</h2><p>Your code is</p>
<p style="font-size:32px;letter-spacing:6px"><b>424242</b></p><p>It holds for ten minutes.</p></div>
--b--
`;

// -- live changes -----------------------------------------------------------------------------------------

const needsStatus = () => {
  clearTimeout(needsStatus.timer);
  needsStatus.timer = setTimeout(() => readStatus().catch(() => {}), 60);
};
const redraw = () => {
  clearTimeout(redraw.timer);
  redraw.timer = setTimeout(() => {
    if (!/^#\/mail/.test(location.hash)) route();
  }, 80);
};

function changed(change) {
  if (change.kind === "mail") {
    const first = change.new && !list.total;
    if (change.new) list.arrived(change.row);
    else list.changed(change.row);
    view.changed(change.row);
    if (first) redraw();
  } else if (change.kind === "deleted" || change.kind === "cleared" || change.kind === "lost") {
    list.refresh().then(() => {
      if (change.kind === "cleared" || change.id === view.mail?.id) location.hash = "#/";
      redraw();
    });
  } else if (change.kind === "refused") toast(`Refused at ${change.stage}: ${change.text}`);
  if (change.kind !== "refused") needsStatus();
  if (change.kind === "clock") setTimeout(() => list.redraw(), 200);
  if (["queue", "trouble", "dns", "clock"].includes(change.kind) || change.queue) {
    if (location.hash !== "#/" && location.hash !== "") redraw();
    if (view.mail && view.tab === "road") view.road();
  }
}

function listen() {
  const source = new EventSource("/api/v1/events");
  let broken = false;
  source.onopen = () => {
    byId("live").textContent = "live";
    byId("live").classList.add("on");
    if (broken) {
      list.refresh();
      readStatus().catch(() => {});
    }
    broken = false;
  };
  source.onerror = () => {
    broken = true;
    byId("live").textContent = "no connection";
    byId("live").classList.remove("on");
  };
  source.onmessage = (event) => changed(JSON.parse(event.data));
}

// -- what the user does -----------------------------------------------------------------------------------

let filter = "";
function search() {
  const query = [filter, byId("search").value.trim()].filter(Boolean).join(" ");
  byId("export").href = `/api/v1/mails.mbox?q=${encodeURIComponent(query)}`;
  attempt(() => list.refresh(query));
}

function bind() {
  let typing;
  byId("search").addEventListener("input", () => {
    clearTimeout(typing);
    typing = setTimeout(search, 120);
  });
  for (const button of document.querySelectorAll("[data-filter]")) {
    button.addEventListener("click", () => {
      filter = button.dataset.filter;
      document.querySelectorAll("[data-filter]").forEach((one) => one.setAttribute("aria-pressed", one === button));
      search();
    });
  }
  for (const button of document.querySelectorAll("[data-advance]")) {
    button.addEventListener("click", () =>
      attempt(() => call("POST", "/clock", { advance: button.dataset.advance }), `Clock: +${button.dataset.advance}`),
    );
  }
  byId("clear").addEventListener("click", () => {
    const shown = el(
      "dialog",
      { "aria-label": "Delete all", close: () => shown.remove() },
      el("h2", {}, "Delete all mails?"),
      el("p", {}, "They go from the mailboxes and from the queue, too."),
      el(
        "div.buttons",
        {},
        el(
          "button.danger",
          {
            type: "button",
            click: () => {
              shown.close();
              attempt(() => call("DELETE", "/mails"), "Deleted");
            },
          },
          "Delete all",
        ),
        el("button", { type: "button", autofocus: true, click: () => shown.close() }, "Cancel"),
      ),
    );
    document.body.append(shown);
    shown.showModal();
  });
  byId("help").addEventListener("click", showKeys);
  bindTheme();
  document.addEventListener("keydown", key);
  window.addEventListener("hashchange", route);
  setInterval(tick, 1000);
  setInterval(() => list.redraw(), 30000); // relative times
}

function bindTheme() {
  const button = byId("theme");
  const dark = () =>
    (document.documentElement.dataset.theme ||
      (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
  const show = () => {
    button.textContent = dark() ? "☀" : "☾";
  };
  const saved = localStorage.getItem("theme");
  if (saved) document.documentElement.dataset.theme = saved;
  button.addEventListener("click", () => {
    document.documentElement.dataset.theme = dark() ? "light" : "dark";
    localStorage.setItem("theme", document.documentElement.dataset.theme);
    show();
  });
  show();
}

function showKeys() {
  const shown = byId("keys");
  shown.replaceChildren(
    el("h2", {}, "Keys"),
    el(
      "div.keys",
      {},
      KEYS.flatMap(([key, what]) => [el("span", {}, el("kbd", {}, key)), el("span", {}, what)]),
    ),
    el("p.soft", {}, "Search: words, and to: from: subject: is:unread is:queued is:failed has:attachment"),
    el("button", { type: "button", click: () => shown.close() }, "Close"),
  );
  shown.showModal();
}

async function key(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
  const typing = event.target.closest("input, select, textarea");
  if (event.key === "Escape" && typing) {
    typing.blur();
    byId("list").focus();
    return;
  }
  if (typing) return;
  const inList = event.target === byId("list");
  const down = event.key === "j" || (inList && event.key === "ArrowDown");
  const up = event.key === "k" || (inList && event.key === "ArrowUp");
  const tabs = view.mail ? TABS : [];
  if (down || up) {
    event.preventDefault();
    const id = await list.step(down ? 1 : -1);
    if (id !== null) location.hash = `#/mail/${id}`;
  } else if (/^[1-7]$/.test(event.key) && tabs.length) {
    const tab = tabs[Number(event.key) - 1];
    if (tab !== "html" || view.mail.html) location.hash = `#/mail/${view.mail.id}/${tab}`;
  } else if (event.key === "/") {
    event.preventDefault();
    byId("search").focus();
    byId("search").select();
  } else if (event.key === "#" && view.mail) view.remove();
  else if (event.key === "q") location.hash = "#/queue";
  else if (event.key === "t") location.hash = "#/trouble";
  else if (event.key === "i" || event.key === "Escape") location.hash = "#/";
  else if (event.key === "?") showKeys();
}

async function begin() {
  bind();
  await attempt(() => Promise.all([readStatus(), list.refresh("")]));
  listen();
  await route();
  document.body.dataset.ready = "yes";
}

begin();
