/**
 * Calls to the coordinators of a cluster: whichever of those that the user named answers,
 * and the active one for what only that one answers.
 */
import type { Endpoint } from '#dial/endpoint.ts';
import { CallError } from '../call/call-error.ts';
import { type CallOptions, callWithin, type Interruptible } from '../call/connection.ts';
import { type CoordinatorClient, createCoordinatorClient } from '../call/coordinator-client.ts';
import { CliError, describeFailure, EXIT, leaderHintOf } from '../cli-error.ts';
import { parseToldAddress, toArgument } from '../command-host.ts';

/** For reads: every coordinator has what it answers in memory, so one that is silent for longer is stuck. */
const READ_MS_MAX = 2_000;
/** How often a call follows the address of the active coordinator. */
const HOPS_MAX = 3;

export function readCall(io: Interruptible): CallOptions {
  return callWithin(READ_MS_MAX, io);
}

export type CoordinatorCall<T> = (client: CoordinatorClient) => Promise<T>;

/** Polls ask one address again and again: each has one client, and so keeps its connection. */
const clients = new WeakMap<Endpoint, CoordinatorClient>();

/** Answers of these codes are about the coordinator that was asked, so another one is worth a call. */
const ELSEWHERE: readonly string[] = ['lost', 'unavailable', 'deadline_exceeded'];

/** What came of a call, and which coordinator was asked. */
type Outcome<T> = { readonly at: Endpoint } & ({ readonly answer: T } | { readonly error: CallError });
type Failed = Extract<Outcome<never>, { error: CallError }>;

/** The answer of the first coordinator that gives one, wherever the others send the call. */
export async function callCoordinators<T>(named: readonly Endpoint[], call: CoordinatorCall<T>): Promise<T> {
  const failures: Failed[] = [];
  for (const endpoint of named) {
    const outcome = await callActive(endpoint, named, call);
    if ('answer' in outcome) return outcome.answer;
    failures.push(outcome);
    if (!ELSEWHERE.includes(outcome.error.code)) throw refusal(outcome);
  }
  throw noAnswer(failures, named);
}

/** Calls the coordinator, and the one that it names in place of an answer. */
async function callActive<T>(
  first: Endpoint,
  named: readonly Endpoint[],
  call: CoordinatorCall<T>,
): Promise<Outcome<T>> {
  let endpoint = first;
  for (let hops = 0; ; hops++) {
    const outcome = await callOne(endpoint, call);
    if ('answer' in outcome) return outcome;
    if (hops > 0 && outcome.error.code === 'lost') return { at: first, error: goneActive(outcome.error) };
    const hint = leaderHintOf(outcome.error);
    if (hint === undefined || hint === endpoint.text || hops === HOPS_MAX) return outcome;
    endpoint = endpointAt(hint, endpoint, named);
  }
}

/** The one that was named instead of an answer is gone, and nobody else acts before its key is over. */
function goneActive({ message, cause }: CallError): CallError {
  const why = `the active coordinator fails to answer: ${message}; another one acts within 7 s of its death`;
  return new CallError('unavailable', why, undefined, cause);
}

/** An address that the user named, too, may be sent the token in clear text; one that only a coordinator told may not. */
function endpointAt(told: string, by: Endpoint, named: readonly Endpoint[]): Endpoint {
  return named.find(({ text }) => text === told) ?? parseToldAddress(told, by);
}

async function callOne<T>(at: Endpoint, call: CoordinatorCall<T>): Promise<Outcome<T>> {
  try {
    return { at, answer: await call(clientOf(at)) };
  } catch (error) {
    if (!(error instanceof CallError)) throw error;
    return { at, error };
  }
}

function clientOf(endpoint: Endpoint): CoordinatorClient {
  const client = clients.get(endpoint) ?? createCoordinatorClient(endpoint);
  clients.set(endpoint, client);
  return client;
}

export interface ClusterFirst {
  readonly endpoints: readonly Endpoint[];
  /** Those that act, and have no cluster in their metadata store. */
  readonly strays: readonly Endpoint[];
}

/**
 * The coordinators that the user named, one of which the store has the cluster first: another may act on a store of
 * its own. Where several are named they are asked one after the other until one has it.
 */
export async function withClusterFirst(named: readonly Endpoint[], call: CallOptions): Promise<ClusterFirst> {
  const strays: Endpoint[] = [];
  for (const endpoint of named.length > 1 ? named : []) {
    const outcome = await callOne(endpoint, (client) => client.getCluster({}, call));
    if ('error' in outcome) continue;
    const { clusterId, isActive } = outcome.answer;
    if (clusterId !== '')
      return { endpoints: [endpoint, ...named.filter((other) => other !== endpoint)], strays };
    if (isActive) strays.push(endpoint);
  }
  return { endpoints: named, strays: [] };
}

interface Answering {
  readonly isActive: boolean;
  readonly activeCoordinator: string;
}

export interface Reading<T> {
  readonly answer: T;
  /** Why it is not the active coordinator's answer, which alone hears the nodes; empty if it is. */
  readonly note: string;
}

/**
 * The answer of the active coordinator where it can be reached, else that of another one,
 * which knows no ages and no alarms. Each coordinator is asked once.
 */
export async function readFromActive<T extends Answering>(
  named: readonly Endpoint[],
  read: CoordinatorCall<T>,
): Promise<Reading<T>> {
  const failures: Failed[] = [];
  const asked = new Set<string>();
  const toAsk = [...named];
  let passive: { readonly at: Endpoint; readonly answer: T } | undefined;
  for (let at = toAsk.shift(); at !== undefined; at = toAsk.shift()) {
    if (asked.has(at.text) || asked.size > named.length + HOPS_MAX) continue;
    asked.add(at.text);
    const outcome = await callOne(at, read);
    if ('error' in outcome) {
      if (passive === undefined && !ELSEWHERE.includes(outcome.error.code)) throw refusal(outcome);
      failures.push(outcome);
      continue;
    }
    const { isActive, activeCoordinator } = outcome.answer;
    if (isActive) return { answer: outcome.answer, note: '' };
    passive ??= outcome;
    if (activeCoordinator !== '') toAsk.unshift(endpointAt(activeCoordinator, at, named));
  }
  if (passive === undefined) throw noAnswer(failures, named);
  return { answer: passive.answer, note: noteOf(passive, failures) };
}

function noteOf(
  { at, answer }: { readonly at: Endpoint; readonly answer: Answering },
  failures: readonly Failed[],
): string {
  const { activeCoordinator } = answer;
  const shown = `this is what ${at.text} knows, which hears no node`;
  if (activeCoordinator === '') return `no active coordinator is known: ${shown}`;
  const failed = failures.find(({ at: { text } }) => text === activeCoordinator);
  if (failed === undefined) return `${activeCoordinator} is not active any more: ${shown}`;
  return `the active coordinator failed to answer: ${failed.error.message}; ${shown}`;
}

/** A coordinator answered, and it refuses. */
function refusal({ at, error }: Failed): CliError {
  const address = toArgument(at);
  const { exitCode, message, advice } = describeFailure(error, address);
  return new CliError(exitCode, message, adviceOn(error) ?? advice, error);
}

function adviceOn({ code, leaderHint }: CallError): string | undefined {
  if (code === 'unavailable')
    return 'See why with: walnut cluster status, and which nodes are heard with: walnut cluster nodes';
  const isAboutIt = leaderHint !== undefined || ELSEWHERE.includes(code);
  return isAboutIt ? 'See which coordinator is active with: walnut cluster status' : undefined;
}

/** None gave an answer: what one of them said tells more than that another one was not reached. */
function noAnswer(failures: readonly Failed[], named: readonly Endpoint[]): CliError {
  const said = failures.find(({ error }) => error.code !== 'lost');
  if (said !== undefined) return refusal(said);
  const error = failures.at(-1)?.error;
  const which = named.map(({ text }) => text).join(', ');
  return new CliError(
    EXIT.server,
    `no coordinator answered at ${which}: ${error?.message ?? 'no address'}`,
    'Start one with: npm run coordinator -- --config configs/coordinator.yaml\n' +
      'Or a whole cluster on this machine: npm run cluster:ha\n' +
      'Or name others: --coordinators HOST:PORT,HOST:PORT (or WALNUT_COORDINATORS).',
    error,
  );
}
