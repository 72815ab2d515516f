/**
 * A replica inside of this process: reads are function calls on its memory, writes go to
 * the master. It follows as every replica does and counts for nothing in its group
 * (docs/adr/0019-embedded-replicas.md).
 *
 * Errors of reads are `WalnutError`s: `unavailable` while the state may not be read.
 * Errors of writes are the client's `CallError`s.
 */
import type { DeleteResponse, SetResponse } from '#gen/walnut/v1/kv_store_pb.ts';
import type { Position as PositionMessage } from '#gen/walnut/v1/types_pb.ts';
import type { Entry } from '#model/entry.ts';
import { invalidArgument, unavailable, WalnutError } from '#model/errors.ts';
import { type Position, parsePosition, toLsn } from '#model/position.ts';
import type { NodeStatus } from '#model/status.ts';
import type { Node } from '#node/node.ts';
import type { Clock } from '#platform/clock.ts';
import { shown } from '#platform/shown.ts';
import type { CallOptions, DeleteOptions, SetOptions } from '../client/operations.ts';
import { Session } from '../client/session.ts';
import type { WalnutClient } from '../client/walnut-client.ts';
import { checkMs, checkNames, type OptionNames } from './check-options.ts';
import { ReadGate } from './read-gate.ts';

/** A position as the model or the wire has it, or as a text: `epoch-lsn`, or that of a session. */
export type Place = Position | PositionMessage | string;

export interface WaitOptions {
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

/** A write that was answered: `visible` is true if reads here show it. */
export type Visible<T> = T & { readonly visible: boolean };

export interface EmbeddedParts {
  readonly node: Node;
  readonly client: WalnutClient;
  readonly clock: Clock;
  readonly visibleMs: number;
}

const WAIT_MS = 1_000;
const READY_MS = 30_000;
/** Between two looks at a node that is not ready yet. */
const LOOK_MS = 10;
const PAGE = 1_000;

export class EmbeddedReplica implements AsyncDisposable {
  /** Every call of the client library, at the master. */
  readonly client: WalnutClient;
  readonly #parts: EmbeddedParts;
  readonly #reads = new ReadGate('replica');
  #closing: Promise<void> | undefined;

  constructor(parts: EmbeddedParts) {
    this.#parts = parts;
    this.client = parts.client;
  }

  /**
   * The value of a key; undefined if it is missing. Nothing is copied: do not change its
   * bytes, which are the replica's own. They stay what they are, whatever is written later;
   * who keeps one for long keeps up to a megabyte of others with it, so copy that one.
   */
  get(key: string): Uint8Array | undefined {
    this.#check();
    return this.#parts.node.local.value(key);
  }

  /** The value with its version, deadline (milliseconds since 1970, 0: none) and content type. */
  entry(key: string): Entry | undefined {
    this.#check();
    return this.#parts.node.local.entry(key);
  }

  has(key: string): boolean {
    this.#check();
    return this.#parts.node.local.has(key);
  }

  /**
   * Every entry whose key begins with `prefix`, in no order. One that is there from the
   * first to the last comes once, also if the caller awaits between them.
   */
  *scan(prefix = ''): Generator<Entry, void, undefined> {
    let cursor = '';
    do {
      this.#check();
      const page = this.#parts.node.local.scan({ prefix, cursor, limit: PAGE, keysOnly: false });
      yield* page.entries;
      cursor = page.nextCursor;
    } while (cursor !== '');
  }

  /** Writes at the master, and waits until reads here show it. */
  async set(
    key: string,
    value: Uint8Array,
    options: SetOptions & CallOptions = {},
  ): Promise<Visible<SetResponse>> {
    this.#check();
    return this.#shown(await this.client.set(key, value, options), options.signal);
  }

  /** Deletes at the master, and waits until reads here show it. */
  async delete(key: string, options: DeleteOptions & CallOptions = {}): Promise<Visible<DeleteResponse>> {
    this.#check();
    return this.#shown(await this.client.delete(key, options), options.signal);
  }

  async #shown<T extends { readonly position?: PositionMessage | undefined }>(
    answer: T,
    signal: AbortSignal | undefined,
  ): Promise<Visible<T>> {
    const { visibleMs } = this.#parts;
    const waiting =
      answer.position === undefined
        ? Promise.resolve()
        : this.waitFor(answer.position, { timeoutMs: visibleMs, ...(signal && { signal }) });
    // The write was carried out, so nothing that goes wrong here is an error of it.
    const visible = await waiting.then(
      () => true,
      () => false,
    );
    return Object.assign(answer, { visible });
  }

  /**
   * Resolves when reads here show a position: that of an answer, or a session of a client
   * elsewhere. Rejects with `unavailable` after `timeoutMs` (1 s), and with
   * `discarded_history` if that position will never be reached.
   */
  async waitFor(place: Place, options: WaitOptions = {}): Promise<void> {
    this.#check();
    const { timeoutMs = WAIT_MS, signal } = checked(options);
    for (const position of toPositions(place))
      await this.#parts.node.local.waitFor(position, timeoutMs, signal);
  }

  /**
   * Resolves when the replica hears from its master and is level with it. Rejects with
   * `unavailable` after `timeoutMs` (30 s), saying why it is not.
   */
  async ready(options: WaitOptions = {}): Promise<void> {
    const { timeoutMs = READY_MS, signal } = checked(options);
    const { clock } = this.#parts;
    const endMs = clock.monotonicMs() + timeoutMs;
    for (;;) {
      this.#check();
      const { status } = this;
      if (status.isReady && status.upstream?.lagRecords === 0) return;
      if (signal?.aborted === true) throw new WalnutError('cancelled', 'the caller has given up');
      if (clock.monotonicMs() >= endMs) {
        const why = status.reasons.join('; ') || `it is ${status.state}`;
        throw unavailable(
          `this replica is not ready after ${timeoutMs} ms: ${why}`,
          status.upstream?.address,
        );
      }
      await clock.sleep(LOOK_MS, signal);
    }
  }

  /** The last record that reads show. As a text, `String(replica.client.session)` goes further. */
  get position(): Position {
    return this.#parts.node.local.position;
  }

  /** Milliseconds since this replica last had everything that its master had made durable. */
  get stalenessMs(): number {
    return this.#parts.node.local.stalenessMs;
  }

  /** State, reasons, lag, log and entries, as `walnut status` shows them for a replica. */
  get status(): NodeStatus {
    const { node } = this.#parts;
    const status = node.ports.admin.status();
    const { hits, misses } = node.local;
    return { ...status, store: { ...status.store, hits, misses } };
  }

  /**
   * Gives up data that is not in the history of the master, which has quarantined this
   * replica; it is kept in `aside/` of the directory. Rejects with `failed_precondition`
   * where there is no quarantine: `status.reasons` says.
   */
  async discardLocal(): Promise<void> {
    this.#check();
    await this.#parts.node.ports.admin.quarantineRelease('discard_local');
  }

  /** Ends calls, syncs the log and frees the directory. What was read stays valid. */
  close(): Promise<void> {
    this.#reads.close();
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    try {
      await this.client.close();
    } finally {
      await this.#parts.node.stop();
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** The disk or the memory of this machine failed. Returns true the first time. */
  fail(error: Error): boolean {
    return this.#reads.fail(error);
  }

  #check(): void {
    this.#reads.check();
  }
}

function checked(options: WaitOptions): WaitOptions {
  checkNames(options, { timeoutMs: true, signal: true } satisfies OptionNames<WaitOptions>);
  checkMs('timeoutMs', options.timeoutMs);
  return options;
}

function isNumber(value: unknown): boolean {
  return typeof value === 'bigint' || Number.isSafeInteger(value);
}

/** The token of a session comes first: once that is reached, all epochs of what is unproven are known. */
function toPositions(place: Place): Position[] {
  if (typeof place === 'object' && place !== null && isNumber(place.epoch) && isNumber(place.lsn))
    return [{ epoch: Number(place.epoch), lsn: toLsn(Number(place.lsn)) }];
  if (typeof place !== 'string')
    throw invalidArgument(
      `the place is ${shown(place)}: expected a position, epoch-lsn, or a session as text`,
    );
  const position = parsePosition(place);
  if (position !== undefined) return [position];
  if (!place.startsWith('s'))
    throw invalidArgument(
      `${JSON.stringify(place.slice(0, 40))} is no position: expected epoch-lsn, or a session`,
    );
  const { token, unproven } = Session.from(place);
  return token === undefined ? [] : [token, ...unproven].flatMap(toPositions);
}
