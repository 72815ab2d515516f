/**
 * A replica whose master is silent, takes no writes or has quarantined it looks for
 * another one by itself: it asks the node that it follows, the nodes that it knows,
 * and the nodes that those follow. If one leads its log, it follows that one; if
 * none does, Status names the command that helps. So a replica finds a new master
 * without being told, and recovers from a wrong address.
 */
import type { EngineHost } from '#engine/engine-host.ts';
import { termOf } from '#model/position.ts';
import { adviceFor, describeMoved, leaderFor } from '#node/advice.ts';
import { type Asked, askNodes, isLeading } from '#node/ask-replicas.ts';
import type { NodeOptions } from '#node/node-options.ts';
import type { ReplicaRole } from '#node/replica-role.ts';
import type { Self } from '#node/self.ts';

/** Between two rounds: growing, so that a quarantined replica costs its master little. */
const LOOK_MS_MIN = 2_000;
const LOOK_MS_MAX = 10_000;
/** Most addresses asked in one round. */
const ASKED_MAX = 64;

/** The replica that looks for a master. */
export interface Searching {
  readonly options: NodeOptions;
  readonly host: EngineHost;
  /** Addresses that MANIFEST and the configuration name. */
  readonly siblings: readonly string[];
  self(): Self;
  followFound(address: string, term: number): Promise<void>;
}

export class Lookout {
  readonly #keeper: Searching;
  readonly #role: ReplicaRole;
  readonly #abort = new AbortController();
  #running: Promise<void> | undefined;
  /** The leadership of the upstream that was compared last, as `node id:epoch`. */
  #weighed = '';

  constructor(keeper: Searching, role: ReplicaRole) {
    this.#keeper = keeper;
    this.#role = role;
  }

  start(): void {
    this.#running ??= this.#run();
  }

  async stop(): Promise<void> {
    this.#abort.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { clock, logger } = this.#keeper.options;
    const { signal } = this.#abort;
    let waitMs = LOOK_MS_MIN;
    for (;;) {
      await clock.sleep(waitMs, signal);
      if (signal.aborted) return;
      waitMs = Math.min(waitMs * 1.5, LOOK_MS_MAX);
      try {
        if (this.#role.isKept || (await this.#isLed())) this.#role.noteAdvice('');
        else await this.#look(await this.#ask());
      } catch (error) {
        if (!signal.aborted) logger.info({ err: error }, 'looked for a master in vain');
      }
    }
  }

  /** True if it is linked to a master that takes writes. */
  async #isLed(): Promise<boolean> {
    if (!this.#role.isLinked) return false;
    const { upstream } = this.#keeper.host.manifest;
    const { dialer, logger } = this.#keeper.options;
    const [asked] = await askNodes(dialer, [upstream], logger, this.#abort.signal);
    return asked === undefined || (!this.#isOther(asked) && isLeading(asked.status));
  }

  /** True if another node answers at the address of the master that pushes to this one. */
  #isOther({ status }: Asked): boolean {
    const { isLinked, upstreamNodeId } = this.#role;
    return isLinked && upstreamNodeId !== '' && status.nodeId !== upstreamNodeId;
  }

  async #ask(): Promise<Asked[]> {
    const { host, options } = this.#keeper;
    const { upstream } = host.manifest;
    const ask = (addresses: readonly string[]): Promise<Asked[]> =>
      askNodes(options.dialer, addresses, options.logger, this.#abort.signal);
    const first = [...new Set([upstream, ...this.#keeper.siblings])]
      .filter((address) => address !== '')
      .slice(0, ASKED_MAX);
    const asked = await ask(first);
    const hints = asked
      .map(({ status }) => status.upstream?.address ?? '')
      .filter((address) => address !== '' && !first.includes(address));
    return [...asked, ...(await ask([...new Set(hints)].slice(0, ASKED_MAX - first.length)))];
  }

  async #look(asked: readonly Asked[]): Promise<void> {
    const { host } = this.#keeper;
    if (this.#abort.signal.aborted) return;
    const self = this.#keeper.self();
    const leader = leaderFor(self, asked);
    const atUpstream = asked.find(({ address }) => address === host.manifest.upstream);
    if (leader !== undefined && leader.status.nodeId !== atUpstream?.status.nodeId) {
      await this.#keeper.followFound(
        leader.address,
        self.logId === '' ? 0 : termOf(leader.status.position.epoch),
      );
      return;
    }
    if (self.quarantine !== undefined && atUpstream !== undefined) this.#weigh(self, atUpstream);
    // An observer is never the one to promote, and its program is not where an operator looks.
    if (this.#keeper.options.isObserver === true) return;
    // Then only the pushes of the master are known, not its state: no reason to promote anyone.
    const isOther = atUpstream !== undefined && this.#isOther(atUpstream);
    this.#role.noteAdvice(
      isOther ? describeMoved(this.#role.upstreamNodeId, self.upstream) : adviceFor(self, asked),
    );
  }

  /**
   * Another master, or another history of the same one, may have all records that are
   * here. A master of a third log has not, but then the quarantine must name that one.
   */
  #weigh({ quarantine, logId }: Self, { status }: Asked): void {
    const leadership = `${status.nodeId}:${status.position.epoch}`;
    const isJudged =
      status.logId === logId
        ? status.position.epoch === quarantine?.upstreamPosition.epoch
        : status.logId === quarantine?.upstreamLogId || !isLeading(status);
    if (isJudged || leadership === this.#weighed) return;
    this.#weighed = leadership;
    this.#role.reconsider();
  }
}
