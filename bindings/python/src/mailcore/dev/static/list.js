// The list of mails: only the rows in sight are elements, and only pages in sight are asked for.
import { byId, call, el, relative, size, stateChip } from "/static/dom.js";

const ROW = 74; // pixels, as in app.css
const PAGE = 100; // rows that one request gets
const SPARE = 6; // rows above and below those in sight

export class MailList {
  constructor(onOpen) {
    this.box = byId("list");
    this.spacer = this.box.firstElementChild;
    this.onOpen = onOpen;
    this.rows = new Map(); // place -> row
    this.shown = new Map(); // id -> element
    this.asked = new Set();
    this.fresh = new Set();
    this.total = 0;
    this.unseen = 0;
    this.query = "";
    this.selected = null;
    this.generation = 0;
    this.drawing = 0;
    this.box.addEventListener("scroll", () => this.soon());
    new ResizeObserver(() => this.soon()).observe(this.box);
    this.box.addEventListener("click", (event) => {
      const row = event.target.closest(".row");
      if (row) this.onOpen(Number(row.dataset.id));
    });
  }

  /** Reads the list anew, for another query or after a change. Rows that were known stay until the new ones are there. */
  async refresh(query = this.query) {
    if (query !== this.query) this.box.scrollTop = 0;
    this.query = query;
    const generation = ++this.generation;
    const first = Math.floor(this.box.scrollTop / ROW / PAGE) * PAGE;
    const pages = await Promise.all([first, first + PAGE].map((offset) => this.ask(offset)));
    if (generation !== this.generation) return;
    this.rows.clear();
    this.asked = new Set([first, first + PAGE]);
    pages.forEach((page) => this.keep(page));
    this.soon();
  }

  ask(offset) {
    return call("GET", `/mails?q=${encodeURIComponent(this.query)}&offset=${offset}&limit=${PAGE}`);
  }

  keep(page) {
    page.mails.forEach((row, n) => this.rows.set(page.offset + n, row));
    this.total = page.total;
    this.unseen = page.unseen;
  }

  /** A mail came: what is read stays where it is. */
  arrived(row) {
    if (this.query) {
      this.refreshSoon();
      return;
    }
    const moved = new Map([[0, row]]);
    for (const [place, known] of this.rows) moved.set(place + 1, known);
    this.rows = moved;
    this.asked.clear();
    this.total += 1;
    this.unseen += 1;
    this.fresh.add(row.id);
    setTimeout(() => this.fresh.delete(row.id), 2000);
    this.spacer.style.height = `${this.total * ROW}px`;
    if (this.box.scrollTop > ROW / 2) this.box.scrollTop += ROW;
    this.soon();
  }

  changed(row) {
    for (const [place, known] of this.rows) {
      if (known.id !== row.id) continue;
      if (known.seen !== row.seen) this.unseen += row.seen ? -1 : 1;
      this.rows.set(place, row);
      this.shown.get(row.id)?.remove();
      this.shown.delete(row.id);
    }
    if (this.query.includes("is:")) this.refreshSoon();
    this.soon();
  }

  refreshSoon() {
    clearTimeout(this.later);
    this.later = setTimeout(() => this.refresh(), 120);
  }

  /** Makes the rows in sight anew. */
  redraw() {
    this.shown.forEach((one) => one.remove());
    this.shown.clear();
    this.soon();
  }

  soon() {
    if (!this.drawing)
      this.drawing = requestAnimationFrame(() => {
        this.drawing = 0;
        this.draw();
      });
  }

  draw() {
    this.spacer.style.height = `${this.total * ROW}px`;
    const first = Math.max(0, Math.floor(this.box.scrollTop / ROW) - SPARE);
    const last = Math.min(this.total, Math.ceil((this.box.scrollTop + this.box.clientHeight) / ROW) + SPARE);
    const kept = new Set();
    for (let place = first; place < last; place++) {
      const row = this.rows.get(place);
      if (!row) {
        this.fetch(place);
        continue;
      }
      kept.add(row.id);
      let shown = this.shown.get(row.id);
      if (!shown) {
        shown = this.element(row);
        this.shown.set(row.id, shown);
        this.box.append(shown);
      }
      shown.style.transform = `translateY(${place * ROW}px)`;
      shown.setAttribute("aria-posinset", place + 1);
      shown.setAttribute("aria-setsize", this.total);
      shown.setAttribute("aria-selected", row.id === this.selected);
    }
    for (const [id, shown] of this.shown) {
      if (!kept.has(id)) {
        shown.remove();
        this.shown.delete(id);
      }
    }
    if (this.shown.has(this.selected)) this.box.setAttribute("aria-activedescendant", `row-${this.selected}`);
    else this.box.removeAttribute("aria-activedescendant");
    byId("total").textContent = this.total === 1 ? "1 mail" : `${this.total.toLocaleString("en")} mails`;
    byId("count-mail").textContent = this.unseen || "";
  }

  async fetch(place) {
    const offset = Math.floor(place / PAGE) * PAGE;
    if (this.asked.has(offset)) return;
    this.asked.add(offset);
    const generation = this.generation;
    const page = await this.ask(offset);
    if (generation === this.generation) {
      this.keep(page);
      this.soon();
    }
  }

  element(row) {
    const who = el("div.who", {}, el("b", {}, row.author || row.sender || "<>"), " → ", row.recipients.join(", "));
    const chips = [
      stateChip(row.state),
      ...row.codes.slice(0, 1).map((code) => el("span.chip.code", { title: "one-time code" }, code)),
      row.attachments ? el("span.chip", {}, row.attachments === 1 ? "1 file" : `${row.attachments} files`) : null,
    ];
    const time = el("time", { title: new Date(row.time_ms).toLocaleString() }, relative(row.time_ms));
    const made = el(
      row.seen ? "div.row.seen" : "div.row",
      {
        role: "option",
        id: `row-${row.id}`,
        "data-id": row.id,
        "aria-label":
          `${row.seen ? "" : "Unread: "}${row.subject || "no subject"}, from ${row.author || row.sender || "nobody"}, ` +
          `to ${row.recipients.join(", ")}, ${size(row.size)}${row.state === "filed" ? "" : ", " + row.state}`,
      },
      el("span.dot"),
      el("div.top", {}, el("span.subject", {}, row.subject || "(no subject)"), time),
      who,
      el("div.line", {}, el("span.snippet", {}, row.snippet), chips),
    );
    if (this.fresh.has(row.id)) made.classList.add("new");
    return made;
  }

  select(id) {
    this.selected = id;
    this.soon();
  }

  /** The mail `by` places further down than the selected one, scrolled into sight; its id. */
  async step(by) {
    let place = [...this.rows].find(([, row]) => row.id === this.selected)?.[0];
    place = place === undefined ? 0 : Math.max(0, Math.min(this.total - 1, place + by));
    if (!this.rows.has(place)) {
      this.box.scrollTop = place * ROW;
      await this.fetch(place);
    }
    const top = place * ROW;
    if (top < this.box.scrollTop) this.box.scrollTop = top;
    else if (top + ROW > this.box.scrollTop + this.box.clientHeight)
      this.box.scrollTop = top + ROW - this.box.clientHeight;
    return this.rows.get(place)?.id ?? null;
  }
}
