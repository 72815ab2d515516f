/** The metrics of a node, from the text that it shows at `/metrics`. Pure. */
import { Histogram } from './histogram.ts';

export interface Sample {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** Decides by its labels whether a sample counts. */
export type Choice = (labels: Sample['labels']) => boolean;

const LINE = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)(?: \d+)?$/;
const LABEL = /([a-zA-Z_]\w*)="([^"\\]*(?:\\.[^"\\]*)*)"/g;
const ESCAPED: Readonly<Record<string, string>> = { n: '\n' };

const all: Choice = () => true;

export class MetricsPage {
  readonly #samples = new Map<string, Sample[]>();

  /** Lines that are no samples are left out. */
  constructor(text: string) {
    for (const line of text.split('\n')) {
      const [, name, labels = '', value] = LINE.exec(line) ?? [];
      if (name === undefined) continue;
      const sample = { labels: readLabels(labels), value: readValue(value ?? '') };
      const known = this.#samples.get(name);
      if (known === undefined) this.#samples.set(name, [sample]);
      else known.push(sample);
    }
  }

  /** The names of all samples, in the order of the page. A histogram has three. */
  names(): Iterable<string> {
    return this.#samples.keys();
  }

  /** Empty where the node has no such metric. */
  samples(name: string): readonly Sample[] {
    return this.#samples.get(name) ?? [];
  }

  /** The sum of the chosen samples; undefined where there is none. */
  sum(name: string, choice = all): number | undefined {
    const chosen = this.samples(name).filter(({ labels }) => choice(labels));
    return chosen.length === 0 ? undefined : chosen.reduce((total, { value }) => total + value, 0);
  }

  /** The chosen histograms of a family as one. */
  histogram(name: string, choice = all): Histogram {
    const counts = new Map<number, number>();
    for (const { labels, value } of this.samples(`${name}_bucket`)) {
      if (!choice(labels)) continue;
      const bound = readValue(labels['le'] ?? '');
      counts.set(bound, (counts.get(bound) ?? 0) + value);
    }
    return new Histogram(counts);
  }
}

function readLabels(text: string): Sample['labels'] {
  const labels: Record<string, string> = {};
  for (const [, name = '', value = ''] of text.matchAll(LABEL))
    labels[name] = value.replace(/\\(.)/g, (_, escaped: string) => ESCAPED[escaped] ?? escaped);
  return labels;
}

function readValue(text: string): number {
  const infinite = /^([+-]?)Inf$/.exec(text);
  if (infinite === null) return Number(text);
  return infinite[1] === '-' ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
}
