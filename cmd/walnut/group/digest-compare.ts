/**
 * Compares the digests of several nodes at one exact position while they run. Each node is
 * asked for its digest at the furthest position that any of them has applied, and answers
 * when it has reached it. If that does not succeed in time (a node is stuck, or the nodes
 * are too far apart), a new position is tried until the time limit.
 */

import { setTimeout as delay } from 'node:timers/promises';
import type { Endpoint } from '#dial/endpoint.ts';
import type { StatusResponse } from '#gen/walnut/v1/admin_pb.ts';
import { type Position, Role } from '#gen/walnut/v1/types_pb.ts';
import { CallError, InterruptedCallError } from '../call/call-error.ts';
import { createNodeClients, type NodeClients, shortCall, waitingCall } from '../call/connection.ts';
import { CliError, describeFailure, EXIT } from '../cli-error.ts';
import { toArgument } from '../command-host.ts';
import { enumName, showPosition } from '../output/output.ts';

/** How long the nodes may take to reach one position before another is tried. */
const ROUND_MS = 2_000;
const PAUSE_MS = 100;

/** Compared with the first node, which is the master if there is one. */
export type NodeVerdict =
  | 'same'
  | 'different'
  | 'other history'
  | 'not reached'
  | 'too far ahead'
  | 'no answer';

export interface NodeDigest {
  readonly address: string;
  readonly role: string;
  /** The position of the digest, or else the position that the node had applied. */
  readonly position: string;
  readonly entries: number | undefined;
  readonly digest: string | undefined;
  readonly verdict: NodeVerdict;
}

export type GroupVerdict = 'same' | 'different' | 'not compared';

export interface Comparison {
  readonly verdict: GroupVerdict;
  /** The position at which the nodes were compared. */
  readonly position: string;
  readonly nodes: readonly NodeDigest[];
}

interface Member {
  readonly address: Endpoint;
  readonly clients: NodeClients;
}

interface Answer {
  readonly member: Member;
  readonly status: StatusResponse | undefined;
  readonly outcome: NodeVerdict;
  readonly entries?: number;
  readonly digest?: string;
}

export async function compareNodes(
  addresses: readonly Endpoint[],
  waitMs: number,
  interrupted: AbortSignal,
): Promise<Comparison> {
  const members = addresses.map((address) => ({ address, clients: createNodeClients(address) }));
  const deadlineMs = Date.now() + waitMs;
  for (;;) {
    const comparison = await compareOnce(members, Math.max(0, deadlineMs - Date.now()), interrupted);
    const isFinal =
      comparison.verdict !== 'not compared' ||
      comparison.nodes.some(({ verdict }) => verdict === 'no answer');
    if (isFinal || Date.now() >= deadlineMs) return comparison;
    await delay(PAUSE_MS, undefined, { signal: interrupted }).catch(() => {});
  }
}

/** Names the nodes of `comparison` that differ from the first; undefined if none does. */
export function failureOf({ verdict, position, nodes }: Comparison): CliError | undefined {
  if (verdict === 'same') return undefined;
  const named = (what: readonly NodeVerdict[]): string =>
    nodes
      .filter((node) => what.includes(node.verdict))
      .map((node) => `${node.address} (${node.verdict})`)
      .join(', ');
  const silent = named(['no answer']);
  if (silent !== '') return new CliError(EXIT.server, `not compared: ${silent}`, 'Is it running?');
  if (verdict === 'different') {
    return new CliError(
      EXIT.negative,
      `at ${position} the state differs from that of ${nodes[0]?.address}: ${named(['different', 'other history'])}`,
      'What to do: docs/operations.md, "A state that differs"',
    );
  }
  return new CliError(
    EXIT.negative,
    `the nodes did not meet at one position in time: ${named(['not reached', 'too far ahead'])}`,
    'See what they do with: walnut status; or give more time: --wait 60s',
  );
}

async function compareOnce(
  members: readonly Member[],
  leftMs: number,
  interrupted: AbortSignal,
): Promise<Comparison> {
  const statuses = await Promise.all(members.map(({ clients }) => askStatus(clients, interrupted)));
  const target = furthest(statuses);
  const waitMs = Math.min(leftMs, ROUND_MS);
  const answers = await Promise.all(
    members.map((member, i) => askDigest(member, statuses[i], target, { waitMs, interrupted })),
  );
  return judge(answers, target);
}

function judge(answers: readonly Answer[], target: Position | undefined): Comparison {
  // The other nodes are compared with the master.
  const sorted = [...answers].sort((a, b) => rankOf(a) - rankOf(b));
  const reference = sorted.find(({ digest }) => digest !== undefined);
  const nodes = sorted.map(({ member, status, outcome, entries, digest }): NodeDigest => {
    const isOther = outcome === 'same' && (digest !== reference?.digest || entries !== reference?.entries);
    return {
      address: member.address.text,
      role: status === undefined ? '-' : enumName(Role, status.role),
      position: showPosition(digest === undefined ? status?.position : target),
      entries,
      digest,
      verdict: isOther ? 'different' : outcome,
    };
  });
  const has = (...verdicts: NodeVerdict[]): boolean =>
    nodes.some(({ verdict }) => verdicts.includes(verdict));
  // A difference at one position is final, whatever the other nodes answer.
  const verdict = has('different', 'other history')
    ? 'different'
    : has('not reached', 'too far ahead', 'no answer')
      ? 'not compared'
      : 'same';
  return { verdict, position: showPosition(target), nodes };
}

function rankOf({ status }: Answer): number {
  return status?.role === Role.MASTER ? 0 : 1;
}

function furthest(statuses: readonly (StatusResponse | undefined)[]): Position | undefined {
  const positions = statuses.flatMap((status) => (status?.position === undefined ? [] : [status.position]));
  return positions.reduce<Position | undefined>(
    (best, one) => (best === undefined || one.lsn > best.lsn ? one : best),
    undefined,
  );
}

async function askStatus(
  { admin }: NodeClients,
  interrupted: AbortSignal,
): Promise<StatusResponse | undefined> {
  return admin.status({}, shortCall({ interrupted })).catch((error: unknown) => {
    if (error instanceof InterruptedCallError) throw error;
    return undefined;
  });
}

async function askDigest(
  member: Member,
  status: StatusResponse | undefined,
  target: Position | undefined,
  { waitMs, interrupted }: { readonly waitMs: number; readonly interrupted: AbortSignal },
): Promise<Answer> {
  if (status === undefined) return { member, status, outcome: 'no answer' };
  try {
    const at = target === undefined ? {} : { at: target };
    const { entries, digest } = await member.clients.admin.digest(
      { ...at, waitMs },
      waitingCall({ interrupted }),
    );
    return { member, status, outcome: 'same', entries: Number(entries), digest };
  } catch (error) {
    if (error instanceof InterruptedCallError) throw error;
    return { member, status, outcome: outcomeOf(error, member.address) };
  }
}

function outcomeOf(error: unknown, address: Endpoint): NodeVerdict {
  const code = error instanceof CallError ? error.code : undefined;
  switch (code) {
    case 'data_loss':
      return 'other history';
    case 'out_of_range':
      return 'too far ahead';
    case 'unavailable':
      return 'not reached';
    case 'lost':
      return 'no answer';
    default:
      throw describeFailure(error, toArgument(address));
  }
}
