// The page: head, sections, navigation, the switch between light and dark.

const BLOCKS = { prose: proseBlock, note: noteBlock, code: codeBlock, table: tableBlock, chart: chartBlock, samples: samplesBlock, claims: claimsBlock,
  passage: passageBlock, passages: passagesBlock };
const root = document.documentElement;
const report = JSON.parse(document.getElementById("report").textContent);
const context = { chartNames: new Set(), searches: [] };
const taken = new Set(["main", "head", "nav", "foot", "tip", "report", "theme"]);

function blockElement(block) {
  const make = BLOCKS[block.kind];
  let element;
  try {
    if (!make) throw new Error(`unknown kind ${block.kind}`);
    element = make(block, context);
  } catch (error) {
    element = h("p", { class: "small" }, `A block of this report cannot be shown: ${error.message}`);
  }
  element.classList.add("block", block.span === "half" ? "half" : "full");
  return element;
}

// Names such as planner:threshold:0.5 are long for a figure, and break where they are put together.
function factValue(item) {
  if (typeof item.value !== "string") return cellNodes(item.value, item.format, item.digits);
  return item.value.split(/(?<=[:_/])/).flatMap((part, i) => (i ? [h("wbr"), part] : [part]));
}

function fact(item) {
  const isLong = typeof item.value === "string" && item.value.length > 14;
  return h("div", { class: "fact" }, h("dt", null, item.label),
    h("dd", null, h("span", { class: isLong ? "figure long" : "figure" }, factValue(item)),
      item.note ? h("span", { class: "small" }, inline(item.note)) : null));
}

function store(name, value) {
  // A page opened from a file may have no storage; the switch then lasts as long as the page.
  try { if (value) localStorage.setItem(name, value); else localStorage.removeItem(name); } catch { /* lasts as long as the page */ }
}

function stored(name) {
  try { return localStorage.getItem(name); } catch { return null; }
}

function themeSwitch() {
  const button = h("button", { type: "button", class: "quiet switch" });
  const label = () => { button.textContent = isDark() ? "Light" : "Dark"; button.setAttribute("aria-label", `Switch to ${isDark() ? "light" : "dark"} colours`); };
  button.addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    store("reasonry-theme", root.dataset.theme);
    label();
    drawAll();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { label(); drawAll(); });
  label();
  return button;
}

function build() {
  const chosen = stored("reasonry-theme");
  if (chosen === "dark" || chosen === "light") root.dataset.theme = chosen;
  add(document.getElementById("head"), [
    h("h1", null, report.title), report.subtitle ? h("p", { class: "subtitle" }, inline(report.subtitle)) : null,
    report.facts.length ? h("dl", { class: "facts" }, report.facts.map(fact)) : null,
  ]);
  const links = [];
  const main = document.getElementById("main");
  for (const section of report.sections) {
    const id = slug(section.title, taken);
    links.push(h("a", { href: `#${id}` }, section.title));
    main.append(h("section", { id, "aria-labelledby": `${id}-title` },
      h("h2", { id: `${id}-title` }, section.title), section.lead ? paragraphs(section.lead, { class: "lead" }) : null,
      h("div", { class: "blocks" }, section.blocks.map(blockElement))));
  }
  add(document.getElementById("nav"), [h("div", { class: "wide nav-row" }, h("div", { class: "nav-links" }, links), themeSwitch())]);
  add(document.getElementById("foot"), [paragraphs(report.footer)]);
  if ("IntersectionObserver" in window) followSections(links);
  addEventListener("keydown", (event) => {
    const editing = /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName || "");
    if (event.key !== "/" || editing || event.ctrlKey || event.metaKey || event.altKey || !context.searches.length) return;
    event.preventDefault();
    context.searches[0].focus();
  });
}

function followSections(links) {
  const seen = new Map();
  const observer = new IntersectionObserver((entries) => {
    for (const entry of entries) seen.set(entry.target.id, entry.isIntersecting);
    const current = report.sections.length ? [...document.querySelectorAll("main > section")].find((s) => seen.get(s.id)) : null;
    links.forEach((link) => {
      if (current && link.hash === `#${current.id}`) link.setAttribute("aria-current", "true");
      else link.removeAttribute("aria-current");
    });
  }, { rootMargin: "-80px 0px -55% 0px" });
  document.querySelectorAll("main > section").forEach((section) => observer.observe(section));
}

build();
redrawWhenNarrowed();
drawAll().then(() => {
  // For a reader's own checks: how far the page reaches over its right edge, and how many charts stand.
  root.dataset.overflow = String(root.scrollWidth - root.clientWidth);
  root.dataset.charts = String(drawn.filter((chart) => chart.view).length);
  root.dataset.ready = "true";
});
