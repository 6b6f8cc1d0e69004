// Sorts and filters the cards, keeps that state in the address, and lets masks be hidden. Without it all cards are there,
// best first, and every link works.
"use strict";

(function () {
  const cards = document.getElementById("cards");
  const form = document.getElementById("controls");
  if (cards && form) setUpCards(cards, form);
  setUpLayers(document.querySelector(".layers"));
  setUpSteps();
  setUpBack(document.querySelector("a[data-back]"));
  // A page that is printed shows pictures that were not scrolled to.
  addEventListener("beforeprint", () => {
    for (const image of document.querySelectorAll("img[loading=lazy]")) image.loading = "eager";
  });

  function setUpCards(list, form) {
    const live = document.getElementById("live");
    const empty = document.getElementById("empty");
    const number = (text) => (text === undefined ? -Infinity : Number(text));
    const items = Array.from(list.children, (card, place) => ({
      card,
      place,
      text: (card.querySelector("h2").textContent + " " + card.querySelector(".card-formula").textContent).toLowerCase(),
      iou: number(card.dataset.iou),
      acc: number(card.dataset.acc),
      area: number(card.dataset.area),
      len: number(card.dataset.len),
      q: number(card.dataset.q),
      held: number(card.dataset.held),
      unit: number(card.dataset.unit),
      status: card.dataset.status,
      concepts: card.dataset.concepts.split(" "),
      cats: card.dataset.cats.split(" "),
    }));
    const concepts = new Map(Array.from(document.querySelectorAll("#concepts option"), (o) => [o.value, o.dataset.i]));
    const fields = Array.from(form.elements).filter((field) => field.name);
    const defaults = { sort: "iou" };

    form.hidden = false;
    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("input", () => show(true));
    form.addEventListener("reset", () => setTimeout(() => show(true)));
    addEventListener("hashchange", () => { read(); show(false); });
    addEventListener("keydown", (event) => {
      const typing = /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName);
      if (event.key === "/" && !typing) {
        event.preventDefault();
        form.elements.q.focus();
      } else if (!typing && event.key.startsWith("Arrow")) {
        step(event);
      }
    });
    read();
    show(false);

    // Arrow keys go from card to card.
    function step(event) {
      const links = Array.from(list.querySelectorAll("li:not([hidden]) h2 a"));
      const at = links.indexOf(document.activeElement);
      if (at < 0) return;
      const columns = getComputedStyle(list).gridTemplateColumns.split(" ").length;
      const by = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns, ArrowUp: -columns }[event.key];
      const next = links[at + by];
      if (next) {
        event.preventDefault();
        next.focus();
      }
    }

    function read() {
      const state = new URLSearchParams(location.hash.slice(1));
      for (const field of fields) field.value = state.get(field.name) ?? defaults[field.name] ?? "";
    }

    function write() {
      const state = new URLSearchParams();
      for (const field of fields) {
        if (field.value && field.value !== defaults[field.name]) state.set(field.name, field.value);
      }
      const hash = state.toString();
      history.replaceState(null, "", hash ? "#" + hash : location.pathname + location.search);
    }

    function show(changed) {
      const value = (name) => (form.elements[name] ? form.elements[name].value.trim() : "");
      const words = value("q").toLowerCase().split(/\s+/).filter(Boolean);
      const wanted = value("concept");
      // A name that is not complete yet stands for all that begin so.
      const allowed = concepts.has(wanted)
        ? new Set([concepts.get(wanted)])
        : new Set([...concepts].filter(([name]) => name.toLowerCase().startsWith(wanted.toLowerCase())).map(([, i]) => i));
      const fits = (item) =>
        words.every((word) => item.text.includes(word)) &&
        (!wanted || item.concepts.some((i) => allowed.has(i))) &&
        (!value("cat") || item.cats.includes(value("cat"))) &&
        (!value("status") || item.status === value("status")) &&
        (!value("iou") || item.iou >= Number(value("iou"))) &&
        (!value("acc") || item.acc >= Number(value("acc"))) &&
        (!value("q_most") || (item.q >= 0 && item.q <= Number(value("q_most")))) &&
        (!value("held") || item.held >= Number(value("held")));
      const key = value("sort") || "iou";
      const sign = value("dir") === "up" ? -1 : 1;
      const ascending = ["unit", "len", "q"].includes(key) ? -1 : 1;
      // Units without the value stay last in either direction.
      const order = (a, b) => {
        const [none, other] = [a[key] === -Infinity, b[key] === -Infinity];
        if (none || other) return none - other || a.place - b.place;
        return sign * ascending * (b[key] - a[key]) || a.place - b.place;
      };
      const sorted = document.createDocumentFragment();
      let shown = 0;
      for (const item of items.slice().sort(order)) {
        item.card.hidden = !fits(item);
        if (!item.card.hidden) shown += 1;
        sorted.append(item.card);
      }
      list.append(sorted);
      live.textContent = shown === items.length ? shown + " units" : shown + " of " + items.length + " units";
      empty.hidden = shown > 0;
      if (changed) write();
      try {
        sessionStorage.setItem("compexp-cards", location.href);
      } catch (denied) {
        // Some browsers keep nothing for files.
      }
    }
  }

  function setUpLayers(box) {
    if (!box) return;
    box.hidden = false;
    box.addEventListener("change", (event) => {
      document.body.classList.toggle("hide-" + event.target.dataset.layer, !event.target.checked);
    });
  }

  // Left and right go to the units beside this one.
  function setUpSteps() {
    const links = { ArrowLeft: "a[rel=prev]", ArrowRight: "a[rel=next]" };
    if (!document.querySelector(".steps")) return;
    addEventListener("keydown", (event) => {
      const typing = /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName);
      const plain = !event.altKey && !event.ctrlKey && !event.metaKey && !event.shiftKey;
      const link = plain && !typing && links[event.key] && document.querySelector(links[event.key]);
      if (link) link.click();
    });
  }

  // Back to the cards as they were sorted and filtered.
  function setUpBack(link) {
    if (!link) return;
    try {
      const kept = sessionStorage.getItem("compexp-cards");
      if (kept && new URL(kept).pathname === new URL(link.href).pathname) link.href = kept;
    } catch (denied) {
      // Some browsers keep nothing for files.
    }
  }
})();
