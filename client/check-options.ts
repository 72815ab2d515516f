/**
 * The options of `connect`, checked before anything is opened: their names, since the caller
 * of one that does not exist would believe that it has an effect, and what no other place
 * checks of their values. Pure. Throws INVALID_ARGUMENT.
 */

import { shown } from '#platform/shown.ts';
import type { ReadPolicy } from '#routing/group-routes.ts';
import { checkMs, checkNames, namesOf, type OptionNames } from './call-options.ts';
import type { ClientTlsOptions, WalnutClientOptions } from './client-options.ts';
import { invalid } from './failures.ts';
import { checkNear, type NearOptions } from './near-cache.ts';
import { Session } from './session.ts';

type Names<T> = Readonly<Record<keyof T, true>>;

const OPTIONS = namesOf({
  address: true,
  addresses: true,
  cluster: true,
  readFrom: true,
  tls: true,
  token: true,
  allowClearText: true,
  transport: true,
  session: true,
  timeoutMs: true,
  attemptMs: true,
  waitMs: true,
  namedWrites: true,
  near: true,
  onRetry: true,
  batchOperationsMax: true,
  batchBytesMax: true,
  queuedOperationsMax: true,
  queuedBytesMax: true,
} satisfies Names<WalnutClientOptions>);
const TLS: OptionNames = new Map(
  Object.keys({ ca: true, cert: true, key: true, serverName: true } satisfies Names<ClientTlsOptions>).map(
    (name) => [name, 'string'],
  ),
);
const NEAR = namesOf({ prefix: true, bytesMax: true, maxStalenessMs: true } satisfies Names<NearOptions>);

/** What options are that are no numbers. */
const TYPES = {
  address: 'string',
  allowClearText: 'boolean',
  namedWrites: 'boolean',
  onRetry: 'function',
} as const;
const POLICIES: readonly ReadPolicy[] = ['master', 'replica', 'nearest'];
/** The least and the most of each time. A timer takes no more, and a node waits no longer. */
const TIMES = { timeoutMs: [1, 2 ** 31 - 1], attemptMs: [1, 2 ** 31 - 1], waitMs: [0, 60_000] } as const;

/** The options of one node, of several, or all options as given. Throws INVALID_ARGUMENT for what is no option. */
export function optionsOf(nodes: string | readonly string[] | WalnutClientOptions): WalnutClientOptions {
  const options =
    typeof nodes === 'string' ? { addresses: [nodes] } : isList(nodes) ? { addresses: nodes } : nodes;
  checkClientOptions(options);
  return options;
}

function isList(nodes: readonly string[] | WalnutClientOptions): nodes is readonly string[] {
  return Array.isArray(nodes);
}

function checkClientOptions(options: WalnutClientOptions): void {
  if (typeof options !== 'object' || options === null)
    throw invalid(`${shown(options)}: expected host:port, a list of them, or options such as { addresses }`);
  checkNames(options, OPTIONS);
  checkPart('tls', options.tls, TLS);
  checkPart('near', options.near, NEAR);
  checkTypes(options);
  if (options.near !== undefined) checkNear(options.near);
  for (const [name, [min, max]] of Object.entries(TIMES)) {
    const value = options[name as keyof typeof TIMES];
    if (value !== undefined) checkMs(name, value, min, max);
  }
}

function checkTypes({
  addresses,
  cluster,
  readFrom,
  session,
  token,
  transport,
  ...others
}: WalnutClientOptions): void {
  for (const [name, type] of Object.entries(TYPES)) {
    const value: unknown = others[name as keyof typeof TYPES];
    if (value !== undefined && typeof value !== type)
      throw invalid(`${name} is ${shown(value)}: expected a ${type}`);
  }
  if (token !== undefined && typeof token !== 'string' && typeof token !== 'function')
    throw invalid(`token is ${shown(token)}: expected a string, or a function that gives one`);
  for (const [name, list] of Object.entries({ addresses, cluster }))
    if (list !== undefined && !isTexts(list))
      throw invalid(`${name} is ${shown(list)}: expected a list of host:port`);
  if (readFrom !== undefined && !POLICIES.includes(readFrom))
    throw invalid(`readFrom is ${shown(readFrom)}: expected ${POLICIES.join(', ')}`);
  checkTransport(transport);
  if (session !== undefined && !(session instanceof Session))
    throw invalid(`session is ${shown(session)}: expected a Session, such as Session.from(text)`);
  if (cluster !== undefined && session?.positions.some(({ group }) => group === '') === true)
    throw invalid(
      'session does not say which groups all of its positions are of: expected one that a client of the cluster, of ' +
        'its gateway or of its nodes has begun, whose text begins with s2 or s3; else leave session out, and begin anew',
    );
}

function checkTransport(transport: unknown): void {
  if (transport === undefined) return;
  const { unary, stream } = (transport ?? {}) as Readonly<Record<string, unknown>>;
  if (typeof unary !== 'function' || typeof stream !== 'function')
    throw invalid(
      `transport is ${shown(transport)}: expected one of Connect, such as createConnectTransport({ … })`,
    );
}

function isTexts(value: unknown): boolean {
  return Array.isArray(value) && value.every((one) => typeof one === 'string');
}

function checkPart(name: string, value: object | undefined, names: Parameters<typeof checkNames>[1]): void {
  if (value === undefined) return;
  if (typeof value !== 'object' || value === null)
    throw invalid(`${name} is ${shown(value)}: expected options such as { ${[...names.keys()].join(', ')} }`);
  checkNames(value, names, `${name}.`);
}
