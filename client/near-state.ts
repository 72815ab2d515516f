/**
 * What a near cache knows, and what of it may be given out. Pure: positions and moments
 * come in, entries come out.
 *
 * A watch tells every change of the keys up to a position, the *mark*. An entry was read
 * from a state, its *as-of*. Whichever of the two is newer, the entry is right for it:
 * changes of its key after the as-of remove it when they are told, and older ones are in
 * it. An answer is put in only if no change after its as-of was told while it was read.
 *
 * How fresh the mark is follows from answers, of whatever node: one that was sent for at a
 * moment t with a staleness s shows a state at least as new as that of the group at t - s.
 * Once the mark has reached its as-of, so is the mark. No clock but this one is needed,
 * and a process that slept finds its cache old.
 */
import { LRUCache } from 'lru-cache';
import type { GetResponse } from '#gen/walnut/v1/kv_store_pb.ts';
import type { Position } from '#gen/walnut/v1/types_pb.ts';
import { isNewer } from './session.ts';

export interface NearStats {
  readonly hits: number;
  readonly misses: number;
  readonly entries: number;
  readonly bytes: number;
  /** Entries that a change removed. */
  readonly invalidations: number;
}

export interface NearStateOptions {
  readonly bytesMax: number;
  readonly stalenessMsMax: number;
}

/** A read under way. */
export interface NearRead {
  readonly key: string;
  readonly sentMs: number;
  /** The mark when it began; undefined: there is no watch, so its answer is not kept. */
  readonly mark: Position | undefined;
  /** The newest change of the key that was told since. */
  changed: Position | undefined;
}

interface Sample {
  readonly atMs: number;
  readonly asOf: Position;
}

interface NearEntry extends Sample {
  readonly answer: GetResponse;
}

/** A position of a record that changed a key. */
interface Change {
  readonly key: string;
  readonly version?: Position | undefined;
}

/** Beside its key and value: objects, and the cache's own. */
const ENTRY_BYTES = 400;
/** Answers whose as-of the mark has not reached. */
const SAMPLES_MAX = 64;

export class NearState {
  readonly #options: NearStateOptions;
  readonly #entries: LRUCache<string, NearEntry>;
  readonly #reads = new Map<string, Set<NearRead>>();
  #samples: Sample[] = [];
  #mark: Position | undefined;
  /** The mark shows at least the state of the group at this moment. */
  #freshMs = Number.NEGATIVE_INFINITY;
  #counts = { hits: 0, misses: 0, invalidations: 0 };

  constructor(options: NearStateOptions) {
    this.#options = options;
    this.#entries = new LRUCache({ maxSize: options.bytesMax, maxEntrySize: options.bytesMax });
  }

  get stats(): NearStats {
    return { ...this.#counts, entries: this.#entries.size, bytes: this.#entries.calculatedSize };
  }

  /**
   * The answer for `key`, fresh enough and of a state that includes `required`;
   * undefined: the key must be read. `wallMs`: to hide what has expired.
   */
  find(key: string, required: Position | undefined, nowMs: number, wallMs: number): GetResponse | undefined {
    const entry = this.#entries.get(key);
    const agoMs = entry === undefined ? Number.POSITIVE_INFINITY : nowMs - this.#freshOf(entry);
    const isFresh = agoMs <= this.#options.stalenessMsMax;
    if (entry === undefined || !isFresh || !this.#includes(entry, required) || isOver(entry.answer, wallMs)) {
      this.#counts.misses++;
      return undefined;
    }
    this.#counts.hits++;
    return { ...entry.answer, stalenessMs: BigInt(Math.max(0, Math.ceil(agoMs))) };
  }

  /** The read of `key` is sent. Call `end` when it is over, also if it fails. */
  begin(key: string, nowMs: number): NearRead {
    const read: NearRead = { key, sentMs: nowMs, mark: this.#mark, changed: undefined };
    const reads = this.#reads.get(key) ?? new Set();
    reads.add(read);
    this.#reads.set(key, reads);
    return read;
  }

  /** `answer`: undefined for a read that failed. */
  end(read: NearRead, answer: GetResponse | undefined): void {
    const reads = this.#reads.get(read.key);
    const isFollowed = reads?.delete(read) === true;
    if (reads?.size === 0) this.#reads.delete(read.key);
    if (answer?.asOf === undefined) return;
    this.sample(read.sentMs, answer);
    if (isFollowed && this.#isCurrent(read, answer.asOf))
      this.#keep(read.key, { answer, asOf: answer.asOf, atMs: momentOf(read.sentMs, answer) });
  }

  /** An answer that was sent for at `sentMs` shows how fresh the mark is, or will be. */
  sample(sentMs: number, answer: GetResponse): void {
    const { asOf } = answer;
    if (this.#mark === undefined || asOf === undefined) return;
    const atMs = momentOf(sentMs, answer);
    if (!isNewer(asOf, this.#mark)) this.#freshMs = Math.max(this.#freshMs, atMs);
    else if (this.#samples.length < SAMPLES_MAX) this.#samples.push({ atMs, asOf });
  }

  /** The watch has begun: what was told before it is not known. */
  reset(): void {
    this.#entries.clear();
    this.#samples = [];
    this.#mark = undefined;
    this.#freshMs = Number.NEGATIVE_INFINITY;
    // Reads under way began before: their answers are not kept.
    this.#reads.clear();
  }

  /** Everything up to `mark` was told: these changes were the last of it. */
  onChanges(changes: readonly Change[], mark: Position | undefined): void {
    for (const { key, version } of changes) {
      const known = this.#entries.peek(key);
      if (known !== undefined && (version === undefined || isNewer(version, known.asOf))) {
        this.#entries.delete(key);
        this.#counts.invalidations++;
      }
      for (const read of this.#reads.get(key) ?? []) read.changed = version ?? mark;
    }
    if (mark === undefined) return;
    if (this.#mark !== undefined && this.#mark.epoch !== mark.epoch) this.#onEpoch(this.#mark);
    this.#mark = mark;
    const reached = this.#samples.filter(({ asOf }) => !isNewer(asOf, mark));
    for (const { atMs } of reached) this.#freshMs = Math.max(this.#freshMs, atMs);
    this.#samples = this.#samples.filter(({ asOf }) => isNewer(asOf, mark));
  }

  /** A new epoch may have dropped what was read ahead of the mark, and no change tells that. */
  #onEpoch(before: Position): void {
    for (const [key, { asOf }] of this.#entries.entries())
      if (isNewer(asOf, before)) this.#entries.delete(key);
    this.#samples = [];
    this.#reads.clear();
  }

  #isCurrent({ key, mark, changed }: NearRead, asOf: Position): boolean {
    if (mark === undefined || this.#mark === undefined || mark.epoch !== this.#mark.epoch) return false;
    // Changes between its as-of and the mark were told before it began, to nobody.
    if (isNewer(mark, asOf) || (changed !== undefined && isNewer(changed, asOf))) return false;
    const known = this.#entries.peek(key);
    return known === undefined || !isNewer(known.asOf, asOf);
  }

  #keep(key: string, entry: NearEntry): void {
    const { value, contentType } = entry.answer;
    const size = ENTRY_BYTES + 2 * (key.length + contentType.length) + value.length;
    this.#entries.set(key, entry, { size });
  }

  /**
   * The entry shows the state of the group at this moment, or a newer one. Ahead of the
   * mark it is as fresh as its own answer: a master that is dead may have lost what it read.
   */
  #freshOf({ asOf, atMs }: NearEntry): number {
    return this.#mark === undefined || isNewer(asOf, this.#mark) ? atMs : this.#freshMs;
  }

  #includes({ asOf }: NearEntry, required: Position | undefined): boolean {
    if (required === undefined || !isNewer(required, asOf)) return true;
    return this.#mark !== undefined && !isNewer(required, this.#mark);
  }
}

/** The answer shows at least the state of the group at this moment. */
function momentOf(sentMs: number, { stalenessMs }: GetResponse): number {
  return sentMs - Number(stalenessMs);
}

function isOver({ expireAtMs }: GetResponse, wallMs: number): boolean {
  return expireAtMs !== 0n && Number(expireAtMs) <= wallMs;
}
