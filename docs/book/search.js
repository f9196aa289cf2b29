/* Search in headings and names. `BOOK` (index.js) lists them: text, page. Without scripts the book lacks only this. */
"use strict";

(() => {
  const root = document.currentScript.dataset.root;
  const most = 12;
  const form = document.createElement("form");
  const input = document.createElement("input");
  const list = document.createElement("ul");
  form.setAttribute("role", "search");
  input.type = "search";
  input.placeholder = "Search ( / )";
  input.setAttribute("aria-label", "Search in headings and names");
  list.setAttribute("aria-label", "Found");
  list.hidden = true;
  form.append(input, list);
  document.querySelector("header").append(form);

  /* Names that begin with the words come first, then shorter ones. */
  function find(words) {
    const wanted = words.toLowerCase().split(/\s+/).filter(Boolean);
    const fits = BOOK.filter(([text]) => wanted.every((word) => text.toLowerCase().includes(word)));
    const rank = ([text]) => (text.toLowerCase().startsWith(wanted[0]) ? 0 : 1000) + text.length;
    return wanted.length ? fits.sort((a, b) => rank(a) - rank(b)).slice(0, most) : [];
  }

  function show() {
    const found = find(input.value);
    list.replaceChildren(...found.map(([text, page, chapter]) => {
      const item = document.createElement("li");
      const link = document.createElement("a");
      const where = document.createElement("small");
      link.href = root + page;
      link.append(text, " ");
      where.textContent = chapter;
      link.append(where);
      item.append(link);
      return item;
    }));
    list.hidden = found.length === 0;
  }

  input.addEventListener("input", show);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const first = list.querySelector("a");
    if (first) {
      first.click();
      list.hidden = true;
    }
  });
  form.addEventListener("keydown", (event) => {
    const links = [...list.querySelectorAll("a")];
    const at = links.indexOf(document.activeElement);
    if (event.key === "Escape") {
      list.hidden = true;
      input.focus();
    } else if (event.key === "ArrowDown" && links.length) {
      links[Math.min(at + 1, links.length - 1)].focus();
      event.preventDefault();
    } else if (event.key === "ArrowUp" && at >= 0) {
      (links[at - 1] || input).focus();
      event.preventDefault();
    }
  });
  document.addEventListener("click", (event) => {
    list.hidden = list.hidden || !form.contains(event.target);
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "/" && document.activeElement !== input) {
      input.focus();
      event.preventDefault();
    }
  });
})();
