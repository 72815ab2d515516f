/** The ways of a client to the nodes of a group, one transport for each, and what their errors mean. */
import { type Client, createClient } from '@connectrpc/connect';
import type { ClosableTransport } from '#dial/closable-transport.ts';
import { writtenAddress } from '#dial/endpoint.ts';
import { Admin } from '#gen/walnut/v1/admin_pb.ts';
import { KVStore } from '#gen/walnut/v1/kv_store_pb.ts';
import { NodeState, Role } from '#gen/walnut/v1/types_pb.ts';
import type { Failure, Told } from '#routing/failure.ts';
import type { Limits, Links } from '#routing/router.ts';
import { toCallError, withHint } from './failures.ts';
import { judge } from './judge.ts';

export interface NodeStub {
  readonly store: Client<typeof KVStore>;
  readonly admin: Client<typeof Admin>;
}

interface Link {
  readonly stub: NodeStub;
  readonly close: () => void;
}

/** Links to nodes that are no longer asked are closed, the oldest first. */
const LINKS_MAX = 64;

export class NodeLinks implements Links<NodeStub> {
  readonly #open: (address: string) => ClosableTransport;
  readonly #isTls: boolean;
  readonly #unfollowed: string | undefined;
  readonly #links = new Map<string, Link>();

  /**
   * `isTls`: nodes are called by TLS, also those that others name, without a scheme. `unfollowed`: why
   * those are not called; undefined: they are.
   */
  constructor(open: (address: string) => ClosableTransport, isTls: boolean, unfollowed?: string) {
    this.#open = open;
    this.#isTls = isTls;
    this.#unfollowed = unfollowed;
  }

  linkTo(address: string): NodeStub {
    const known = this.#links.get(address);
    // Put at the end: the first is the one that was asked longest ago.
    if (known !== undefined) this.#links.delete(address);
    const link = known ?? this.#connect(address);
    this.#links.set(address, link);
    for (const [oldest, { close }] of this.#links) {
      if (this.#links.size <= LINKS_MAX) break;
      this.#links.delete(oldest);
      close();
    }
    return link.stub;
  }

  judge(error: unknown): Failure {
    const failure = judge(error);
    const { leaderHint } = failure;
    return leaderHint === undefined ? failure : { ...failure, leaderHint: this.#addressOf(leaderHint) };
  }

  toError(error: unknown, told: Told): Error {
    const { leaderHint, remedy } = this.judge(error);
    const reason = toCallError(error, told);
    if (this.#unfollowed === undefined || leaderHint === undefined || remedy !== 'elsewhere') return reason;
    return withHint(reason, `${leaderHint} is not called, since ${this.#unfollowed}`);
  }

  async findMaster(
    { admin }: NodeStub,
    { timeoutMs, signal }: Limits,
  ): Promise<'itself' | string | undefined> {
    const status = await admin.status({}, signal === undefined ? { timeoutMs } : { timeoutMs, signal });
    // A gateway has no role: it is to be asked for everything.
    if (status.role === Role.UNSPECIFIED) return 'itself';
    if (status.role !== Role.MASTER) return this.#addressOf(status.master?.address);
    return status.state === NodeState.FENCED ? undefined : 'itself';
  }

  /** An address as another node gave it, as this client calls it. */
  #addressOf(text: string | undefined): string | undefined {
    return text === undefined || text === '' ? undefined : writtenAddress(text, this.#isTls);
  }

  close(): void {
    for (const { close } of this.#links.values()) close();
    this.#links.clear();
  }

  #connect(address: string): Link {
    const { transport, close } = this.#open(address);
    return {
      stub: { store: createClient(KVStore, transport), admin: createClient(Admin, transport) },
      close,
    };
  }
}
