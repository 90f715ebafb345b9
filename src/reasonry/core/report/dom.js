// Elements by name, text as text. Nothing here or elsewhere parses markup.

function h(tag, attributes, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  add(element, children);
  return element;
}

function add(element, children) {
  for (const child of children.flat(Infinity)) {
    if (child === null || child === undefined || child === false || child === "") continue;
    element.append(child instanceof Node ? child : document.createTextNode(String(child)));
  }
}

// `code` and **strong**, the only two marks of prose; both become elements that hold text.
function inline(text) {
  return String(text).split(/(`[^`\n]+`|\*\*[^*\n]+\*\*)/).map((part) => {
    if (/^`[^`]+`$/.test(part)) return h("code", null, part.slice(1, -1));
    if (/^\*\*[^*]+\*\*$/.test(part)) return h("strong", null, part.slice(2, -2));
    return part;
  });
}

function paragraphs(text, attributes) {
  return String(text || "").split(/\n\s*\n/).filter((p) => p.trim()).map((p) => h("p", attributes, inline(p)));
}

// `text` with every occurrence of `needle` marked; `needle` is in lower case.
function highlighted(text, needle) {
  const raw = String(text);
  if (!needle) return [raw];
  const low = raw.toLowerCase();
  // Lower case of some letters is longer; positions would not carry over.
  if (low.length !== raw.length) return [raw];
  const parts = [];
  let from = 0;
  for (let at = low.indexOf(needle); at >= 0; at = low.indexOf(needle, from)) {
    parts.push(raw.slice(from, at), h("mark", null, raw.slice(at, at + needle.length)));
    from = at + needle.length;
  }
  parts.push(raw.slice(from));
  return parts;
}

function slug(text, taken) {
  const base = String(text).toLowerCase().replace(/[^a-z0-9]+/g, "-").replace(/^-|-$/g, "") || "section";
  let name = base;
  for (let i = 2; taken.has(name); i += 1) name = `${base}-${i}`;
  taken.add(name);
  return name;
}

const GLYPHS = { right: "✓", wrong: "✕", ungradable: "?", pass: "✓", fail: "✕", unverified: "–" };
const TONES = { right: "right", wrong: "wrong", ungradable: "ungradable", pass: "right", fail: "wrong", unverified: "ungradable" };

// Shape, word and colour say the same, so that none of them is needed alone.
function chip(name, word) {
  return h("span", { class: `chip ${TONES[name] || "ungradable"}` },
    h("span", { class: "glyph", "aria-hidden": "true" }, GLYPHS[name] || "?"), word === undefined ? name : word);
}
