/** Decides how a node that registers catches up, and composes the answer to its registration. */
import type { Engine } from '#engine/engine.ts';
import { WalnutError } from '#model/errors.ts';
import { FORMAT_LEVEL } from '#model/formats.ts';
import type {
  ChainPoint,
  GroupMembers,
  RegisterAnswer,
  RegisterRequest,
  ResyncVerdict,
} from '#model/replication.ts';
import { decideResync } from '#replication/resync.ts';

export interface ResyncJudgeOptions {
  readonly engine: Engine;
  readonly nodeId: string;
  readonly identity: () => { readonly logId: string; readonly term: number };
  readonly group: () => GroupMembers;
}

export class ResyncJudge {
  readonly #options: ResyncJudgeOptions;

  constructor(options: ResyncJudgeOptions) {
    this.#options = options;
  }

  /** Throws `unavailable` where the last record of the node is here and not durable yet. */
  async verdictFor(request: RegisterRequest): Promise<ResyncVerdict> {
    const { engine, identity } = this.#options;
    const { logId } = identity();
    const { tail } = request;
    if (request.logId === logId && tail.lsn > engine.durableLsn && tail.lsn <= engine.log.tail.lsn) {
      // After an unclean start on a full disk the end of this log is not yet known to be durable, and without
      // other replicas nothing else may request the sync that makes it so.
      engine.log.requestSync();
      throw new WalnutError('unavailable', `record ${tail.lsn} is not durable here yet: try again`);
    }
    return decideResync(
      {
        logId,
        epochs: engine.epochs.starts(),
        durable: await this.#latest(),
        earliestLsn: engine.feed.earliestLsn,
        atReplicaTail: await engine.feed.pointAt(request.tail.lsn),
        damagedLsn: engine.feed.damagedLsn,
      },
      request,
    );
  }

  /** `address`: that of the node as it is known here; empty for an observer. */
  async answer(verdict: ResyncVerdict, address: string): Promise<RegisterAnswer> {
    const { engine, nodeId, identity, group } = this.#options;
    return {
      masterNodeId: nodeId,
      ...identity(),
      epochs: engine.epochs.starts(),
      latest: await this.#latest(),
      logClockMs: engine.logClock.nowMs(),
      verdict,
      address,
      group: group(),
      formatLevel: FORMAT_LEVEL,
    };
  }

  async #latest(): Promise<ChainPoint> {
    const { engine } = this.#options;
    const { epoch, lsn } = engine.durablePosition;
    return (await engine.feed.pointAt(lsn)) ?? { epoch, lsn, crc: 0 };
  }
}
