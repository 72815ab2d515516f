/** What the parts of a follower share: its options, its state and the objects that more than one part uses. */
import type { EngineHost } from '#engine/engine-host.ts';
import type { DivergedWhy } from '#model/diverged.ts';
import type { Clock } from '#platform/clock.ts';
import type { Logger } from '#platform/logger.ts';
import type { Random } from '#platform/random.ts';
import type { PeerDialer } from '#replication/peer-link.ts';
import type { DigestCheck } from '#slave/digest-check.ts';
import type { FullResync } from '#slave/full-resync.ts';
import type { LinkState } from '#slave/link-state.ts';
import type { Receiver } from '#slave/receiver.ts';
import type { RejoinSignal } from '#slave/rejoin-signal.ts';
import type { ReplicaState } from '#slave/replica-state.ts';
import type { Upstream } from '#slave/upstream.ts';

export interface FollowerOptions {
  readonly host: EngineHost;
  readonly dialer: PeerDialer;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** The address that the master pushes to, as `RegisterRequest.advertise` gives it; empty on an observer. */
  readonly advertise: string;
  /** Set where this replica asks for pushes: it is an observer. */
  readonly observer?: { readonly takeHotKeys: () => string[] } | undefined;
  /** After this long without a push the replica registers and pulls: `master.sync_interval`. */
  readonly syncIntervalMs: number;
  /** Called after the engine was replaced or its state changed. */
  readonly onChange: () => void;
}

export interface FollowerParts {
  readonly options: FollowerOptions;
  /** Random: this start of the replica. */
  readonly incarnation: string;
  readonly state: ReplicaState;
  readonly rejoin: RejoinSignal;
  readonly upstream: Upstream;
  readonly linkState: LinkState;
  readonly receiver: Receiver;
  readonly resync: FullResync;
  readonly check: DigestCheck;
  /** Aborted when the replica stops. */
  readonly signal: AbortSignal;
}

/** Notes that everything the master had made durable at `atMs` (monotonic) is here. */
export function noteLevel({ resync, linkState }: FollowerParts, atMs: number): void {
  resync.succeeded();
  linkState.level(atMs);
}

/** `reason` with the time and the master, as MANIFEST stores it with records that are set aside. */
export function divergedBecause({ options, upstream }: FollowerParts, reason: string): DivergedWhy {
  return { reason, sinceMs: options.clock.wallMs(), upstream: upstream.address };
}
