// The one tooltip of the page: pairs of a word and a figure, beside the pointer or under an element.

const tip = document.getElementById("tip");
const TIP_GAP_PX = 14;
let tipAnchor = null;

function fillTip(rows) {
  const shown = rows.filter(([, v]) => v !== undefined && v !== null && v !== "" && v !== "null");
  tip.replaceChildren(h("dl", null, shown.map(([k, v]) => h("div", null, h("dt", null, k), h("dd", null, String(v))))));
  tip.hidden = false;
}

function hideTip() {
  tip.hidden = true;
  tipAnchor = null;
}

function moveTip(left, top) {
  tip.style.left = `${Math.max(4, left)}px`;
  tip.style.top = `${Math.max(4, top)}px`;
}

function showTip(rows, x, y) {
  tipAnchor = null;
  fillTip(rows);
  const { clientWidth, clientHeight } = document.documentElement;
  const { offsetWidth, offsetHeight } = tip;
  moveTip(x + TIP_GAP_PX + offsetWidth > clientWidth ? x - TIP_GAP_PX - offsetWidth : x + TIP_GAP_PX,
    y + TIP_GAP_PX + offsetHeight > clientHeight ? y - TIP_GAP_PX - offsetHeight : y + TIP_GAP_PX);
}

function showTipUnder(element, rows) {
  fillTip(rows);
  tipAnchor = element;
  followAnchor();
}

// Under the first line of an element, or over it where there is no room; hidden while the element is scrolled away.
function followAnchor() {
  const [line] = tipAnchor.getClientRects();
  const around = tipAnchor.parentElement.getBoundingClientRect();
  const { clientWidth, clientHeight } = document.documentElement;
  tip.hidden = !line || line.bottom < Math.max(0, around.top) || line.top > Math.min(clientHeight, around.bottom);
  if (tip.hidden) return;
  const gap = TIP_GAP_PX / 2;
  moveTip(Math.min(line.left, clientWidth - tip.offsetWidth - 4),
    line.bottom + gap + tip.offsetHeight > clientHeight ? line.top - gap - tip.offsetHeight : line.bottom + gap);
}

// Captured: a box that scrolls tells only those who listen on the way down.
addEventListener("scroll", () => { if (tipAnchor) followAnchor(); else hideTip(); }, { passive: true, capture: true });
