// @ts-check
/**
 * The Markdown that runbooks are written in, as a tree of plain data: paragraphs, lists, tables,
 * blocks of code, headings, and within them code, links and emphasis. Anything else stays text. Pure.
 */

/**
 * @typedef {{ kind: 'text' | 'code' | 'strong' | 'em', text: string } | { kind: 'link', text: string, to: string }} Span
 *
 * @typedef {{ kind: 'p', spans: Span[] }
 *   | { kind: 'h', spans: Span[] }
 *   | { kind: 'pre', text: string }
 *   | { kind: 'ul' | 'ol', items: Span[][] }
 *   | { kind: 'table', head: Span[][], rows: Span[][][] }} Block
 */

const FENCE = /^\s*```/;
const ITEM = /^\s*(?:[-*]|(\d+)\.) +(.*)$/;
const SPAN = /`([^`]+)`|\*\*([^*]+)\*\*|\*([^*]+)\*|\[([^\]]+)\]\(([^)\s]+)\)/;

/**
 * @param {string} text
 * @returns {Block[]}
 */
export function blocksOf(text) {
  const lines = text.split('\n');
  /** @type {Block[]} */
  const blocks = [];
  for (let at = 0; at < lines.length; ) {
    const line = lines[at] ?? '';
    if (line.trim() === '') at += 1;
    else if (FENCE.test(line)) at = takeCode(lines, at, blocks);
    else if (line.startsWith('|')) at = takeTable(lines, at, blocks);
    else if (ITEM.test(line)) at = takeList(lines, at, blocks);
    else if (/^#+ /.test(line)) {
      blocks.push({ kind: 'h', spans: spansOf(line.replace(/^#+ /, '')) });
      at += 1;
    } else at = takeParagraph(lines, at, blocks);
  }
  return blocks;
}

/**
 * @param {string[]} lines
 * @param {number} at
 * @param {Block[]} blocks
 */
function takeCode(lines, at, blocks) {
  let end = at + 1;
  while (end < lines.length && !FENCE.test(lines[end] ?? '')) end += 1;
  blocks.push({ kind: 'pre', text: lines.slice(at + 1, end).join('\n') });
  return end + 1;
}

/**
 * @param {string[]} lines
 * @param {number} at
 * @param {Block[]} blocks
 */
function takeTable(lines, at, blocks) {
  let end = at;
  while ((lines[end] ?? '').startsWith('|')) end += 1;
  const [head = [], ...rows] = lines
    .slice(at, end)
    .filter((line) => !/^\|[\s:|-]+\|$/.test(line))
    .map((line) => cellsOf(line).map(spansOf));
  blocks.push({ kind: 'table', head, rows });
  return end;
}

/** @param {string} line */
function cellsOf(line) {
  return line
    .slice(1, line.lastIndexOf('|'))
    .split(/(?<!\\)\|/)
    .map((cell) => cell.trim().replaceAll('\\|', '|'));
}

/**
 * @param {string[]} lines
 * @param {number} at
 * @param {Block[]} blocks
 */
function takeList(lines, at, blocks) {
  const isOrdered = ITEM.exec(lines[at] ?? '')?.[1] !== undefined;
  /** @type {string[]} */
  const items = [];
  let end = at;
  for (; end < lines.length; end += 1) {
    const line = lines[end] ?? '';
    const item = ITEM.exec(line);
    if (item !== null) items.push(item[2] ?? '');
    else if (/^\s+\S/.test(line) && !FENCE.test(line)) items.push(`${items.pop() ?? ''} ${line.trim()}`);
    else break;
  }
  blocks.push({ kind: isOrdered ? 'ol' : 'ul', items: items.map(spansOf) });
  return end;
}

/**
 * @param {string[]} lines
 * @param {number} at
 * @param {Block[]} blocks
 */
function takeParagraph(lines, at, blocks) {
  let end = at + 1;
  while (end < lines.length && (lines[end] ?? '').trim() !== '' && !/^\||^\s*```|^#+ /.test(lines[end] ?? ''))
    end += 1;
  blocks.push({ kind: 'p', spans: spansOf(lines.slice(at, end).join(' ')) });
  return end;
}

/**
 * @param {string} text
 * @returns {Span[]}
 */
export function spansOf(text) {
  /** @type {Span[]} */
  const spans = [];
  let rest = text;
  for (let match = SPAN.exec(rest); match !== null; match = SPAN.exec(rest)) {
    const [whole, code, strong, em, label, to] = match;
    if (match.index > 0) spans.push({ kind: 'text', text: rest.slice(0, match.index) });
    if (code !== undefined) spans.push({ kind: 'code', text: code });
    else if (strong !== undefined) spans.push({ kind: 'strong', text: strong });
    else if (em !== undefined) spans.push({ kind: 'em', text: em });
    else spans.push({ kind: 'link', text: label ?? '', to: to ?? '' });
    rest = rest.slice(match.index + whole.length);
  }
  if (rest !== '') spans.push({ kind: 'text', text: rest });
  return spans;
}
