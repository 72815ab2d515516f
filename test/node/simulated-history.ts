/**
 * The oracle: every record that a master ever had on disk, with the record it
 * follows, so that histories which fork are told apart; and the digest of the
 * state at each, folded by a store that takes no part in the run.
 */
import { decodeMutations, decodeNamedWrites } from '#engine/records/data-record.ts';
import { RECORD_TYPE } from '#engine/records/record-kind.ts';
import type { Mutation } from '#model/entry.ts';
import { formatPosition, NO_POSITION, type Position } from '#model/position.ts';
import type { NamedWrite } from '#model/write-id.ts';
import { createStore, type Store } from '#storage/store.ts';
import type { WholeNode } from '#test/doubles/whole-node.ts';
import { decodeFrames, type Frame } from '#wal/frame.ts';

/** One record of one history; its identity is its place in that chain. */
export interface KnownRecord {
  readonly position: Position;
  readonly crc: number;
  readonly parent: KnownRecord | undefined;
  readonly mutations: readonly Mutation[];
  readonly named: readonly NamedWrite[];
  readonly timestampMs: number;
  /** The digest of the state after the record. */
  readonly digest: string;
}

export class KnownHistory {
  /** By position: more than one where a master was rolled back and went on in the same epoch. */
  readonly #records = new Map<string, KnownRecord[]>();
  #store = createOracleStore();
  /** What `#store` is the state of. */
  #folded: KnownRecord | undefined;

  /**
   * Reads what is new in a node's durable log after `from`, or after the newest
   * record before it that the node has; where nothing is known of it yet, from the
   * edge of its log. Returns the last record it has.
   */
  async readOn(node: WholeNode, from: KnownRecord | undefined): Promise<KnownRecord | undefined> {
    let last = from;
    let edges: KnownRecord[] | undefined;
    for (;;) {
      const after = last?.position ?? NO_POSITION;
      const answer = await node.getUpdates({ after, format: 'frames', bytesMax: 1 << 20 }).catch((error) => {
        if (last !== undefined) return undefined;
        edges ??= this.#recordsAt(node.status().earliestLsn - 1);
        if (edges.length === 0) throw new Error(`the oracle cannot follow: ${error}`);
        return undefined;
      });
      const frames = answer === undefined ? [] : decodeFrames(new Uint8Array(answer.frames));
      const isNext = frames[0] === undefined || frames[0].prevCrc === (last?.crc ?? 0);
      // Its log never had this record, or lost it to a power cut before it was durable.
      if (answer === undefined || !isNext) last = last?.parent ?? edges?.shift();
      else if (frames.length === 0) return last;
      else for (const frame of frames) last = this.#learn(frame, last);
    }
  }

  /** Like `readOn`, for a node whose disk may fail meanwhile: false if nothing could be read. */
  tryReadOn(node: WholeNode, from: KnownRecord | undefined): Promise<boolean> {
    return this.readOn(node, from).then(
      () => true,
      () => false,
    );
  }

  /** Records that a node sends after `after`; what stands behind an unknown record is left for later. */
  learnSent(after: Position, frames: readonly Frame[]): void {
    let last = this.at(after).find((record) => record.crc === frames[0]?.prevCrc);
    if (last === undefined && after.lsn > 0) return;
    for (const frame of frames) last = this.#learn(frame, last);
  }

  /** The record at which the state is that of `digest`; undefined: no master ever had it on disk. */
  find(position: Position, digest: string): KnownRecord | undefined {
    return this.at(position).find((record) => record.digest === digest);
  }

  /** Digests that states at `position` had. */
  digestsAt(position: Position): string[] {
    return this.at(position).map(({ digest }) => digest);
  }

  /** The record at `lsn` in each history that has one. */
  #recordsAt(lsn: number): KnownRecord[] {
    return [...this.#records.values()].flat().filter(({ position }) => position.lsn === lsn);
  }

  /** The records at a position: more than one where histories fork within an epoch. */
  at(position: Position): KnownRecord[] {
    return this.#records.get(formatPosition(position)) ?? [];
  }

  #learn(frame: Frame, parent: KnownRecord | undefined): KnownRecord {
    const position = { epoch: frame.epoch, lsn: frame.lsn };
    const there = this.at(position);
    const known = there.find((record) => record.crc === frame.crc);
    if (known !== undefined) {
      if (known.parent !== parent) throw new Error(`${formatPosition(position)} follows two records`);
      return known;
    }
    const isData = frame.type === RECORD_TYPE.data;
    const mutations = isData ? decodeMutations(frame.payload) : [];
    const named = isData ? decodeNamedWrites(frame.payload) : [];
    const stated = { position, mutations, named, timestampMs: frame.timestampMs };
    this.#foldTo(parent);
    this.#apply(stated);
    const record = { ...stated, crc: frame.crc, parent, digest: this.#store.stateDigest() };
    this.#folded = record;
    this.#records.set(formatPosition(position), [...there, record]);
    return record;
  }

  /** Nothing to do but after a fork: then that history is folded from its beginning. */
  #foldTo(record: KnownRecord | undefined): void {
    if (this.#folded === record) return;
    const chain: KnownRecord[] = [];
    for (let one = record; one !== undefined; one = one.parent) chain.push(one);
    this.#store = createOracleStore();
    for (const one of chain.reverse()) this.#apply(one);
    this.#folded = record;
  }

  #apply({ mutations, named, position, timestampMs }: Omit<KnownRecord, 'crc' | 'parent' | 'digest'>): void {
    for (const mutation of mutations) this.#store.apply(mutation, position);
    if (named.length > 0) this.#store.requests.apply(named, position, timestampMs);
  }
}

/** The record at `position` in the history that ends with `tail`. */
export function recordIn(tail: KnownRecord | undefined, position: Position): KnownRecord | undefined {
  let record = tail;
  while (record !== undefined && record.position.lsn > position.lsn) record = record.parent;
  return record?.position.lsn === position.lsn && record.position.epoch === position.epoch
    ? record
    : undefined;
}

function createOracleStore(): Store {
  const limits = { entriesMax: 0, bytesMax: 0, policy: 'lru' as const };
  return createStore({ limits, hashSeed: 1, incarnation: 'oracle00' });
}
