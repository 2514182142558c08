// The site's search: it ranks the pages of Sphinx's own index (searchindex.js) as one
// types, in the dialog of every page and on search.html. search_words.js, which the
// build writes, holds synonyms, the kinds of pages and the messages of the pitfalls.
"use strict";

(() => {
  const WEIGHT = { keyword: 12, title: 8, heading: 4, text: 1 };
  const SHOWN = 12; // results; nobody reads on
  const SYNONYM = 0.9; // of a match of the word itself
  const PART = 0.3; // of a phrase, of which not all words are on the page
  const PREFIX = 0.6; // of a match of the whole word, while one is still typing it
  const LOOKS_LIKE_ERROR = /(Error|Warning|Exception):|\S+ \S+ \S+ \S+ \S+ \S+ \S+ \S+/;
  const EVERYWHERE = new Set(["torch", "pytorch", "autodiff_guide", "ag"]);
  const NOISE = /0x[0-9a-f]+|File ".*?", line \d+|\bcuda:\d+|\d+/g;
  const root = document.documentElement.dataset.content_root;

  const load = (address) =>
    new Promise((resolve, reject) => {
      const script = document.createElement("script");
      [script.src, script.onload, script.onerror] = [root + address, resolve, reject];
      document.head.append(script);
    });

  // -- the index, by page --------------------------------------------------------------
  class Index {
    constructor(sphinx, words) {
      this.names = sphinx.docnames;
      this.titles = sphinx.titles;
      this.words = words;
      this.stemmer = new Stemmer();
      this.postings = new Map(); // word -> page -> weight of its best place
      for (const [word, pages] of Object.entries(sphinx.terms))
        for (const page of [pages].flat()) this.add(word, page, WEIGHT.text);
      this.headings = sphinx.titles.map(() => []);
      for (const [heading, places] of Object.entries(sphinx.alltitles))
        for (const [page, anchor] of places) {
          const stems = this.stems(heading);
          const isTitle = anchor === null || heading === sphinx.titles[page];
          if (!isTitle) this.headings[page].push({ heading, anchor, stems });
          for (const word of stems)
            this.add(word, page, isTitle ? WEIGHT.title : WEIGHT.heading);
        }
      this.titleStems = sphinx.titles.map((title) => this.stems(title));
      for (const [page, name] of this.names.entries())
        for (const word of this.stems(words.keywords[name] ?? ""))
          this.add(word, page, WEIGHT.keyword);
      this.vocabulary = [...this.postings.keys()];
      this.messages = Object.entries(words.messages).map(([name, message]) => ({
        page: this.names.indexOf(name),
        message: new RegExp(message),
      }));
      this.groups = words.synonyms.map((group) =>
        group.map((one) => this.stems(one)).filter((way) => way.length), // "He" is "he"
      );
    }

    add(word, page, weight) {
      if (!this.postings.has(word)) this.postings.set(word, new Map());
      const pages = this.postings.get(word);
      pages.set(page, Math.max(weight, pages.get(page) ?? 0));
    }

    stems(text) {
      const words = text.toLowerCase().match(/[\p{Letter}\p{Number}_]+/gu) ?? [];
      const kept = words.filter((word) => !stopwords.has(word) && !EVERYWHERE.has(word));
      return [...new Set(kept.map((word) => this.stemmer.stemWord(word)))];
    }

    rarity(word) {
      const pages = this.postings.get(word)?.size ?? 0;
      return Math.log(1 + this.names.length / (1 + pages));
    }

    // What the query asks for: each concept is a list of ways to say it.
    concepts(query) {
      let words = this.stems(query);
      const concepts = [];
      for (const group of this.groups) {
        const said = group.find((way) => way.every((word) => words.includes(word)));
        if (!said) continue;
        words = words.filter((word) => !said.includes(word));
        const others = group.filter((way) => way !== said);
        concepts.push([
          { words: said, factor: 1 },
          ...others.map((way) => ({ words: way, factor: SYNONYM })),
        ]);
      }
      for (const word of words) {
        const ways = [{ words: [word], factor: 1 }];
        if (!this.postings.has(word) && word.length > 2)
          for (const longer of this.vocabulary)
            if (longer.startsWith(word)) ways.push({ words: [longer], factor: PREFIX });
        concepts.push(ways);
      }
      return concepts;
    }

    search(query) {
      const isError = LOOKS_LIKE_ERROR.test(query);
      const concepts = this.concepts(isError ? query.replace(NOISE, " ") : query);
      const asked = new Set(concepts.flat().flatMap((way) => way.words));
      const found = new Map(); // page -> { score, matched }
      let possible = 0;
      for (const ways of concepts) {
        const worth = ways[0].words.reduce((sum, word) => sum + this.rarity(word), 0);
        possible += worth;
        const best = new Map();
        for (const { words, factor } of ways) {
          const weights = new Map(); // page -> those of the words that are on it
          for (const word of words)
            for (const [page, weight] of this.postings.get(word) ?? [])
              weights.set(page, [...(weights.get(page) ?? []), weight]);
          for (const [page, found] of weights) {
            const mean = found.reduce((sum, weight) => sum + weight) / words.length;
            const whole = found.length === words.length ? 1 : PART;
            best.set(page, Math.max(best.get(page) ?? 0, factor * whole * mean));
          }
        }
        for (const [page, weight] of best) {
          const sofar = found.get(page) ?? { score: 0, matched: 0 };
          sofar.score += weight * worth;
          sofar.matched += worth;
          found.set(page, sofar);
        }
      }
      for (const { page, message } of this.messages)
        if (message.test(query)) found.set(page, { score: Infinity, matched: possible });
      const results = [];
      for (const [page, { score, matched }] of found) {
        const name = this.names[page];
        const kind = this.words.kinds.find(({ prefix }) => name.startsWith(prefix));
        const title = this.titleStems[page];
        const hit = title.filter((word) => asked.has(word)).length;
        const exact = title.length ? hit / title.length : 0; // of the title is asked for
        const factor = isError && kind.name === "Pitfall" ? 3 : kind.factor;
        results.push({
          page,
          kind: kind.name,
          title: this.titles[page],
          address: name + ".html",
          section: this.section(page, asked),
          score: score * factor * (matched / possible) ** 2 * (0.6 + 0.4 * exact),
        });
      }
      return results.sort((a, b) => (b.score > a.score ? 1 : -1)).slice(0, SHOWN);
    }

    // The heading below which most of the query is, if its page's title is not enough.
    section(page, asked) {
      const worth = (stems) =>
        stems.reduce((sum, word) => sum + (asked.has(word) ? this.rarity(word) : 0), 0);
      let best = { value: worth(this.titleStems[page]) };
      for (const { heading, anchor, stems } of this.headings[page])
        if (worth(stems) > best.value) best = { heading, anchor, value: worth(stems) };
      return best.anchor ? best : null;
    }
  }

  let index;
  const ready = () =>
    (index ??= (async () => {
      let sphinx;
      window.Search = { setIndex: (found) => (sphinx = found) };
      await load("_static/language_data.js");
      await load("_static/search_words.js");
      await load("searchindex.js");
      return new Index(sphinx, SEARCH_WORDS);
    })());

  // -- the page ------------------------------------------------------------------------
  const item = ({ title, kind, address, section }) => {
    const entry = document.createElement("li");
    const link = entry.appendChild(document.createElement("a"));
    link.href = root + address + (section ? `#${section.anchor}` : "");
    link.textContent = title;
    const where = entry.appendChild(document.createElement("span"));
    where.textContent = section ? `${kind} · ${section.heading}` : kind;
    return entry;
  };

  const attach = (form) => {
    const field = form.querySelector("input");
    const status = document.createElement("p");
    status.role = "status";
    const list = document.createElement("ol");
    const results = document.createElement("div");
    results.className = "found";
    results.append(status, list);
    form.after(results);

    const show = async () => {
      const query = field.value;
      const ranked = query.trim() ? (await ready()).search(query) : [];
      if (query !== field.value) return; // typed on meanwhile
      list.replaceChildren(...ranked.map(item));
      status.textContent = !query.trim()
        ? ""
        : ranked.length
          ? `${ranked.length === SHOWN ? `The best ${SHOWN}` : ranked.length} found`
          : "Nothing found. Try one word of it.";
    };
    field.addEventListener("focus", ready);
    field.addEventListener("input", show);
    results.parentNode.addEventListener("keydown", (event) => {
      const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
      if (!step) return;
      const stops = [field, ...list.querySelectorAll("a")];
      stops[stops.indexOf(document.activeElement) + step]?.focus();
      event.preventDefault();
    });
    return show;
  };

  document.addEventListener("DOMContentLoaded", () => {
    for (const form of document.querySelectorAll("form.bd-search")) {
      const show = attach(form);
      if (form.closest("dialog")) continue;
      const query = new URLSearchParams(location.search).get("q");
      form.querySelector("input").value = query ?? "";
      form.addEventListener("submit", (event) => event.preventDefault());
      show();
    }
    document.addEventListener("keydown", (event) => {
      const typing = event.target.closest?.("input, textarea, select, [contenteditable]");
      if (event.key !== "/" || typing || event.ctrlKey || event.metaKey) return;
      document.querySelector(".search-button")?.click();
      event.preventDefault();
    });
  });
})();
