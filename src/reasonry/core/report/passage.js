// A heat map over running text. Each token is one element; listeners stand on the box, however many tokens there are.

const NUM_SHADES = 5;
const MAX_TIP_CHARS = 40;

function shade(value, limit) {
  if (value === null) return "unscored";
  const step = Math.round(Math.min(1, Math.abs(value) / limit) * NUM_SHADES);
  return step ? `${value > 0 ? "for" : "against"}-${step}` : "even";
}

// White space as signs, so that the tooltip tells " the" from "the".
function visible(text) {
  if (!text) return "(no text)";
  const signs = text.replace(/\n/g, "↵").replace(/\t/g, "⇥").replace(/ /g, "␣");
  return signs.length > MAX_TIP_CHARS ? `${signs.slice(0, MAX_TIP_CHARS)}…` : signs;
}

function passageTokens(block) {
  const chars = Array.from(block.text); // code points, as num_chars counts them
  let at = 0;
  let sum = 0;
  return block.num_chars.map((num, i) => {
    const text = chars.slice(at, at + num).join("");
    const value = block.values[i];
    at += num;
    sum += value === null ? 0 : value;
    // Spaces before a word stay bare: a line may break after them, and would end in a stripe of colour.
    return { text, value, sum, note: block.notes[i], indent: /^ *(?=\S)|/.exec(text)[0].length };
  });
}

// What is not seen gets a sign of its own, made by the style sheet: it is neither text nor copied.
function tokenElement(token, limit) {
  const sign = token.text === "" ? " empty" : token.text.includes("\n") && !token.text.trim() ? " break" : "";
  return h("span", { class: `token ${shade(token.value, limit)}${sign}` }, token.text.slice(token.indent));
}

// The scale, from the side that is there to the side that is there, and what the colours leave out.
function passageKey(block, tokens) {
  const signed = (value) => number(value, "signed", block.digits);
  const sizes = tokens.filter((token) => token.value !== null).map((token) => token.value);
  const low = sizes.reduce((a, b) => Math.min(a, b), 0);
  const high = sizes.reduce((a, b) => Math.max(a, b), 0);
  const sides = { against: low < 0 || !high, for: high > 0 || !low };
  const bound = number(block.limit, "text");
  const ends = [
    sides.against ? `${low < -block.limit ? "≤ " : ""}−${bound} ${block.against_label}` : "0",
    sides.against && sides.for ? "0" : null,
    sides.for ? `${block.for_label} ${high > block.limit ? "≥ " : ""}+${bound}` : "0",
  ];
  const steps = Array.from({ length: NUM_SHADES }, (_, i) => i + 1);
  const names = [...(sides.against ? steps.map((s) => `against-${s}`).reverse() : []), "even", ...(sides.for ? steps.map((s) => `for-${s}`) : [])];
  const reasons = new Map();
  for (const token of tokens) if (token.value === null) reasons.set(token.note, (reasons.get(token.note) || 0) + 1);
  const unscored = [...reasons].sort((a, b) => b[1] - a[1]).map(([note, count]) => (note ? `${grouped(count, 0)} ${note}` : grouped(count, 0)));
  const total = tokens.length ? tokens[tokens.length - 1].sum : 0;
  return h("div", { class: "passage-key small" },
    h("div", { class: "scale" }, h("span", null, block.value_title),
      h("span", { class: "swatches", "aria-hidden": "true" }, names.map((name) => h("i", { class: name }))),
      h("span", { class: "ends" }, ends.map((end) => end && h("span", null, end)))),
    h("div", { class: "passage-sum" },
      h("p", null, `${grouped(tokens.length, 0)} ${tokens.length === 1 ? "token" : "tokens"}, ${grouped(sizes.length, 0)} scored, sum ${signed(total)}`),
      unscored.length ? h("p", { class: "unscored" }, `${block.unscored_label}: ${unscored.join(", ")}`) : null));
}

function passageBody(block) {
  const tokens = passageTokens(block);
  const elements = tokens.map((token) => tokenElement(token, block.limit));
  const places = new Map(elements.map((element, i) => [element, i]));
  const flag = block.stop_index === null ? null
    : h("span", { class: "flag", role: "img", "aria-label": block.stop_label, "data-label": block.stop_label });
  const box = h("div", { class: "passage-text", role: "group", tabindex: "0", dir: "auto", "aria-label": `${block.title}: arrow keys go from token to token` }, elements);
  elements.forEach((element, i) => { if (tokens[i].indent) element.before(" ".repeat(tokens[i].indent)); });
  if (flag) elements[block.stop_index].after(flag);
  let current = -1;

  function tell(i) {
    const token = tokens[i];
    showTipUnder(elements[i], [
      ["token", visible(token.text)],
      [block.value_title, token.value === null ? block.unscored_label : number(token.value, "signed", block.digits)],
      ["sum up to here", number(token.sum, "signed", block.digits)],
      ["note", token.note],
      ["place", `${grouped(i + 1, 0)} of ${grouped(tokens.length, 0)}`],
    ]);
  }

  function go(i) {
    if (!elements.length) return;
    current = Math.min(Math.max(0, i), elements.length - 1);
    elements[current].setAttribute("tabindex", "-1");
    elements[current].focus();
  }

  box.addEventListener("mouseover", (event) => {
    const i = places.get(event.target);
    if (i === undefined) hideTip(); else tell(i);
  });
  box.addEventListener("mouseleave", hideTip);
  box.addEventListener("mousedown", (event) => { current = places.get(event.target) ?? current; });
  box.addEventListener("focusin", (event) => { if (places.has(event.target)) tell(places.get(event.target)); });
  box.addEventListener("focusout", hideTip);
  box.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.shiftKey) return;
    const ahead = getComputedStyle(box).direction === "rtl" ? -1 : 1;
    if (event.key === "ArrowRight") go(current + ahead);
    else if (event.key === "ArrowLeft") go(current - ahead);
    else if (event.key === "Home") go(0);
    else if (event.key === "End") go(elements.length - 1);
    else if (event.key === "Escape") hideTip();
    else return;
    event.preventDefault();
  });

  const found = flag ? h("button", { type: "button", class: "quiet", onclick: () => go(block.stop_index) },
    `${block.stop_label}: token ${grouped(block.stop_index + 1, 0)}, sum ${number(tokens[block.stop_index].sum, "signed", block.digits)}`) : null;
  const keys = tokens.length ? h("p", { class: "small keys" }, "Keys: ", h("kbd", null, "←"), " ", h("kbd", null, "→"), " token by token, ",
    h("kbd", null, "Home"), " ", h("kbd", null, "End"), " first and last") : null;
  return [passageKey(block, tokens), box, h("div", { class: "passage-tools" }, found, keys)];
}

function captionOf(block) {
  return block.caption ? h("p", { class: "caption" }, inline(block.caption)) : null;
}

function passageBlock(block) {
  return h("div", { class: "passage" }, heading(block), captionOf(block), passageBody(block));
}

// One of several; each is made when it is first asked for.
function passagesBlock(block) {
  const made = [];
  const shown = h("div");
  const buttons = block.items.map((item, i) => h("button", { type: "button", class: "filter", onclick: () => show(i) }, item.title));
  function show(i) {
    const item = block.items[i];
    made[i] = made[i] || h("div", { role: "group", "aria-label": item.title }, captionOf(item), passageBody(item));
    hideTip();
    shown.replaceChildren(made[i]);
    buttons.forEach((button, j) => button.setAttribute("aria-pressed", String(i === j)));
  }
  show(0);
  return h("div", { class: "passage" }, heading(block), captionOf(block),
    h("div", { class: "filters", role: "group", "aria-label": block.title || "Passages" }, buttons), shown);
}
