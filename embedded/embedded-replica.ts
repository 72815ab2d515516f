/**
 * A replica inside of this process: reads are function calls on its memory, writes go to
 * the master. It follows as every replica does and counts for nothing in its group
 * (docs/adr/0019-embedded-replicas.md).
 *
 * Errors of reads are `WalnutError`s: `unavailable` while the state may not be read.
 * Errors of writes are the client's `CallError`s.
 */
import type { DeleteResponse, SetResponse } from '#gen/walnut/v1/kv_store_pb.ts';
import { Durability, type Position as PositionMessage } from '#gen/walnut/v1/types_pb.ts';
import type { Entry } from '#model/entry.ts';
import { invalidArgument, unavailable, WalnutError } from '#model/errors.ts';
import { type Position, parsePosition, toLsn } from '#model/position.ts';
import type { NodeStatus } from '#model/status.ts';
import type { Node } from '#node/node.ts';
import type { Clock } from '#platform/clock.ts';
import { shown } from '#platform/shown.ts';
import { messageOf } from '#platform/thrown.ts';
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
  /** The group that its master has named; empty: none yet. */
  #group = '';
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
   * elsewhere; of a session of groups of a cluster what it has seen of the group of this replica, which is
   * asked once. Rejects with `unavailable` after `timeoutMs` (1 s), with `discarded_history` if that
   * position will never be reached, and with `failed_precondition` for a session of groups where the
   * master is of no cluster.
   */
  async waitFor(place: Place, options: WaitOptions = {}): Promise<void> {
    this.#check();
    const { timeoutMs = WAIT_MS, signal } = checked(options);
    const given = toPositions(place);
    const positions = Array.isArray(given) ? given : ofPart(given, await this.#ownGroup(timeoutMs, signal));
    for (const position of positions) await this.#parts.node.local.waitFor(position, timeoutMs, signal);
  }

  /** The group of the cluster that this is a replica of. Rejects where nobody has said it. */
  async #ownGroup(timeoutMs: number, signal: AbortSignal | undefined): Promise<string> {
    if (this.#group !== '') return this.#group;
    const { client, clock, node } = this.#parts;
    const over = new AbortController();
    const end = (): void => over.abort();
    const timer = clock.after(timeoutMs, end);
    signal?.addEventListener('abort', end, { once: true });
    try {
      // Every position in an answer of a node of a cluster names the group.
      const { epoch, lsn } = node.local.position;
      const position = { epoch: BigInt(epoch), lsn: BigInt(lsn) };
      const asked = { position, durability: Durability.ACCEPTED, timeoutMs: 1, signal: over.signal };
      this.#group = (await client.awaitDurable(asked)).durable?.group ?? '';
    } catch (error) {
      const why = `it is not known which group of the cluster this is a replica of: ${messageOf(error)}`;
      throw new WalnutError('unavailable', why, { cause: error });
    } finally {
      timer.cancel();
      signal?.removeEventListener('abort', end);
    }
    if (this.#group !== '') return this.#group;
    const why = 'the session is of groups of a cluster, and the master of this replica names no group';
    throw new WalnutError('failed_precondition', why);
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

/**
 * A session of groups is returned as such: which of its positions count depends on the group here. The token
 * of a session of one comes first: once that is reached, all epochs of what is unproven are known.
 */
function toPositions(place: Place): Position[] | Session {
  if (typeof place === 'object' && place !== null && isNumber(place.epoch) && isNumber(place.lsn))
    return [toPosition(place)];
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
  const session = Session.from(place);
  return session.isOfGroups ? session : positionsOf(session);
}

/** What the session has seen of the group, and before it was of groups. */
function ofPart(session: Session, group: string): Position[] {
  return [...session.unproven.map(toPosition), ...positionsOf(session.partOf(group))];
}

function positionsOf({ token, unproven }: Session): Position[] {
  return token === undefined ? [] : [token, ...unproven].map(toPosition);
}

function toPosition({ epoch, lsn }: Position | PositionMessage): Position {
  return { epoch: Number(epoch), lsn: toLsn(Number(lsn)) };
}
