/**
 * Which keys and which prefixes take most memory: sums over entries that come one after
 * another. Bounded: the largest keys are `top`, and prefixes beyond `PREFIXES_MAX` are
 * counted together. Pure.
 */

/** A prefix that comes first when so many are known is counted with the others. */
const PREFIXES_MAX = 10_000;

export interface SizedKey {
  readonly key: string;
  readonly valueBytes: number;
  /** What the entry counts as of storage.max_memory. */
  readonly memoryBytes: number;
}

export interface PrefixSum {
  /** Up to and with the separator; undefined: keys without one, and of prefixes that are not told apart. */
  readonly prefix: string | undefined;
  readonly entries: number;
  readonly memoryBytes: number;
}

export interface KeySizesOptions {
  /** How many of the largest are kept. */
  readonly top: number;
  /** Not empty. */
  readonly separator: string;
  /** How many separators a prefix has. */
  readonly depth: number;
}

export class KeySizes {
  entries = 0;
  memoryBytes = 0;
  readonly #options: KeySizesOptions;
  /** The largest first. */
  readonly #largest: SizedKey[] = [];
  readonly #prefixes = new Map<string | undefined, { entries: number; memoryBytes: number }>();

  constructor(options: KeySizesOptions) {
    this.#options = options;
  }

  add(sized: SizedKey): void {
    this.entries++;
    this.memoryBytes += sized.memoryBytes;
    this.#rank(sized);
    const sum = this.#sumOf(prefixOf(sized.key, this.#options));
    sum.entries++;
    sum.memoryBytes += sized.memoryBytes;
  }

  get largest(): readonly SizedKey[] {
    return this.#largest;
  }

  /** The `top` prefixes that take most, the one with most memory first. */
  get prefixes(): readonly PrefixSum[] {
    return [...this.#prefixes]
      .map(([prefix, sum]) => ({ prefix, ...sum }))
      .sort((a, b) => b.memoryBytes - a.memoryBytes)
      .slice(0, this.#options.top);
  }

  #rank(sized: SizedKey): void {
    const { top } = this.#options;
    const last = this.#largest.at(-1);
    if (this.#largest.length === top && last !== undefined && last.memoryBytes >= sized.memoryBytes) return;
    const at = this.#largest.findIndex((each) => each.memoryBytes < sized.memoryBytes);
    this.#largest.splice(at < 0 ? this.#largest.length : at, 0, sized);
    if (this.#largest.length > top) this.#largest.pop();
  }

  #sumOf(prefix: string | undefined): { entries: number; memoryBytes: number } {
    const known = this.#prefixes.get(prefix);
    if (known !== undefined) return known;
    if (prefix !== undefined && this.#prefixes.size >= PREFIXES_MAX) return this.#sumOf(undefined);
    const sum = { entries: 0, memoryBytes: 0 };
    this.#prefixes.set(prefix, sum);
    return sum;
  }
}

/** Up to the `depth`-th separator; of a key with fewer, up to its last; undefined where it has none. */
export function prefixOf(
  key: string,
  { separator, depth }: Pick<KeySizesOptions, 'separator' | 'depth'>,
): string | undefined {
  let end = 0;
  for (let i = 0; i < depth; i++) {
    const at = key.indexOf(separator, end);
    if (at < 0) break;
    end = at + separator.length;
  }
  return end === 0 ? undefined : key.slice(0, end);
}
