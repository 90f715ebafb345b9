// Numbers as a reader expects them, in the column's format.

const DIGITS = { integer: 0, decimal: 2, percent: 1, signed: 2, seconds: 1, bytes: 1, money: 2 };

function grouped(value, digits) {
  return value.toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

function number(value, format, digits) {
  const d = digits === null || digits === undefined ? DIGITS[format] : digits;
  const minus = (text) => text.replace(/^-/, "−");
  switch (format) {
    case "integer": return minus(grouped(value, d));
    case "decimal": return minus(grouped(value, d));
    case "percent": return minus(`${grouped(100 * value, d)}%`);
    case "signed": return value > 0 ? `+${grouped(value, d)}` : minus(grouped(value, d));
    case "money": return minus(value < 0 ? `-$${grouped(-value, d)}` : `$${grouped(value, d)}`);
    case "seconds": {
      if (value < 0.0995) return `${grouped(1000 * value, d)} ms`;
      if (value < 120) return `${grouped(value, d)} s`;
      if (value < 7200) return `${Math.floor(value / 60)} min ${Math.round(value % 60)} s`;
      return `${grouped(value / 3600, d)} h`;
    }
    case "bytes": {
      const units = ["B", "kB", "MB", "GB", "TB"];
      let i = 0;
      let v = value;
      while (Math.abs(v) >= 1000 && i < units.length - 1) { v /= 1000; i += 1; }
      return `${grouped(v, i ? d : 0)} ${units[i]}`;
    }
    default: return minus(Number.isInteger(value) ? grouped(value, 0) : String(Number(value.toPrecision(6))));
  }
}

function isEstimate(cell) {
  return cell !== null && typeof cell === "object" && "value" in cell;
}

function plainCell(cell, format, digits) {
  if (cell === null || cell === undefined) return "–";
  if (typeof cell === "number") return number(cell, format, digits);
  if (typeof cell === "boolean") return cell ? "yes" : "no";
  return String(cell);
}

// A cell as nodes: an estimate shows its interval in a quieter voice.
function cellNodes(cell, format, digits) {
  if (!isEstimate(cell)) return [plainCell(cell, format, digits)];
  const nodes = [plainCell(cell.value, format, digits)];
  if (typeof cell.low === "number" && typeof cell.high === "number") {
    const ends = `${plainCell(cell.low, format, digits)} to ${plainCell(cell.high, format, digits)}`;
    nodes.push(" ", h("span", { class: "interval" }, ends));
  }
  return nodes;
}

// What a column is sorted by: numbers as numbers, nothing last.
function sortKey(cell) {
  const value = isEstimate(cell) ? cell.value : cell;
  if (value === null || value === undefined) return null;
  return typeof value === "boolean" ? Number(value) : value;
}
