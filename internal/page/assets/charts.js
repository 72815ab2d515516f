/** Charts of the last ten minutes by uPlot, each with its present values as text. */
import { el } from './dom.js';
import { showBytes, showCount, showMs, showPercent } from './format.js';

/** Ten minutes of one snapshot a second. */
const POINTS_MAX = 600;
const HEIGHT = 130;
/** Steps of an axis in bytes. */
const POWERS_OF_TWO = Array.from({ length: 50 }, (_, power) => 2 ** power);

const PERCENTILES = [
  { name: 'p50', of: 'p50Ms', color: '--series-1' },
  { name: 'p99', of: 'p99Ms', color: '--series-2' },
  { name: 'p99.9', of: 'p999Ms', color: '--series-3' },
];
const ANY = ['node', 'gateway', 'coordinator'];

const CHARTS = [
  {
    title: 'Calls a second',
    show: showCount,
    kinds: ['node', 'gateway'],
    lines: [
      { name: 'calls', of: 'callsPerS', color: '--series-1' },
      { name: 'faults', of: 'faultsPerS', color: '--bad' },
    ],
  },
  { title: 'Time of a call', show: showMs, kinds: ['node', 'gateway'], lines: PERCENTILES },
  {
    title: 'Hits among reads',
    show: showPercent,
    kinds: ['node'],
    max: 1,
    lines: [{ name: 'hits', of: 'hitRatio', color: '--series-1' }],
  },
  {
    title: 'Memory',
    show: showBytes,
    kinds: ANY,
    lines: [
      { name: 'process', of: 'residentBytes', color: '--series-1' },
      { name: 'entries', of: 'storeBytes', color: '--series-2', kinds: ['node'] },
    ],
  },
  {
    title: 'Log',
    show: showBytes,
    kinds: ['node'],
    lines: [
      { name: 'size', of: 'logBytes', color: '--series-1' },
      { name: 'written a second', of: 'writtenPerS', color: '--series-2' },
    ],
  },
  {
    title: 'Fdatasync of the log, p99',
    show: showMs,
    kinds: ['node'],
    lines: [{ name: 'p99', of: 'fsyncP99Ms', color: '--series-2' }],
  },
  {
    title: 'Processor',
    show: showPercent,
    kinds: ANY,
    lines: [{ name: 'of one core', of: 'processor', color: '--series-1' }],
  },
];

function colorOf(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

export class Charts {
  #charts;

  /** `place`: an element that is emptied. `kind`: of the process. */
  constructor(place, kind) {
    this.#charts = CHARTS.filter(({ kinds }) => kinds.includes(kind)).map((about) => new Chart(about, kind));
    place.replaceChildren(...this.#charts.map(({ figure }) => figure));
  }

  /** `load`: of `loadBetween`. */
  push(atMs, load) {
    for (const chart of this.#charts) chart.push(atMs, load);
  }

  /** The colours have changed. */
  redraw() {
    for (const chart of this.#charts) chart.redraw();
  }
}

class Chart {
  figure;
  #about;
  #lines;
  #data;
  #plot;
  #values;

  constructor(about, kind) {
    this.#about = about;
    this.#lines = about.lines.filter(({ kinds }) => kinds === undefined || kinds.includes(kind));
    this.#data = [[], ...this.#lines.map(() => [])];
    this.#values = this.#lines.map(() => el('b', {}, '–'));
    const place = el('div', { class: 'plot', 'aria-hidden': 'true' });
    const legend = this.#lines.map(({ name, color }, at) =>
      el('span', { class: `key ${color.slice(2)}` }, `${name} `, this.#values[at]),
    );
    this.figure = el(
      'figure',
      { class: 'chart panel' },
      el('figcaption', {}, el('span', { class: 'name' }, about.title), ...legend),
      place,
    );
    this.#plot = new uPlot(this.#options(), this.#data, place);
    new ResizeObserver(([entry]) => this.#resize(entry.contentRect.width)).observe(place);
  }

  push(atMs, load) {
    this.#data[0].push(atMs / 1_000);
    this.#lines.forEach(({ of }, at) => void this.#data[at + 1].push(load[of]));
    for (const column of this.#data) if (column.length > POINTS_MAX) column.shift();
    this.#plot.setData(this.#data);
    if (this.#plot.cursor.idx == null) this.#tell(this.#data[0].length - 1);
  }

  redraw() {
    this.#plot.redraw();
  }

  #resize(width) {
    if (width > 0) this.#plot.setSize({ width: Math.floor(width), height: HEIGHT });
  }

  /** Shows the values at a place: where the pointer is, else at the end. */
  #tell(at) {
    this.#values.forEach((value, line) => {
      const number = this.#data[line + 1][at];
      value.textContent = number == null ? '–' : this.#about.show(number);
    });
  }

  #options() {
    const { show, max } = this.#about;
    const grid = { stroke: () => colorOf('--line'), width: 1 };
    const axis = {
      stroke: () => colorOf('--muted'),
      font: '11px system-ui, sans-serif',
      grid,
      ticks: { show: false },
    };
    return {
      width: 300,
      height: HEIGHT,
      legend: { show: false },
      cursor: { y: false, drag: { x: false, y: false } },
      scales: { y: { range: (_, _low, high) => [0, max ?? (high > 0 ? high * 1.1 : 1)] } },
      axes: [
        { ...axis, size: 26, space: 70, values: (_, ticks) => ticks.map(showClock) },
        {
          ...axis,
          size: 64,
          space: 32,
          ...(show === showBytes ? { incrs: POWERS_OF_TWO } : {}),
          values: (_, ticks) => ticks.map((tick) => show(tick)),
        },
      ],
      series: [
        {},
        ...this.#lines.map(({ color }) => ({
          stroke: () => colorOf(color),
          width: 1.5,
          spanGaps: false,
          points: { show: (_, line) => isLonely(this.#data[line]), size: 3 },
        })),
      ],
      hooks: { setCursor: [({ cursor: { idx } }) => this.#tell(idx ?? this.#data[0].length - 1)] },
    };
  }
}

/** The time of day in UTC, like every time on the page. */
function showClock(seconds) {
  return new Date(seconds * 1_000).toISOString().slice(11, 19);
}

/** A line of few values that are far apart would be invisible without points. */
function isLonely(values) {
  return values.filter((value) => value !== null).length < 3;
}
