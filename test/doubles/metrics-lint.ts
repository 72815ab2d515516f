/**
 * The rules of the Prometheus text format and of `promtool check metrics`, as
 * far as a page of ours can break them. Pure: a page in, its problems out.
 */

const TYPES = ['counter', 'gauge', 'histogram', 'summary', 'untyped'];
const SAMPLE = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$/;
const LABEL = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(?:,|$)/y;
/** Units that should be base units, and what stands for them. */
const OTHER_UNITS: Readonly<Record<string, string>> = {
  milliseconds: 'seconds',
  microseconds: 'seconds',
  nanoseconds: 'seconds',
  minutes: 'seconds',
  hours: 'seconds',
  days: 'seconds',
  kilobytes: 'bytes',
  megabytes: 'bytes',
  gigabytes: 'bytes',
  kibibytes: 'bytes',
  mebibytes: 'bytes',
  bits: 'bytes',
  percent: 'ratio',
  celsius: 'celsius',
};
const ABBREVIATIONS = ['ms', 'us', 'ns', 'sec', 's', 'b', 'kb', 'mb', 'gb', 'min', 'h', 'd'];

interface Family {
  readonly type: string;
  readonly hasHelp: boolean;
  readonly series: Set<string>;
}

/** Empty: the page is right. */
export function lintMetrics(page: string): string[] {
  const problems: string[] = [];
  const families = new Map<string, Family>();
  const helps = new Set<string>();
  if (!page.endsWith('\n')) problems.push('the page must end with a newline');
  for (const line of page.split('\n')) {
    if (line === '') continue;
    const [, kind, name = '', rest = ''] = /^# (HELP|TYPE) (\S+) ?(.*)$/.exec(line) ?? [];
    if (kind === 'HELP') {
      if (helps.has(name)) problems.push(`${name}: a second HELP`);
      if (rest.trim() === '') problems.push(`${name}: no help text`);
      helps.add(name);
    } else if (kind === 'TYPE') {
      if (families.has(name)) problems.push(`${name}: a second TYPE`);
      if (!TYPES.includes(rest)) problems.push(`${name}: unknown type ${rest}`);
      families.set(name, { type: rest, hasHelp: helps.has(name), series: new Set() });
      problems.push(...lintName(name, rest));
    } else if (!line.startsWith('#')) problems.push(...lintSample(line, families));
  }
  for (const [name, { hasHelp }] of families) if (!hasHelp) problems.push(`${name}: TYPE without HELP`);
  return problems;
}

function lintName(name: string, type: string): string[] {
  const problems: string[] = [];
  const words = name.split('_');
  if (!/^[a-z][a-z0-9_]*$/.test(name)) problems.push(`${name}: not in snake_case`);
  if (type === 'counter' && !name.endsWith('_total')) problems.push(`${name}: a counter ends in _total`);
  if (type !== 'counter' && name.endsWith('_total')) problems.push(`${name}: only a counter ends in _total`);
  if (/_(count|sum|bucket)$/.test(name)) problems.push(`${name}: a suffix that belongs to histograms`);
  for (const word of words) {
    const base = OTHER_UNITS[word];
    if (base !== undefined && base !== word) problems.push(`${name}: ${word} instead of ${base}`);
    if (ABBREVIATIONS.includes(word)) problems.push(`${name}: abbreviated unit ${word}`);
    if (TYPES.includes(word)) problems.push(`${name}: has the type ${word} in its name`);
  }
  return problems;
}

function lintSample(line: string, families: ReadonlyMap<string, Family>): string[] {
  const [, sample, labelText = '', value = ''] = SAMPLE.exec(line) ?? [];
  if (sample === undefined) return [`not a sample: ${line}`];
  const problems: string[] = [];
  const base = families.has(sample) ? sample : sample.replace(/_(bucket|sum|count)$/, '');
  const family = families.get(base);
  if (family === undefined) return [`${sample}: no TYPE before it`];
  if (base !== sample && family.type !== 'histogram' && family.type !== 'summary')
    problems.push(`${sample}: ${base} is a ${family.type}`);
  const series = `${sample}{${labelText}}`;
  if (family.series.has(series)) problems.push(`${series}: stands twice`);
  family.series.add(series);
  if (!/^(NaN|[+-]Inf|[+-]?\d+(\.\d+)?([eE][+-]?\d+)?)$/.test(value))
    problems.push(`${series}: value ${value}`);
  if (family.type === 'counter' && Number(value) < 0) problems.push(`${series}: a negative counter`);
  const names = labelNames(labelText);
  if (names === undefined) return [...problems, `${series}: labels cannot be read`];
  if (new Set(names).size !== names.length) problems.push(`${series}: a label stands twice`);
  for (const name of names) {
    if (name.startsWith('__')) problems.push(`${series}: label ${name} is reserved`);
    if (name === 'quantile' && family.type !== 'summary')
      problems.push(`${series}: the label quantile belongs to summaries`);
    if (name === 'le' && family.type !== 'histogram')
      problems.push(`${series}: the label le belongs to histograms`);
  }
  return problems;
}

function labelNames(text: string): string[] | undefined {
  const names: string[] = [];
  LABEL.lastIndex = 0;
  let at = 0;
  while (at < text.length) {
    const match = LABEL.exec(text);
    if (match === null) return undefined;
    names.push(match[1] as string);
    at = LABEL.lastIndex;
  }
  return names;
}
