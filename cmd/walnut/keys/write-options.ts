/**
 * What the commands that write have in common: options and the fields that they
 * become. A replica refuses writes and names its master: the write is then made
 * there, once, with a notice on stderr, unless --no-follow asks for the refusal.
 */
import { type Command, Option } from 'commander';
import { Durability } from '#gen/walnut/v1/types_pb.ts';
import { REPLICAS_MAX } from '#model/limits.ts';
import {
  parseCount,
  parseRequestId,
  parseWaitMs,
  parseWirePosition,
  type WirePosition,
} from '../arguments.ts';
import { createNodeClients, type NodeClients } from '../call/connection.ts';
import { CliError, describeFailure, EXIT, type ExitCode, leaderHintOf, ownerHintOf } from '../cli-error.ts';
import { type Invocation, parseToldAddress, toArgument } from '../command-host.ts';
import { showPosition } from '../output/output.ts';

const TIMEOUT_MS_MAX = 60_000;

/** The levels of durability, by the words of `--durability`. */
export const LEVELS = {
  accepted: Durability.ACCEPTED,
  local: Durability.LOCAL,
  quorum: Durability.QUORUM,
} as const;

/** What a write waits for, and where it may go. */
export interface ReceiptOptions {
  readonly durability?: keyof typeof LEVELS;
  readonly minAcks?: number;
  readonly timeout?: number;
  readonly follow?: boolean;
}

export interface WriteOptions extends ReceiptOptions {
  readonly requestId?: string;
  readonly ifVersion?: WirePosition;
}

export function addReceiptOptions(command: Command): Command {
  return command
    .addOption(
      new Option('--durability <level>', 'answer only when the write is this durable').choices(
        Object.keys(LEVELS),
      ),
    )
    .option(
      '--min-acks <n>',
      'answer only when this many replicas have the write on disk',
      parseCount(0, REPLICAS_MAX),
    )
    .option(
      '--timeout <duration>',
      'how long to wait for these two (default: 5s, at most 60s)',
      parseWaitMs(TIMEOUT_MS_MAX),
    )
    .option('--no-follow', 'do not call the master if a replica refuses');
}

export function addWriteOptions(command: Command): Command {
  command.option('--if-version <position>', 'only if the key has exactly this version', parseWirePosition);
  return addReceiptOptions(command).option(
    '--request-id <id>',
    'name the write: if repeated within ten minutes, it is carried out once',
    parseRequestId,
  );
}

export function receiptFields(options: ReceiptOptions) {
  return {
    durability: options.durability === undefined ? Durability.UNSPECIFIED : LEVELS[options.durability],
    minAcks: options.minAcks ?? 0,
    timeoutMs: options.timeout ?? 0,
  };
}

export function writeFields(options: WriteOptions) {
  return { ...receiptFields(options), requestId: options.requestId ?? '' };
}

/** `follow`: whether a replica is left for its master. `followOwner`: the same of a node that does not own the key. */
export interface FollowOptions {
  readonly follow?: boolean;
  /** By default as `follow`. */
  readonly followOwner?: boolean;
}

/**
 * A replica names its master, and a master that does not own the key the one that does. Each
 * kind of hint is followed once: two nodes that point at each other must not keep us busy.
 */
export async function callFollowing<T>(
  invocation: Invocation,
  { follow = true, followOwner = follow }: FollowOptions,
  call: (clients: NodeClients, spentMs: number) => Promise<T>,
  does = 'writing to',
): Promise<T> {
  const startedMs = performance.now();
  const { address, io } = invocation;
  const mayFollow = { leader: follow, owner: followOwner };
  for (let at = address; ; ) {
    try {
      return await call(createNodeClients(at), performance.now() - startedMs);
    } catch (error) {
      const owner = ownerHintOf(error);
      const kind = owner === undefined ? 'leader' : 'owner';
      const hint = owner ?? leaderHintOf(error);
      if (hint === undefined || !mayFollow[kind])
        throw at === address ? error : describeFailure(error, toArgument(at));
      mayFollow[kind] = false;
      const next = parseToldAddress(hint, address);
      const why =
        kind === 'leader' ? `is a replica; ${does} its master` : `does not own the key; ${does} its owner`;
      io.note(`${at.text} ${why} at ${next.text}\n`);
      at = next;
    }
  }
}

/** What is left of a wait after what another node took of it. 0, a node's default, stays. */
export function waitLeft(waitMs: number, spentMs: number): number {
  return waitMs === 0 ? 0 : Math.max(1, Math.ceil(waitMs - spentMs));
}

/** A node also answers before the time is over: its role as master ended, and nobody acks anything to it any more. */
const BEFORE_THE_END = 'before the time was over or the master handed over';

/** What was asked for and had not been reached when the node answered. */
export function missedGuarantee(
  response: { readonly durabilityReached: Durability; readonly replicasAcked: number },
  options: Pick<ReceiptOptions, 'durability' | 'minAcks'>,
): string | undefined {
  if (options.durability === 'quorum' && response.durabilityReached < Durability.QUORUM)
    return `not known to be on the disks of a majority of its group ${BEFORE_THE_END}`;
  if (options.durability === 'local' && response.durabilityReached < Durability.LOCAL)
    return 'not known to be on the disk of the node in time';
  const wanted = options.minAcks ?? 0;
  if (response.replicasAcked >= wanted) return undefined;
  return `only ${response.replicasAcked} of ${wanted} replicas had it on disk ${BEFORE_THE_END}`;
}

/** The exit code of a write that was made; throws where it is not as safe as asked. */
export function checkGuarantee(
  response: Parameters<typeof missedGuarantee>[0] & {
    readonly position?: Parameters<typeof showPosition>[0];
  },
  options: ReceiptOptions,
): ExitCode {
  const missed = missedGuarantee(response, options);
  if (missed === undefined) return EXIT.ok;
  throw new CliError(
    EXIT.negative,
    `written at ${showPosition(response.position)}, but ${missed}`,
    'The write stands; see the replicas with: walnut status',
  );
}
