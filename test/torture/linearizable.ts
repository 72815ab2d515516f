/**
 * Checks the history of registers for linearizability: whether the operations have an order
 * in which each one happened at a moment between its call and its answer, and every read
 * gives what was written last. The search is the one of Wing and Gong (1993), with Lowe's
 * improvements (2017): an operation takes its place only when an answer needs it, and a
 * state that was seen before is not searched again. Registers are checked one by one, since
 * linearizability is local (Herlihy and Wing, 1990).
 *
 * A write without an answer may have happened at any moment after its call, or never.
 * Throws `RangeError` where two operations wrote one value, or the search becomes too wide.
 */

/** What a register has; undefined: it is missing. A register begins without a value. */
export type Value = string | undefined;

export type Act =
  | { readonly kind: 'read'; readonly value: Value }
  | { readonly kind: 'write'; readonly value: string }
  /** A compare-and-set that was applied: the register had `from`. */
  | { readonly kind: 'swap'; readonly from: Value; readonly value: string };

export interface Operation {
  readonly key: string;
  readonly act: Act;
  readonly startMs: number;
  /** When its answer came; undefined: the outcome is unknown. */
  readonly endMs: number | undefined;
  /** The version of what it wrote or read, which rises from write to write; undefined: not known. */
  readonly version: bigint | undefined;
}

/** More states than any history of a few clients needs. */
const STATES_MAX = 200_000;

/** Why no order is possible, a line for each register without one; empty if there is one for all. */
export function violationsOf(history: readonly Operation[]): string[] {
  const registers = Map.groupBy(history, ({ key }) => key);
  return [...registers].flatMap(([key, operations]) => {
    const why = violationOf(operations);
    return why === undefined ? [] : [`${key}: ${why}`];
  });
}

function violationOf(operations: readonly Operation[]): string | undefined {
  const versions = versionsOf(operations);
  if (typeof versions === 'string') return versions;
  return new Search(relevant(operations), versions).violation();
}

/** The version of each value, or which value or version has two. */
function versionsOf(operations: readonly Operation[]): ReadonlyMap<string, bigint> | string {
  const versions = new Map<string, bigint>();
  const values = new Map<bigint, string>();
  for (const { act, version } of operations) {
    if (act.value === undefined || version === undefined) continue;
    const other = values.get(version);
    if (other !== undefined && other !== act.value)
      return `version ${version} has two values, ${other} and ${act.value}`;
    if ((versions.get(act.value) ?? version) !== version)
      return `${act.value} has two versions, ${versions.get(act.value)} and ${version}`;
    values.set(version, act.value);
    versions.set(act.value, version);
  }
  return versions;
}

/**
 * The operations that restrict the order: those with an answer, and the writes without one
 * whose values somebody saw. A write that nobody saw may never have happened.
 */
function relevant(operations: readonly Operation[]): Operation[] {
  const writers = new Map<string, Operation>();
  for (const operation of operations) {
    const { act } = operation;
    if (act.kind === 'read') continue;
    if (writers.has(act.value)) throw new RangeError(`two operations wrote ${act.value}`);
    writers.set(act.value, operation);
  }
  const kept = new Set<Operation>();
  const keep = (operation: Operation): void => {
    if (kept.has(operation)) return;
    kept.add(operation);
    const seen = seenBy(operation.act);
    const writer = seen === undefined ? undefined : writers.get(seen);
    if (writer !== undefined) keep(writer);
  };
  for (const operation of operations) if (operation.endMs !== undefined) keep(operation);
  return [...kept];
}

/** The value that the register had when this happened; undefined too where any would do. */
function seenBy(act: Act): Value {
  if (act.kind === 'read') return act.value;
  return act.kind === 'swap' ? act.from : undefined;
}

/** The register now, and the open operations that have happened, in ascending order. */
interface State {
  readonly value: Value;
  readonly done: readonly number[];
}

class Search {
  readonly #operations: readonly Operation[];
  readonly #versions: ReadonlyMap<string, bigint>;
  /** Operations, by index, that were called and not answered. */
  readonly #open = new Set<number>();

  constructor(operations: readonly Operation[], versions: ReadonlyMap<string, bigint>) {
    this.#operations = operations;
    this.#versions = versions;
  }

  violation(): string | undefined {
    let states: readonly State[] = [{ value: undefined, done: [] }];
    for (const { index, isEnd } of this.#events()) {
      if (!isEnd) {
        this.#open.add(index);
        continue;
      }
      const settled = this.#settle(states, index);
      if (settled.length === 0) return this.#describe(index, states);
      states = settled;
      this.#open.delete(index);
    }
    return undefined;
  }

  /** Calls and answers in the order of time. At one moment a call comes first, which forbids less. */
  #events(): { readonly index: number; readonly isEnd: boolean }[] {
    const events = this.#operations.flatMap(({ startMs, endMs }, index) => [
      { index, atMs: startMs, isEnd: false },
      ...(endMs === undefined ? [] : [{ index, atMs: endMs, isEnd: true }]),
    ]);
    return events.sort((a, b) => a.atMs - b.atMs || Number(a.isEnd) - Number(b.isEnd));
  }

  /** The states in which an operation that is answered has happened. */
  #settle(states: readonly State[], answered: number): State[] {
    const settled = new Map<string, State>();
    const seen = new Set<string>();
    const left = states.map((state) => this.#withReads(state));
    for (let state = left.pop(); state !== undefined; state = left.pop()) {
      if (state.done.includes(answered)) {
        const rest = { ...state, done: state.done.filter((index) => index !== answered) };
        settled.set(nameOf(rest), rest);
        continue;
      }
      for (const next of this.#after(state)) {
        if (seen.has(nameOf(next))) continue;
        seen.add(nameOf(next));
        if (seen.size > STATES_MAX) throw new RangeError(`more than ${STATES_MAX} states at one answer`);
        left.push(next);
      }
    }
    return [...settled.values()];
  }

  /** What one more open write can make of a state. */
  #after({ value, done }: State): State[] {
    const open = [...this.#open].filter((index) => !done.includes(index));
    return open
      .filter((index) => this.#isPossible(index, value, open))
      .map((index) => this.#withReads({ value: this.#at(index).act.value, done: [...done, index] }));
  }

  /** The state in which all open reads of its value have happened: they change nothing, so now is as good as later. */
  #withReads({ value, done }: State): State {
    const reads = [...this.#open].filter((index) => {
      const { act } = this.#at(index);
      return act.kind === 'read' && act.value === value && !done.includes(index);
    });
    return { value, done: [...done, ...reads].sort((a, b) => a - b) };
  }

  #isPossible(index: number, value: Value, open: readonly number[]): boolean {
    const { act } = this.#at(index);
    if (act.kind === 'read' || (act.kind === 'swap' && act.from !== value)) return false;
    const version = this.#versionOf(index);
    if (version === undefined) return true;
    const before = value === undefined ? undefined : this.#versions.get(value);
    if (before !== undefined && before >= version) return false;
    // A write with a lower version could not happen any more.
    return open.every((other) => other === index || (this.#versionOf(other) ?? version) >= version);
  }

  /** The version that the operation wrote; undefined for reads. */
  #versionOf(index: number): bigint | undefined {
    const { act } = this.#at(index);
    return act.kind === 'read' ? undefined : this.#versions.get(act.value);
  }

  #at(index: number): Operation {
    return this.#operations[index] as Operation;
  }

  #describe(index: number, states: readonly State[]): string {
    const { act, startMs, endMs } = this.#at(index);
    const values = new Set(states.map(({ value }) => value ?? 'nothing'));
    const others = [...this.#open].filter((other) => other !== index);
    const open = others.map(
      (other) => `${this.#at(other).act.kind} ${this.#at(other).act.value ?? 'nothing'}`,
    );
    return (
      `${act.kind} ${act.value ?? 'nothing'} from ${startMs} to ${endMs} ms fits no order: ` +
      `the register had ${[...values].join(' or ')}${open.length === 0 ? '' : `, and open were ${open.join(', ')}`}`
    );
  }
}

function nameOf({ value, done }: State): string {
  return `${done.join()} ${value ?? ''}`;
}
