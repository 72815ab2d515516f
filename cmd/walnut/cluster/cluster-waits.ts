/**
 * Waits of `walnut cluster init`, `failover` and `recover` for what they began. Each ends after the
 * time that the user gave, or when it is interrupted, and says then what is known of the change.
 */
import type { Endpoint } from '#dial/endpoint.ts';
import { tlsFailure } from '#dial/why-lost.ts';
import { createNodeClock } from '#platform/node-clock.ts';
import { type CallError, InterruptedCallError } from '../call/call-error.ts';
import { callErrorOf } from '../call/persist.ts';
import { CliError, describeFailure, EXIT, type ExitCode } from '../cli-error.ts';
import type { Invocation } from '../command-host.ts';
import { readMap } from './cluster-reads.ts';
import { type CoordinatorCall, callCoordinators, readCall, readFromActive } from './coordinators.ts';

/** How often a coordinator is asked, milliseconds. */
const POLL_MS = 100;
/** How long a wait says nothing, milliseconds. */
const SILENT_MS = 2_000;

interface Wait {
  readonly io: Invocation['io'];
  readonly endpoints: readonly Endpoint[];
  readonly timeoutMs: number;
}

/** What a look found: the end of the wait, or what is missing yet. */
type Look<T> = { readonly done: T } | { readonly missing: string };

/** Why a wait ended before what it waited for came: what begins its message, and what tells the time in it. */
interface Ending {
  readonly exitCode: ExitCode;
  readonly before: '' | 'interrupted: ';
  readonly after: string;
}

const INTERRUPTED: Ending = { exitCode: EXIT.interrupted, before: 'interrupted: ', after: '' };

/** Looks until it is done. `failure` tells what was missing last; undefined where no look has ended. */
async function until<T>(
  { io, timeoutMs }: Wait,
  look: () => Promise<Look<T>>,
  failure: (missing: string | undefined, ending: Ending) => CliError,
): Promise<T> {
  const clock = createNodeClock();
  const startMs = clock.monotonicMs();
  let missing: string | undefined;
  for (let told: string | undefined; ; ) {
    const found = await look().catch((error: unknown) => {
      throw error instanceof InterruptedCallError ? failure(missing, INTERRUPTED) : error;
    });
    if ('done' in found) return found.done;
    missing = found.missing;
    const waitedMs = clock.monotonicMs() - startMs;
    if (waitedMs >= timeoutMs)
      throw failure(missing, { exitCode: EXIT.server, before: '', after: ` after ${timeoutMs} ms` });
    if (waitedMs >= SILENT_MS && missing !== told) io.note(`waiting: ${missing}\n`);
    if (waitedMs >= SILENT_MS) told = missing;
    await clock.sleep(POLL_MS, io.interrupted);
    if (io.interrupted.aborted) throw failure(missing, INTERRUPTED);
  }
}

/**
 * The answer to a change. It is safe to repeat, so it is asked for again while no coordinator answers,
 * as before they listen, or one says UNAVAILABLE, as all do until one is active and hears the nodes
 * that are named. Rejects with the last refusal.
 */
export async function untilTaken<T>(wait: Wait, change: CoordinatorCall<T>): Promise<T> {
  let refusal: CliError | undefined;
  const look = async (): Promise<Look<T>> => {
    try {
      return { done: await callCoordinators(wait.endpoints, change) };
    } catch (error) {
      // What is known of the change itself is better told by its own call.
      if (error instanceof InterruptedCallError) throw describeFailure(error, '');
      if (!(error instanceof CliError) || !mayPass(callErrorOf(error))) throw error;
      refusal = error;
      return { missing: error.message };
    }
  };
  return until(wait, look, (_, { exitCode, before }) => {
    const { message, advice, cause } = refusal as CliError;
    return new CliError(exitCode, `${before}${message}`, advice, cause);
  });
}

/** Time alone mends no failure of TLS: the certificates or the options are wrong. */
function mayPass(error: CallError | undefined): boolean {
  return error?.code === 'unavailable' || (error?.code === 'lost' && tlsFailure(error.cause) === undefined);
}

/** Resolves with the term that the node leads. `epoch`: of the map that has the plan; an older map shows nothing of it. */
export function untilLed(wait: Wait, group: string, to: string, epoch: number): Promise<number> {
  return until(
    wait,
    async () => {
      const map = await readMap(wait.endpoints, wait.io);
      const recorded = map.groups.get(group);
      if (map.epoch < epoch || recorded?.leader === undefined || recorded.next !== undefined)
        return { missing: `${to} does not lead ${group} yet` };
      if (recorded.leader.node === to) return { done: recorded.term };
      // The plan came to nothing: a failover decides who leads.
      throw new CliError(
        EXIT.server,
        `${group} is led by ${recorded.leader.node}: ${to} did not take over`,
        'See why with: walnut cluster status, walnut cluster nodes',
      );
    },
    (_, { exitCode, before, after }) =>
      new CliError(
        exitCode,
        `${before}${to} does not lead ${group}${after || ' yet'}; the plan stands`,
        'See how far it is with: walnut cluster status',
      ),
  );
}

/** Resolves once every group of the cluster has a leader that takes writes. */
export function untilWriting(wait: Wait, epoch: number): Promise<true> {
  const call = readCall(wait.io);
  return until<true>(
    wait,
    async () => {
      const { answer, note } = await readFromActive(wait.endpoints, (client) => client.getCluster({}, call));
      if (note !== '') return { missing: note };
      const idle = answer.groups.filter(({ takesWrites }) => !takesWrites).map(({ group }) => group?.id);
      const isNew = Number(answer.epoch) >= epoch;
      return isNew && idle.length === 0
        ? { done: true }
        : { missing: `${idle.join(', ') || 'the cluster'} does not take writes yet` };
    },
    (missing = 'it is not known whether the groups take writes', { exitCode, before, after }) =>
      new CliError(
        exitCode,
        `${before}the map is written, but${after === '' ? '' : `${after}:`} ${missing}`,
        'See why with: walnut cluster status, walnut cluster nodes',
      ),
  );
}
