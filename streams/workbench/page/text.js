// Offsets of the workbench count code points; JavaScript's strings count UTF-16 units.

const ASTRAL = /[\u{10000}-\u{10FFFF}]/u;

/** (start, end) in code points → that part of the text. */
export function slicer(text) {
  if (!ASTRAL.test(text)) return (start, end) => text.slice(start, end);
  const points = Array.from(text);
  return (start, end) => points.slice(start, end).join("");
}

/** How many code points stand before a UTF-16 offset. */
export function pointsBefore(text, offset) {
  return ASTRAL.test(text) ? Array.from(text.slice(0, offset)).length : offset;
}

/** How many code points a text has. */
export const length = (text) => pointsBefore(text, text.length);

/** JSON with line breaks and indentation; strings and numbers stay as they are written. Null if it is none. */
export function indented(text) {
  try {
    JSON.parse(text);
  } catch {
    return null;
  }
  const tokens = text.match(/"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s{}[\],:"]+/g) || [];
  let depth = 0;
  let out = "";
  tokens.forEach((token, index) => {
    const next = tokens[index + 1];
    const line = () => `\n${"  ".repeat(depth)}`;
    if (token === "{" || token === "[") {
      depth += 1;
      out += token + (next === "}" || next === "]" ? "" : line());
    } else if (token === "}" || token === "]") {
      depth -= 1;
      const before = tokens[index - 1];
      out += (before === "{" || before === "[" ? "" : line()) + token;
    } else if (token === ",") out += token + line();
    else out += token === ":" ? ": " : token;
  });
  return out;
}
