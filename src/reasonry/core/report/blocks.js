// Prose, notes, code, tables and claims.

function heading(block) {
  return block.title ? h("h3", null, block.title) : null;
}

function proseBlock(block) {
  return h("div", { class: "prose" }, paragraphs(block.text));
}

function noteBlock(block) {
  const warning = block.level === "warning";
  return h("aside", { class: `note ${warning ? "warning" : ""}`, "aria-label": warning ? "Warning" : "Note" },
    h("strong", { class: "note-title" }, block.title || (warning ? "Beware" : "Note")), paragraphs(block.text));
}

function codeBlock(block) {
  return h("div", { class: "code" }, heading(block),
    h("pre", { tabindex: "0", "aria-label": block.title || "Code" }, h("code", null, block.text)));
}

function scrollBox(label, ...children) {
  return h("div", { class: "scroll", role: "region", tabindex: "0", "aria-label": label }, children);
}

function alignment(column, rows, index) {
  if (column.align && column.align !== "auto") return column.align;
  const cell = rows.map((row) => row[index]).find((c) => c !== null && c !== undefined);
  return typeof cell === "number" || isEstimate(cell) ? "right" : "left";
}

function tableBlock(block) {
  const { columns, rows } = block;
  const aligned = columns.map((column, i) => alignment(column, rows, i));
  const body = h("tbody");
  const heads = [];
  const state = { column: -1, down: false };

  function fill() {
    const order = rows.map((row, i) => i);
    if (state.column >= 0) {
      const keys = rows.map((row) => sortKey(row[state.column]));
      order.sort((a, b) => {
        if (keys[a] === null || keys[b] === null) return (keys[a] === null) - (keys[b] === null) || a - b;
        const c = typeof keys[a] === "number" && typeof keys[b] === "number"
          ? keys[a] - keys[b] : String(keys[a]).localeCompare(String(keys[b]), "en", { numeric: true });
        return (state.down ? -c : c) || a - b;
      });
    }
    body.replaceChildren(...order.map((r) => h("tr", null, rows[r].map((cell, i) => h(i ? "td" : "th", {
      class: aligned[i], scope: i ? null : "row",
    }, cellNodes(cell, columns[i].format, columns[i].digits))))));
    heads.forEach((head, i) => {
      const sorted = i === state.column ? (state.down ? "descending" : "ascending") : "none";
      head.setAttribute("aria-sort", sorted);
    });
  }

  columns.forEach((column, i) => {
    const sort = () => {
      state.down = state.column === i && !state.down;
      state.column = i;
      fill();
    };
    heads.push(h("th", { class: aligned[i], scope: "col" }, h("button", { type: "button", onclick: sort }, column.title)));
  });
  fill();
  return h("div", { class: "table" }, heading(block),
    scrollBox(block.title || "Table", h("table", null, h("thead", null, h("tr", null, heads)), body)),
    block.caption ? h("p", { class: "caption" }, inline(block.caption)) : null);
}

const CLAIM_WORDS = { pass: "PASS", fail: "FAIL", unverified: "unverified" };

function claimsBlock(block) {
  const tally = ["pass", "fail", "unverified"]
    .map((status) => [status, block.rows.filter((row) => row.status === status).length])
    .filter(([, count]) => count)
    .map(([status, count]) => chip(status, `${count} ${CLAIM_WORDS[status]}`));
  const cell = (label, ...content) => h("td", { "data-label": label, role: "cell" }, content);
  const rows = block.rows.map((row) => h("tr", { role: "row" },
    h("td", { role: "cell", class: "status" }, chip(row.status, CLAIM_WORDS[row.status])),
    h("th", { scope: "row", role: "rowheader" }, h("span", { class: "statement" }, inline(row.statement)),
      h("span", { class: "small" }, h("code", null, row.name), row.source ? ` · ${row.source}` : ""),
      row.note ? h("span", { class: "small" }, inline(row.note)) : null),
    cell("measured", row.measured ? cellNodes(row.measured, row.format, row.digits) : "–"),
    cell("expected", row.expected || "–"), cell("cost", row.cost || "–")));
  const head = ["Status", "Claim", "Measured", "Expected", "Cost"]
    .map((title) => h("th", { scope: "col", role: "columnheader" }, title));
  return h("div", { class: "claims" }, heading(block), h("p", { class: "tally" }, tally),
    h("table", { role: "table" }, h("thead", { role: "rowgroup" }, h("tr", { role: "row" }, head)),
      h("tbody", { role: "rowgroup" }, rows)));
}
