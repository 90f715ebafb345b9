// The browser of problems and replies. Only the rows of one page, and the replies of opened problems, are elements.

const GRADES = ["right", "wrong", "ungradable"];
const REPLIES_AT_ONCE = 8;
const SLICE_MS = 12;

function gradeOf(row) {
  const grade = row.outcome && row.outcome.grade;
  return GRADES.includes(grade) ? grade : "ungradable";
}

function samplesBlock(block, context) {
  const rows = block.rows;
  const size = block.page_size || 20;
  const counts = Object.fromEntries(GRADES.map((g) => [g, rows.filter((row) => gradeOf(row) === g).length]));
  const haystacks = new Array(rows.length);
  const state = { query: "", grade: "all", order: "given", page: 0, found: rows.map((row, i) => i), ticket: 0 };
  const id = slug(block.title || "samples", context.chartNames);

  // Made once per problem, on the first search: lower-casing everything at every key would stall large runs.
  function haystack(i) {
    if (haystacks[i] === undefined) {
      const row = rows[i];
      haystacks[i] = [row.id, row.question, row.oracle, row.outcome && row.outcome.answer,
        ...row.samples.map((s) => s.text)].join("\n").toLowerCase();
    }
    return haystacks[i];
  }

  const share = (row) => row.samples.length ? row.samples.filter((s) => gradeOf(s) === "right").length / row.samples.length : 0;
  const list = h("ol", { class: "problems", id: `${id}-list` });
  const status = h("p", { class: "small", role: "status" });
  const search = h("input", { type: "search", placeholder: "Search questions and replies", "aria-label": "Search questions and replies",
    autocomplete: "off", spellcheck: "false" });
  const before = h("button", { type: "button", onclick: () => turn(-1) }, "← Previous");
  const after = h("button", { type: "button", onclick: () => turn(1) }, "Next →");
  const filters = ["all", ...GRADES].map((grade) => h("button", {
    type: "button", class: `filter ${grade}`, "aria-pressed": grade === "all" ? "true" : "false",
    onclick: (event) => {
      state.grade = grade;
      filters.forEach((b) => b.setAttribute("aria-pressed", String(b === event.currentTarget)));
      find();
    },
  }, grade === "all" ? "All" : [h("span", { class: "glyph", "aria-hidden": "true" }, GLYPHS[grade]), grade], " ",
  h("span", { class: "count" }, grouped(grade === "all" ? rows.length : counts[grade], 0))));
  const order = h("select", { "aria-label": "Order", onchange: (event) => { state.order = event.target.value; find(); } },
    [["given", "Given order"], ["hard", "Hardest first"], ["easy", "Easiest first"], ["split", "Most divided first"]]
      .map(([value, name]) => h("option", { value }, name)));

  // In slices, so that typing stays fluid while tens of thousands of replies are read; a newer search ends an older one.
  async function find() {
    const ticket = state.ticket += 1;
    const query = state.query;
    const found = [];
    let since = performance.now();
    for (let i = 0; i < rows.length; i += 1) {
      if (state.grade !== "all" && gradeOf(rows[i]) !== state.grade) continue;
      if (!query || haystack(i).includes(query)) found.push(i);
      if (performance.now() - since > SLICE_MS) {
        await new Promise((resolve) => { setTimeout(resolve); });
        if (ticket !== state.ticket) return;
        since = performance.now();
      }
    }
    if (state.order !== "given") {
      const key = { hard: share, easy: (row) => -share(row), split: (row) => Math.abs(share(row) - 0.5) }[state.order];
      const keys = new Map(found.map((i) => [i, key(rows[i])]));
      found.sort((a, b) => keys.get(a) - keys.get(b) || a - b);
    }
    state.found = found;
    state.page = 0;
    show();
  }

  function turn(step) {
    const pages = Math.ceil(state.found.length / size);
    const page = Math.min(Math.max(0, state.page + step), Math.max(0, pages - 1));
    if (page === state.page) return;
    state.page = page;
    show();
    const first = list.querySelector("button");
    if (first) first.focus({ preventScroll: true });
    bar.scrollIntoView({ block: "nearest" });
  }

  function show() {
    const from = state.page * size;
    const shown = state.found.slice(from, from + size);
    list.replaceChildren(...shown.map((i) => problem(rows[i])));
    status.textContent = shown.length
      ? `${grouped(from + 1, 0)}–${grouped(from + shown.length, 0)} of ${grouped(state.found.length, 0)} problems`
      : "No problem matches.";
    before.disabled = state.page === 0;
    after.disabled = from + size >= state.found.length;
  }

  function split(row) {
    const of = GRADES.map((g) => [g, row.samples.filter((s) => gradeOf(s) === g).length]);
    const bar = h("span", { class: "split", "aria-hidden": "true" }, of.filter(([, n]) => n).map(([g, n]) => {
      const part = h("span", { class: g });
      part.style.flexGrow = String(n);
      return part;
    }));
    const right = of[0][1];
    return h("span", { class: "split-cell" }, bar, h("span", { class: "small" }, `${right}/${row.samples.length}`));
  }

  function problem(row) {
    const grade = gradeOf(row);
    const body = h("div", { class: "problem-body", hidden: true });
    const button = h("button", { type: "button", class: "problem", "aria-expanded": "false", onclick: () => {
      const open = button.getAttribute("aria-expanded") !== "true";
      button.setAttribute("aria-expanded", String(open));
      body.hidden = !open;
      if (open && !body.childElementCount) fillProblem(body, row);
    } },
    h("span", { class: `glyph ${grade}`, title: grade }, h("span", { "aria-hidden": "true" }, GLYPHS[grade]), h("span", { class: "hidden" }, `${grade}: `)),
    h("span", { class: "problem-id" }, row.id),
    h("span", { class: "problem-question" }, highlighted(row.question, state.query)), split(row));
    return h("li", null, button, body);
  }

  function fillProblem(body, row) {
    const query = state.query;
    const outcome = row.outcome || {};
    const pair = (name, value) => h("div", null, h("dt", null, name), h("dd", null, value));
    add(body, [
      h("p", { class: "question" }, highlighted(row.question, query)),
      h("dl", { class: "pairs" }, pair("oracle", row.oracle), pair("chosen", outcome.answer === null || outcome.answer === undefined ? "none" : outcome.answer),
        h("div", null, h("dt", null, "outcome"), h("dd", null, chip(gradeOf(row)), outcome.reason ? ` ${outcome.reason}` : "")),
        Object.entries(row.metadata || {}).map(([k, v]) => pair(k, plainCell(v, "text")))),
    ]);
    const replies = row.samples.map((sample, i) => ({ sample, i, hit: query && String(sample.text).toLowerCase().includes(query) }));
    const hits = replies.filter((r) => r.hit).length;
    // Replies that match a search come first: they are what it was for.
    if (hits) replies.sort((a, b) => b.hit - a.hit || a.i - b.i);
    const wanted = new Set(GRADES);
    const listed = h("ol", { class: "replies" });
    const more = h("button", { type: "button", class: "quiet" });
    let limit = REPLIES_AT_ONCE;
    function showReplies() {
      const kept = replies.filter((r) => wanted.has(gradeOf(r.sample)));
      listed.replaceChildren(...kept.slice(0, limit).map((r) => reply(r.sample, r.i, query)));
      const left = kept.length - limit;
      more.hidden = left <= 0;
      more.textContent = `Show ${Math.min(left, 4 * REPLIES_AT_ONCE)} more of ${left}`;
    }
    more.addEventListener("click", () => { limit += 4 * REPLIES_AT_ONCE; showReplies(); });
    const present = GRADES.filter((g) => row.samples.some((s) => gradeOf(s) === g));
    const toggles = present.length < 2 ? null : present.map((g) => h("button", { type: "button", class: `filter ${g}`, "aria-pressed": "true", onclick: (event) => {
      if (wanted.has(g)) wanted.delete(g); else wanted.add(g);
      event.currentTarget.setAttribute("aria-pressed", String(wanted.has(g)));
      showReplies();
    } }, h("span", { class: "glyph", "aria-hidden": "true" }, GLYPHS[g]), g, " ", h("span", { class: "count" }, row.samples.filter((s) => gradeOf(s) === g).length)));
    add(body, [h("div", { class: "reply-bar" }, h("span", { class: "small" }, `${row.samples.length} ${row.samples.length === 1 ? "reply" : "replies"}${hits ? `, ${hits} matching` : ""}`), toggles), listed, more]);
    showReplies();
  }

  function reply(sample, i, query) {
    const grade = gradeOf(sample);
    const outcome = sample.outcome || {};
    const parts = [
      outcome.answer === null || outcome.answer === undefined ? "no answer" : h("span", { class: "answer" }, outcome.answer),
      outcome.reason,
      typeof sample.num_tok === "number" ? `${grouped(sample.num_tok, 0)} tokens` : null,
      sample.finish_reason ? `finish: ${sample.finish_reason}` : null,
      ...Object.entries(sample.metadata || {}).map(([k, v]) => `${k} ${plainCell(v, "text")}`),
    ].filter((part) => part);
    return h("li", { class: "reply" },
      h("p", { class: "reply-head" }, h("span", { class: "small" }, `#${i + 1}`), chip(grade), parts.map((part) => h("span", { class: "small" }, part))),
      h("div", { class: "reply-text", dir: "auto", tabindex: "0" }, highlighted(sample.text, query)));
  }

  let typing = 0;
  search.addEventListener("input", () => {
    clearTimeout(typing);
    typing = setTimeout(() => { state.query = search.value.trim().toLowerCase(); find(); }, 120);
  });
  list.addEventListener("keydown", (event) => {
    if (!event.target.classList.contains("problem") || event.ctrlKey || event.metaKey || event.altKey) return;
    const buttons = [...list.querySelectorAll("button.problem")];
    const at = buttons.indexOf(event.target);
    const moves = { ArrowDown: at + 1, j: at + 1, ArrowUp: at - 1, k: at - 1, Home: 0, End: buttons.length - 1 };
    if (event.key in moves) {
      const next = buttons[Math.min(Math.max(0, moves[event.key]), buttons.length - 1)];
      if (next) next.focus();
    } else if (event.key === "ArrowRight") turn(1);
    else if (event.key === "ArrowLeft") turn(-1);
    else return;
    event.preventDefault();
  });
  context.searches.push(search);

  const bar = h("div", { class: "browser-bar" }, search, h("div", { class: "filters", role: "group", "aria-label": "Filter by outcome" }, filters), order);
  const hint = h("p", { class: "small keys" }, "Keys: ", h("kbd", null, "/"), " search, ", h("kbd", null, "↑"), " ", h("kbd", null, "↓"),
    " move, ", h("kbd", null, "Enter"), " open, ", h("kbd", null, "←"), " ", h("kbd", null, "→"), " page");
  show();
  return h("div", { class: "browser" }, heading(block), block.caption ? h("p", { class: "caption" }, inline(block.caption)) : null,
    bar, list, h("div", { class: "pager" }, before, status, after), hint);
}
