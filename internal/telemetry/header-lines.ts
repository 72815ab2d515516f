/** The headers of exports as a file has them: one `Name: value` a line. Pure. */

/** What an export says of itself. */
const OWN = new Set(['content-type', 'content-length', 'host', 'connection', 'transfer-encoding']);
const LINE = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\t\x20-\x7e]*)$/;
const LINES_MAX = 32;

/** Throws an `Error` that names the line and shows nothing of it, since it may be a credential. Lines without text and those that begin with `#` are left out. */
export function parseHeaderLines(text: string): Record<string, string> {
  const headers = new Map<string, string>();
  const lines = text.split('\n').map((line) => line.trim());
  for (const [at, line] of lines.entries()) {
    if (line === '' || line.startsWith('#')) continue;
    const [, name, value] = LINE.exec(line) ?? [];
    const expected = `line ${at + 1}: expected a header such as "authorization: Bearer …"`;
    if (name === undefined || value === undefined || value === '') throw new Error(expected);
    const key = name.toLowerCase();
    if (OWN.has(key)) throw new Error(`line ${at + 1}: ${key} is set by each export itself`);
    if (headers.has(key)) throw new Error(`line ${at + 1}: ${key} is there twice`);
    headers.set(key, value);
  }
  if (headers.size > LINES_MAX) throw new Error(`expected at most ${LINES_MAX} headers`);
  return Object.fromEntries(headers);
}
