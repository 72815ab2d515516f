/**
 * Draws the ratios of a report as an SVG: a bar for each, from the lowest round
 * to the highest, a dot for the median and a mark for the aim, on a scale of
 * powers of two around 1. It follows the reader's choice of light or dark, and
 * says the same in its title and description as in its picture.
 */
import type { Spread } from './figures.ts';
import { type BenchReport, isReached, type Pair, ratioOf } from './report.ts';

/** What the picture shows of a report: a suite's pair by `what`, `unit` and `versus`. */
export interface ChartRow {
  readonly suite: string;
  readonly what: string;
  readonly unit: string;
  readonly versus: string;
  readonly label: string;
}

const WIDTH = 880;
const LABEL_WIDTH = 410;
const VALUE_WIDTH = 150;
const ROW_HEIGHT = 26;
const TOP = 64;
const BOTTOM = 44;
const POWERS = [-3, -2, -1, 0, 1, 2, 3];

const STYLE = `
  svg { font: 13px system-ui, sans-serif; }
  .ground { fill: #ffffff; } .text { fill: #1f2328; } .quiet { fill: #59636e; }
  .line { stroke: #d1d9e0; } .one { stroke: #59636e; }
  .bar { fill: #54aeff; } .dot { fill: #0550ae; } .miss { fill: #bc4c00; } .aim { stroke: #1f2328; stroke-width: 2; }
  @media (prefers-color-scheme: dark) {
    .ground { fill: #0d1117; } .text { fill: #f0f6fc; } .quiet { fill: #9198a1; }
    .line { stroke: #3d444d; } .one { stroke: #9198a1; }
    .bar { fill: #1f6feb; } .dot { fill: #a5d6ff; } .miss { fill: #ffa657; } .aim { stroke: #f0f6fc; }
  }
`;

/** Rows that the report does not have are left out; throws where none is left. */
export function drawChart(report: BenchReport, rows: readonly ChartRow[]): string {
  const drawn = rows.flatMap((row) => {
    const suite = report.suites.find(({ suite: name }) => name === row.suite);
    const pair = suite?.pairs.find(
      ({ what, unit, versus }) => what === row.what && unit === row.unit && versus === row.versus,
    );
    return pair === undefined ? [] : [{ label: row.label, pair, ratio: ratioOf(pair) }];
  });
  if (drawn.length === 0) throw new Error('the report has nothing of what the chart shows');
  const height = TOP + drawn.length * ROW_HEIGHT + BOTTOM;
  const { node, cores, cpu } = report.machine;
  const said = drawn.map(({ label, pair, ratio }) => `${label}: ${valueText(pair, ratio)}`).join('; ');
  const foot = `${report.date}, Node ${node.replace(/^v/, '')}, ${cores} cores of ${cpu}; bars from the lowest round to the highest`;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" role="img" aria-labelledby="title desc">`,
    '<title id="title">Walnut in ratios, measured in turn with others in one run</title>',
    `<desc id="desc">${escapeXml(said)}. ${escapeXml(foot)}.</desc>`,
    `<style>${STYLE}</style>`,
    `<rect class="ground" width="${WIDTH}" height="${height}" rx="6"/>`,
    `<text class="text" x="16" y="26" font-weight="600">Walnut over others, as ratios (log scale); the line is what was aimed at</text>`,
    ...axis(height),
    ...drawn.flatMap(({ label, pair, ratio }, i) => drawRow(label, pair, ratio, TOP + i * ROW_HEIGHT)),
    `<text class="quiet" x="16" y="${height - 14}" font-size="11">${escapeXml(foot)}</text>`,
    '</svg>\n',
  ].join('\n');
}

/** Where a ratio stands on the scale, kept within it. */
export function xOf(ratio: number): number {
  const [first = 0, last = 0] = [POWERS[0], POWERS.at(-1)];
  const power = Math.min(last, Math.max(first, Math.log2(ratio)));
  const width = WIDTH - LABEL_WIDTH - VALUE_WIDTH;
  return Math.round((LABEL_WIDTH + ((power - first) / (last - first)) * width) * 10) / 10;
}

export function escapeXml(text: string): string {
  const names: Readonly<Record<string, string>> = {
    '&': 'amp',
    '<': 'lt',
    '>': 'gt',
    '"': 'quot',
    "'": 'apos',
  };
  return text.replace(/[&<>"']/g, (one) => `&${names[one]};`);
}

function axis(height: number): string[] {
  return POWERS.flatMap((power) => {
    const x = xOf(2 ** power);
    const name = power < 0 ? `1/${2 ** -power}` : String(2 ** power);
    return [
      `<line class="${power === 0 ? 'one' : 'line'}" x1="${x}" x2="${x}" y1="${TOP - 10}" y2="${height - BOTTOM + 4}"/>`,
      `<text class="quiet" x="${x}" y="${TOP - 14}" font-size="11" text-anchor="middle">${name}</text>`,
    ];
  });
}

function drawRow(label: string, pair: Pair, ratio: Spread, top: number): string[] {
  const middle = top + ROW_HEIGHT / 2;
  const [from, to] = [xOf(ratio.min), xOf(ratio.max)];
  const hasMissed = !isReached(pair, ratio.median);
  const parts = [
    `<text class="text" x="16" y="${middle + 4}">${escapeXml(label)}</text>`,
    `<rect class="bar" x="${from}" y="${middle - 5}" width="${Math.max(2, to - from).toFixed(1)}" height="10" rx="3"/>`,
    `<circle class="${hasMissed ? 'miss' : 'dot'}" cx="${xOf(ratio.median)}" cy="${middle}" r="5"/>`,
    `<text class="text" x="${WIDTH - VALUE_WIDTH + 14}" y="${middle + 4}">${escapeXml(valueText(pair, ratio))}</text>`,
  ];
  if (pair.aim !== undefined) {
    const x = xOf(pair.aim);
    parts.push(`<line class="aim" x1="${x}" x2="${x}" y1="${middle - 9}" y2="${middle + 9}"/>`);
  }
  return parts;
}

function valueText(pair: Pair, ratio: Spread): string {
  const sign = pair.better === 'higher' ? '≥' : '≤';
  return `${ratio.median.toFixed(2)}${pair.aim === undefined ? '' : ` (aim ${sign} ${pair.aim})`}`;
}
