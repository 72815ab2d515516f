/**
 * Calls to the coordinators of a cluster: whichever of those that the user named answers,
 * and the active one for what only that one answers.
 */
import type { Endpoint } from '#dial/endpoint.ts';
import { CallError } from '../call/call-error.ts';
import { type CoordinatorClient, createCoordinatorClient } from '../call/connection.ts';
import { CliError, EXIT, leaderHintOf } from '../cli-error.ts';
import { parseToldAddress } from '../command-host.ts';

/** How often a call follows the address of the active coordinator. */
const HOPS_MAX = 3;

export type CoordinatorCall<T> = (client: CoordinatorClient, at: Endpoint) => Promise<T>;

/** Answers of these codes are about the coordinator that was asked, so another one is worth a call. */
const ELSEWHERE: readonly string[] = ['lost', 'unavailable', 'deadline_exceeded'];

/** The answer of the first coordinator that gives one, wherever the others send the call. */
export async function callCoordinators<T>(named: readonly Endpoint[], call: CoordinatorCall<T>): Promise<T> {
  let failure: unknown;
  for (const endpoint of named) {
    try {
      return await callActive(endpoint, call);
    } catch (error) {
      if (!(error instanceof CallError) || !ELSEWHERE.includes(error.code)) throw error;
      failure = error;
    }
  }
  throw describe(failure, named);
}

/** Calls the coordinator, and the one that it names in place of an answer. */
async function callActive<T>(first: Endpoint, call: CoordinatorCall<T>): Promise<T> {
  let endpoint = first;
  for (let hops = 0; ; hops++) {
    try {
      return await call(createCoordinatorClient(endpoint), endpoint);
    } catch (error) {
      const hint = leaderHintOf(error);
      if (hint === undefined || hint === endpoint.text || hops === HOPS_MAX) throw error;
      endpoint = parseToldAddress(hint, endpoint);
    }
  }
}

interface Answering {
  readonly isActive: boolean;
  readonly activeCoordinator: string;
}

/**
 * The answer of the active coordinator where it can be reached, else that of another one,
 * which knows no ages and no alarms.
 */
export function readFromActive<T extends Answering>(
  named: readonly Endpoint[],
  read: (client: CoordinatorClient) => Promise<T>,
): Promise<T> {
  return callCoordinators(named, async (client, at) => {
    const answer = await read(client);
    if (answer.isActive || answer.activeCoordinator === '') return answer;
    const active = parseToldAddress(answer.activeCoordinator, at);
    return read(createCoordinatorClient(active)).catch(() => answer);
  });
}

function describe(failure: unknown, named: readonly Endpoint[]): CliError {
  const which = named.map(({ text }) => text).join(', ');
  const why = failure instanceof Error ? failure.message : 'no address';
  return new CliError(
    EXIT.server,
    `no coordinator answered at ${which}: ${why}`,
    'Start one with: npm run coordinator -- --config configs/coordinator.yaml\n' +
      'Or a whole cluster on this machine: npm run cluster:ha\n' +
      'Or name others: --coordinators HOST:PORT,HOST:PORT (or WALNUT_COORDINATORS).',
    failure,
  );
}
