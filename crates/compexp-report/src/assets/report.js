// Sorts, filters and turns over the cards, keeps that state in the address, lets masks be hidden, pictures be enlarged and
// formulas be copied. Without it the best units are there, best first, and every link works.
"use strict";

(function () {
  const cards = document.getElementById("cards");
  const form = document.getElementById("controls");
  if (cards && form && typeof compexpUnits === "object") setUpCards(cards, form, compexpUnits);
  const find = document.getElementById("find");
  if (find && typeof compexpFind === "object") setUpFind(find, compexpFind);
  setUpLayers(document.querySelector(".layers"));
  setUpSteps();
  setUpBack(document.querySelector("a[data-back]"));
  setUpPictures();
  setUpCopies();
  // A page that is printed shows pictures that were not scrolled to.
  addEventListener("beforeprint", () => {
    for (const image of document.querySelectorAll("img[loading=lazy]")) image.loading = "eager";
  });

  function setUpCards(list, form, data) {
    const live = document.getElementById("live");
    const empty = document.getElementById("empty");
    const pager = document.getElementById("pager");
    const limits = document.getElementById("limits");
    const number = (value) => (value === null ? -Infinity : value);
    const there = new Map(Array.from(list.children, (card) => [Number(card.dataset.unit), card]));
    // In the order of the file, which is best first.
    const items = data.units.map(([unit, status, formula, concepts, cats, ...scores], place) => {
      const [iou, mcc, lift, corrected, held, p, q, area, len, acc] = scores.map(number);
      const [forms = [], card] = [scores[10], there.get(unit)];
      return { unit, status, formula, concepts, cats, iou, mcc, lift, corrected, held, p, q, area, len, acc, forms, place, card };
    });
    // What the search looks in is put together when somebody searches.
    function text(item) {
      if (item.text === undefined) {
        const names = item.concepts.map((i) => data.concepts[i][1]);
        const formula = item.formula || item.status.replaceAll("_", " ");
        item.text = ["unit " + item.unit, formula, ...names, ...item.forms].join(" ").toLowerCase();
      }
      return item.text;
    }
    const concepts = new Map();
    const options = document.createDocumentFragment();
    data.concepts.forEach(([key, words], i) => {
      const option = document.createElement("option");
      option.value = words;
      options.append(option);
      for (const name of [words, key]) concepts.set(name, i);
    });
    document.getElementById("concepts").append(options);
    const fields = Array.from(form.elements).filter((field) => field.name);
    const sorts = form.elements.sort;
    const defaults = { sort: sorts.options[0].value };
    let page = 0;
    let asked = 0;

    form.hidden = false;
    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("input", () => { page = 0; show(true); });
    form.addEventListener("reset", () => setTimeout(() => { page = 0; show(true); }));
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
    pager.addEventListener("click", (event) => {
      if (!event.target.dataset.turn) return;
      page += Number(event.target.dataset.turn);
      show(true);
      list.scrollIntoView({ block: "start" });
    });

    // Cards that are not here yet come in scripts, which a page that is a file may load too.
    const waiting = new Map();
    window.compexpCards = (chunk, markups) => {
      const parser = document.createElement("template");
      markups.forEach((markup, i) => {
        parser.innerHTML = markup;
        const item = items[chunk * data.chunk + i];
        if (!item.card) item.card = parser.content.firstElementChild;
      });
    };
    function load(chunk) {
      if (!waiting.has(chunk)) {
        waiting.set(chunk, new Promise((resolve) => {
          const script = document.createElement("script");
          script.src = "cards/" + chunk + ".js";
          script.onload = script.onerror = () => resolve();
          document.head.append(script);
        }));
      }
      return waiting.get(chunk);
    }
    read();
    show(false);

    // Arrow keys go from card to card.
    function step(event) {
      const links = Array.from(list.querySelectorAll("li h2 a"));
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
      page = Math.max(0, (Number(state.get("page")) || 1) - 1);
      if (fields.some((field) => limits.contains(field) && field.value)) limits.open = true;
    }

    function write() {
      const state = new URLSearchParams();
      for (const field of fields) {
        if (field.value && field.value !== defaults[field.name]) state.set(field.name, field.value);
      }
      if (page > 0) state.set("page", page + 1);
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
      const set = fields.filter((field) => (field.dataset.least || field.dataset.most) && field.value);
      const within = (item, { value, dataset: { least, most } }) =>
        least ? item[least] >= Number(value) : item[most] !== -Infinity && item[most] <= Number(value);
      const fits = (item) =>
        set.every((field) => within(item, field)) &&
        (!value("status") || item.status === value("status")) &&
        (!wanted || item.concepts.some((i) => allowed.has(i))) &&
        (!value("cat") || item.cats.includes(Number(value("cat")))) &&
        words.every((word) => text(item).includes(word));
      const key = value("sort") || defaults.sort;
      const sign = value("dir") === "up" ? -1 : 1;
      const ascending = ["unit", "len", "p", "q"].includes(key) ? -1 : 1;
      // Units without the value stay last in either direction.
      const order = (a, b) => {
        const [none, other] = [a[key] === -Infinity, b[key] === -Infinity];
        if (none || other) return none - other || a.place - b.place;
        return sign * ascending * (b[key] - a[key]) || a.place - b.place;
      };
      const found = items.filter(fits).sort(order);
      const pages = Math.max(1, Math.ceil(found.length / data.page));
      page = Math.min(Math.max(page, 0), pages - 1);
      const first = page * data.page;
      const shown = found.slice(first, first + data.page);
      live.textContent =
        (found.length === items.length ? items.length + " units" : found.length + " of " + items.length + " units") +
        (pages > 1 ? ", " + (first + 1) + " to " + (first + shown.length) + " shown" : "");
      empty.hidden = found.length > 0;
      pager.hidden = pages === 1;
      pager.querySelector("span").textContent = "page " + (page + 1) + " of " + pages;
      for (const button of pager.querySelectorAll("button")) {
        button.disabled = page + Number(button.dataset.turn) < 0 || page + Number(button.dataset.turn) >= pages;
      }
      if (changed) write();
      try {
        sessionStorage.setItem("compexp-cards", location.href);
      } catch (denied) {
        // Some browsers keep nothing for files.
      }
      const put = () => list.replaceChildren(...shown.map((item) => item.card).filter(Boolean));
      const missing = new Set(shown.filter((item) => !item.card).map((item) => Math.floor(item.place / data.chunk)));
      const own = ++asked;
      if (missing.size === 0) put();
      else Promise.all([...missing].map(load)).then(() => { if (own === asked) put(); });
    }
  }

  // Finds units by concept and by word in scripts that are loaded when a search needs them.
  function setUpFind(form, data) {
    const live = document.getElementById("live");
    const [found, listed] = [document.getElementById("found"), document.getElementById("listed")];
    const [rows, more] = [document.getElementById("found-rows"), document.getElementById("more")];
    const all = live.textContent;
    const names = new Map();
    const options = document.createDocumentFragment();
    for (const [key, words] of data.concepts) {
      const option = document.createElement("option");
      option.value = words;
      options.append(option);
      for (const name of [words, key]) names.set(name, key);
    }
    document.getElementById("concepts").append(options);
    const [terms, units, waiting] = [new Map(), new Map(), new Map()];
    window.compexpTerms = (shard, found) => terms.set(shard, new Map(Object.entries(found)));
    window.compexpRows = (chunk, found) => units.set(chunk, found);
    function load(name) {
      if (!waiting.has(name)) {
        waiting.set(name, new Promise((resolve) => {
          const script = document.createElement("script");
          script.src = "find/" + name + ".js";
          script.onload = script.onerror = () => resolve();
          document.head.append(script);
        }));
      }
      return waiting.get(name);
    }
    // FNV-1a, as the report was written with.
    function shard(term) {
      let hash = 0x811c9dc5;
      for (const byte of new TextEncoder().encode(term)) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
      return hash % data.shards;
    }
    async function places(term) {
      const k = shard(term);
      await load("terms-" + k);
      return (terms.get(k) && terms.get(k).get(term)) || [];
    }
    let [places_found, shown, asked] = [[], 0, 0];
    async function show(own) {
      const next = places_found.slice(shown, shown + 50);
      const chunks = [...new Set(next.map((place) => Math.floor(place / data.rows)))];
      await Promise.all(chunks.map((chunk) => load("rows-" + chunk)));
      if (own !== asked) return;
      for (const place of next) {
        const row = (units.get(Math.floor(place / data.rows)) || [])[place % data.rows];
        if (!row) continue;
        const [unit, score, rate, text, words] = row;
        const tr = document.createElement("tr");
        const link = document.createElement("a");
        link.href = "units/" + unit + ".html";
        link.textContent = unit;
        const cells = [link, score, rate, text].map((content, i) => {
          const td = document.createElement("td");
          if (i < 3) td.className = "n";
          td.append(content);
          return td;
        });
        if (words) {
          const said = document.createElement("span");
          said.className = "in-words";
          said.textContent = words;
          cells[3].append(said);
        }
        tr.append(...cells);
        rows.append(tr);
      }
      shown += next.length;
      more.hidden = shown >= places_found.length;
      live.textContent = places_found.length + " units found, " + shown + " shown";
    }
    async function search() {
      const own = ++asked;
      const value = (name) => (form.elements[name] ? form.elements[name].value.trim() : "");
      const [concept, word] = [value("concept"), value("word").toLowerCase()];
      const wanted = [];
      if (concept) wanted.push("c:" + (names.get(concept) ?? concept));
      if (word) wanted.push("w:" + word);
      const state = new URLSearchParams(Object.entries({ concept, word }).filter(([, v]) => v)).toString();
      history.replaceState(null, "", state ? "#" + state : location.pathname + location.search);
      found.hidden = wanted.length === 0;
      listed.hidden = !found.hidden;
      if (found.hidden) {
        live.textContent = all;
        return;
      }
      const lists = await Promise.all(wanted.map(places));
      if (own !== asked) return;
      const others = lists.slice(1).map((list) => new Set(list));
      [places_found, shown] = [lists[0].filter((place) => others.every((other) => other.has(place))), 0];
      rows.replaceChildren();
      await show(own);
    }
    function read() {
      const state = new URLSearchParams(location.hash.slice(1));
      for (const name of ["concept", "word"]) if (form.elements[name]) form.elements[name].value = state.get(name) ?? "";
      search();
    }
    form.hidden = false;
    form.addEventListener("submit", (event) => { event.preventDefault(); search(); });
    form.addEventListener("change", search);
    form.addEventListener("reset", () => setTimeout(search));
    more.addEventListener("click", () => show(asked));
    addEventListener("hashchange", read);
    read();
  }

  // A click enlarges a picture with its masks.
  function setUpPictures() {
    const pictures = document.querySelectorAll(".zoomable");
    if (!pictures.length || !window.HTMLDialogElement) return;
    const dialog = document.createElement("dialog");
    dialog.className = "large";
    dialog.setAttribute("aria-label", "Enlarged picture");
    document.body.append(dialog);
    dialog.addEventListener("click", () => dialog.close());
    for (const picture of pictures) {
      const button = picture.querySelector(".zoom");
      button.hidden = false;
      picture.classList.add("ready");
      picture.addEventListener("click", () => {
        const drawing = picture.querySelector(".drawing").cloneNode(true);
        const caption = document.createElement("p");
        caption.textContent = drawing.getAttribute("aria-label");
        const close = document.createElement("button");
        close.type = "button";
        close.textContent = "Close";
        dialog.replaceChildren(drawing, caption, close);
        dialog.showModal();
      });
    }
  }

  function setUpCopies() {
    for (const button of document.querySelectorAll("button.copy")) {
      const label = button.textContent;
      button.hidden = false;
      button.addEventListener("click", async () => {
        try {
          await navigator.clipboard.writeText(button.dataset.copy);
          button.textContent = "Copied";
        } catch (denied) {
          // Then the text is shown and selected, to be copied by hand.
          const raw = document.querySelector(".raw");
          raw.open = true;
          getSelection().selectAllChildren(raw.querySelector("code"));
          button.textContent = "Selected: copy it with the keyboard";
        }
        setTimeout(() => { button.textContent = label; }, 2500);
      });
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
