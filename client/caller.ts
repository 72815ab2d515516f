/**
 * Calls of one client to the nodes of a group: which node, how long, how often, and what
 * the session learns of the answer.
 */
import { create } from '@bufbuild/protobuf';
import type { CallOptions as TransportOptions } from '@connectrpc/connect';
import { Code } from '@connectrpc/connect';
import type { GetResponse } from '#gen/walnut/v1/kv_store_pb.ts';
import { Durability, type Position, PositionSchema } from '#gen/walnut/v1/types_pb.ts';
import type { Clock } from '#platform/clock.ts';
import type { Target } from '#routing/group-routes.ts';
import type { LongAttempts } from '#routing/long-attempts.ts';
import type { Attempt, Router } from '#routing/router.ts';
import { POSITIONS_HEADER } from '#wire/call-headers.ts';
import { type CallEnd, hasCallListeners, tellCall } from './diagnostics.ts';
import { type CallError, givenUp, isUnreadable, notDone, refusedHere } from './failures.ts';
import type { NodeStub } from './node-links.ts';
import type { Ownership } from './ownership.ts';
import { isNewer, type SentPositions, type Session } from './session.ts';
import type { NamedFields, WriteNames } from './write-names.ts';

export interface CallerOptions {
  readonly clock: Clock;
  readonly router: Router<NodeStub>;
  readonly session: Session;
  /** All attempts of a call, without what the call itself asks to wait. */
  readonly timeoutMs: number;
  /** The first attempt. */
  readonly attemptMs: number;
  /** False: writes have only the names that their callers give them, and so are not repeated. */
  readonly namesWrites: boolean;
  /** Which keys are the group's; undefined: all are. */
  readonly ownership?: Ownership | undefined;
  /** Ends attempts at a master that is none any more; undefined: nobody tells who leads. */
  readonly attempts?: LongAttempts<NodeStub> | undefined;
}

export interface CallKind {
  /** What is called, for diagnostics. */
  readonly rpc: string;
  /** How many operations the call carries; default 1. */
  readonly operations?: number;
  readonly target: Target;
  readonly isRepeatable: boolean;
  /** See `RoutedCall.isRead`. */
  readonly isRead?: boolean;
  /** How long the node may wait before it answers. */
  readonly waitMs: number;
  readonly signal?: AbortSignal | undefined;
  readonly at?: string | undefined;
  /** What the session has seen goes with it where that is of groups. Absent: the call is beside the session. */
  readonly isOfSession?: true;
}

/** What a call has of its attempt: the node, the limits, and whether it may have been carried out before. */
export type Sent = Attempt<NodeStub> & { readonly options: TransportOptions };

export class Caller {
  readonly session: Session;
  readonly #options: CallerOptions;
  /** A gateway tells positions only to calls that bring the header. */
  readonly #onUnasked: (header: Headers) => void;

  constructor(options: CallerOptions) {
    const { session } = options;
    this.session = session;
    this.#options = options;
    this.#onUnasked = (header) => {
      if (header.has(POSITIONS_HEADER)) session.onNode();
    };
  }

  get nowMs(): number {
    return this.#options.clock.monotonicMs();
  }

  get ownership(): Ownership | undefined {
    return this.#options.ownership;
  }

  run<T>(kind: CallKind, attempt: (sent: Sent) => Promise<T>): Promise<T> {
    const { router, timeoutMs, attemptMs, attempts } = this.#options;
    const { target, isRepeatable, isRead, waitMs, signal, at: one } = kind;
    if (signal?.aborted === true) return Promise.reject(givenUp('not_done'));
    const at = one === undefined ? undefined : () => one;
    const limits = { timeoutMs: timeoutMs + waitMs, attemptMs: Math.min(attemptMs, timeoutMs) + waitMs };
    // The same for all attempts: what a repeat knows, its first attempt may not have known.
    const sent = kind.isOfSession === true ? this.session.sent : undefined;
    const told: { text: string | null } = { text: null };
    const last = { address: '', attempts: 0 };
    const send = (given: Attempt<NodeStub>): Promise<T> => {
      const { timeoutMs: limitMs, signal: ended } = given;
      const heard = { timeoutMs: limitMs, onHeader: this.#onUnasked };
      const options = ended === undefined ? heard : { ...heard, signal: ended };
      if (sent === undefined) return attempt({ ...given, options });
      const headers = { [POSITIONS_HEADER]: sent.text };
      const onHeader = (header: Headers): void => {
        told.text = header.get(POSITIONS_HEADER) ?? told.text;
      };
      return attempt({ ...given, options: { ...options, headers, onHeader } });
    };
    const mayEnd = target === 'master' && isRepeatable && at === undefined;
    const result = router.run({ target, isRepeatable, isRead, signal, at, ...limits }, (given) => {
      last.address = given.address;
      last.attempts++;
      return attempts === undefined || !mayEnd ? send(given) : attempts.run(given, send);
    });
    const noted = sent === undefined ? result : this.#noted(sent, told, result);
    return hasCallListeners() ? this.#told(kind, last, noted) : noted;
  }

  /** Notes what the session has seen now, as the answer says it, or the last one of a part where the rest fails. */
  async #noted<T>(
    sent: SentPositions,
    told: { readonly text: string | null },
    result: Promise<T>,
  ): Promise<T> {
    try {
      const answer = await result;
      this.session.onAnswer(sent, told.text);
      return answer;
    } catch (error) {
      this.session.onAnswer(sent, (error as CallError).metadata.get(POSITIONS_HEADER) ?? told.text);
      throw error;
    }
  }

  /** Tells listeners how the call ended. */
  async #told<T>(
    { rpc, operations = 1 }: CallKind,
    last: Readonly<Pick<CallEnd, 'address' | 'attempts'>>,
    result: Promise<T>,
  ): Promise<T> {
    const { clock } = this.#options;
    const startedMs = clock.monotonicMs();
    const end = (): CallEnd => ({ rpc, operations, ...last, tookMs: clock.monotonicMs() - startedMs });
    try {
      const answer = await result;
      tellCall(end());
      return answer;
    } catch (error) {
      const { code, outcome } = error as CallError;
      tellCall({ ...end(), error: { code, outcome } });
      throw error;
    }
  }

  /** The node does not have the state that a read of this session must show. */
  onBehind(address: string): void {
    this.#options.router.onBehind(address);
  }

  /**
   * Names the writes, does `work`, and forgets the names. `key`: one that the caller may
   * read or write; of it a position is asked where the session has none. Rejects, with nothing
   * done, where no node answered that: the writes would wait as long once more.
   */
  async named<T>(
    names: WriteNames,
    writes: readonly NamedFields[],
    key: string,
    work: () => Promise<T>,
  ): Promise<T> {
    if (writes.length === 0 || !this.#options.namesWrites) return work();
    const error = this.session.isEmpty ? await this.learnPosition(key) : undefined;
    if (isUnreadable(error)) throw notDone(error as CallError);
    const release = names.begin(writes, this.session.token);
    try {
      return await work();
    } finally {
      release();
    }
  }

  /**
   * Moves the session to where the master is, unless that belongs to another history:
   * then returns the error, and the session's position is dropped. A caller that may not
   * read `key` learns nothing.
   */
  async learnPosition(key: string): Promise<CallError | undefined> {
    const { token } = this.session;
    try {
      const { asOf } = await this.ask(key, 'master', token);
      this.session.observe(asOf, token);
      return undefined;
    } catch (error) {
      this.onError(error as CallError, token);
      return error as CallError;
    }
  }

  /**
   * Asks the master for what is unproven of the session: call this before a read that
   * carries its token. Rejects with DATA_LOSS, once, if some of it was discarded, and with
   * what the call came to if nobody can say. `key`: one that the caller may read.
   */
  async prove(key: string): Promise<void> {
    for (const position of this.session.unproven) {
      try {
        if (this.session.isOfGroups) {
          await this.#findGroup(position);
          continue;
        }
        const { asOf } = await this.ask(key, 'master', position);
        // A master that was replaced and does not know it yet can prove nothing.
        const { token } = this.session;
        if (asOf !== undefined && (token === undefined || !isNewer(token, asOf)))
          this.session.observe(asOf, position);
      } catch (error) {
        this.onError(error as CallError, position);
        throw notDone(error as CallError);
      }
    }
  }

  /** Asks of which group a position is that an earlier version of the session had. Earlier nodes name their group in answers to sessions alone. */
  async #findGroup({ epoch, lsn }: Position): Promise<void> {
    const kind = { rpc: 'AwaitDurable', target: 'master', isRepeatable: true, waitMs: 0 } as const;
    const request = { position: { epoch, lsn }, durability: Durability.ACCEPTED, timeoutMs: 1 };
    try {
      const { durable } = await this.run(kind, ({ link, options }) =>
        link.store.awaitDurable(request, {
          ...options,
          headers: { [POSITIONS_HEADER]: '' },
          onHeader: ignored,
        }),
      );
      this.session.assign(create(PositionSchema, { epoch, lsn }), durable?.group ?? '');
    } catch (error) {
      if ((error as CallError).code !== Code.InvalidArgument) throw error;
      const why = `position ${epoch}-${lsn} is of no group of the cluster: what it saw may be gone`;
      throw refusedHere(why, Code.DataLoss);
    }
  }

  /** A position that belongs to no history any more is told once, and then dropped. */
  onError(error: CallError, sent: Position | undefined): void {
    if (error.code === Code.DataLoss && sent !== undefined) this.session.onDiscarded(sent);
  }

  /**
   * Reads a key for this client's own use, beside the session: a loss is told to who calls
   * this client, and nobody is given this answer.
   */
  ask(key: string, target: Target, atLeast?: Position): Promise<GetResponse> {
    return this.run({ rpc: 'Get', target, isRepeatable: true, isRead: true, waitMs: 0 }, (sent) =>
      sent.link.store.get(atLeast === undefined ? { key } : { key, atLeast }, sent.options),
    );
  }
}

function ignored(): void {}

export function closedError(): CallError {
  return refusedHere('this client is closed', Code.Canceled);
}
