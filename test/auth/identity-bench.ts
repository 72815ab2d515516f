/**
 * `node bin/launch.cjs test/auth/identity-bench.ts`: what authentication adds to a Get, in
 * nanoseconds of processor time, in this process and without sockets. Admission is asked for
 * one call after the other on 64 connections: without users, with a token, with a token of a
 * user that has one prefix, and with a client certificate. Rounds are taken in turn and their
 * medians compared.
 */
import { Identities } from '#auth/identities.ts';
import { hashOfToken, newToken } from '#auth/secret-hash.ts';
import { isUserList, parseUserList } from '#auth/user-list.ts';
import type { Peer } from '#model/access.ts';
import { operationOf } from '#model/methods.ts';
import { createNodeClock } from '#platform/node-clock.ts';
import { createNodeRandom } from '#platform/random.ts';
import { createAdmission } from '#rpc/admission.ts';
import { createHostPolicy } from '#rpc/host-policy.ts';
import { anonymousCall } from '#rpc/rpc-call.ts';

const CALLS = 1_000_000;
const ROUNDS = 9;
const CONNECTIONS = 64;
const GET = operationOf('/walnut.v1.KVStore/Get');
const CERTIFICATE_NAMES = ['dns:app.example'];

const random = createNodeRandom();
const [token, narrowToken] = [newToken(random), newToken(random)];
const users = parseUserList({
  roles: [{ name: 'narrow', grants: [{ access: ['read'], prefixes: ['own:'] }] }],
  users: [
    { name: 'app', roles: ['reader'], tokens: [hashOfToken(token)], certificates: CERTIFICATE_NAMES },
    { name: 'narrow', roles: ['narrow'], tokens: [hashOfToken(narrowToken)] },
  ],
});
if (!isUserList(users)) throw new Error(users.join('\n'));
const identities = new Identities({
  clock: createNodeClock(),
  mode: 'required',
  users,
  random,
  onAnonymous: () => {},
  onFailure: () => {},
});

/** Processor time of a call, in nanoseconds. */
function measure(authorization: string | undefined, peer: Peer, isKnown: boolean): number {
  const admission = createAdmission({
    hosts: createHostPolicy({ isLoopback: true, names: [], origins: new Set() }),
    isProtected: false,
    identities: isKnown ? identities : undefined,
    isDraining: () => false,
    leaderHint: () => undefined,
  });
  const host = '127.0.0.1:8080';
  const headers = authorization === undefined ? { host } : { host, authorization };
  const connections = Array.from({ length: CONNECTIONS }, () => ({}));
  const before = process.cpuUsage();
  for (let i = 0; i < CALLS; i++) {
    const connection = connections[i % CONNECTIONS] as object;
    const refusal = admission.refusal(GET, anonymousCall(peer), headers, '/', connection, 'POST');
    if (refusal !== undefined) throw new Error('the call was refused: expected it to be admitted');
  }
  const { user, system } = process.cpuUsage(before);
  return ((user + system) * 1_000) / CALLS;
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] as number;
}

const plain: Peer = { remoteAddress: '127.0.0.1', certificateNames: undefined };
const certified: Peer = { ...plain, certificateNames: CERTIFICATE_NAMES };
const KINDS: Readonly<Record<string, () => number>> = {
  'without users': () => measure(undefined, plain, false),
  'a token': () => measure(`Bearer ${token}`, plain, true),
  'a token with one prefix': () => measure(`Bearer ${narrowToken}`, plain, true),
  'a client certificate': () => measure(undefined, certified, true),
};
const figures = new Map<string, number[]>();
for (let round = 0; round < ROUNDS; round++)
  for (const [name, run] of Object.entries(KINDS)) figures.set(name, [...(figures.get(name) ?? []), run()]);
const base = median(figures.get('without users') ?? []);
for (const [name, rounds] of figures) {
  const own = median(rounds);
  process.stdout.write(
    `${name}: ${own.toFixed(0)} ns of a call in admission, ${(own - base).toFixed(0)} ns of them for who calls\n`,
  );
}
