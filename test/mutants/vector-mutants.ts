/** Bugs by which a session of several groups would read what is older than it saw, or a gateway call in another name. */
import type { Mutant } from './mutant.ts';

const SEEN = 'test/model/seen.test.ts';
const MODEL = 'test/model/group-seen.test.ts';
const SESSIONS = 'test/routing/sessions.test.ts';
const GATEWAY = 'test/server/gateway-headers.test.ts';
const VOUCHED = 'test/server/vouched.test.ts';
const NODE = 'test/server/node-session.test.ts';
const CLIENT = 'test/client/group-sessions.test.ts';

export const VECTOR_MUTANTS: readonly Mutant[] = [
  {
    name: 'vector: a read through a gateway shows nothing of what the session has seen',
    file: 'internal/model/group-seen.ts',
    text: '      return await read(this.newest);',
    replacement: '      return await read(undefined);',
    tests: [MODEL, SESSIONS, GATEWAY, NODE],
  },
  {
    name: 'vector: what a failover left unproven is not asked for',
    file: 'internal/model/group-seen.ts',
    text: 'if (this.#needed.earlier.length > 0) await this.#options.prove(command, this.#needed, signal);',
    replacement: 'void signal;',
    tests: [MODEL, SESSIONS, GATEWAY],
  },
  {
    name: 'vector: Gets of a Batch show nothing of what the session has seen',
    file: 'internal/model/group-seen.ts',
    text: 'withPosition(operation, takesSeen ? (own ?? this.newest) : own)',
    replacement: 'withPosition(operation, takesSeen ? own : undefined)',
    tests: [MODEL, SESSIONS],
  },
  {
    name: 'vector: an answer of a write proves what was seen before',
    file: 'internal/model/seen.ts',
    text: 'one.epoch !== epoch && !isProven(one)',
    replacement: 'false',
    tests: [SEEN, SESSIONS],
  },
  {
    name: 'vector: a group forgets what was seen of the others',
    file: 'internal/model/seen.ts',
    text: 'return [...withoutGroup(seen, group), ...unproven, newest];',
    replacement: 'return [...unproven, newest];',
    tests: [SEEN, SESSIONS, GATEWAY],
  },
  {
    name: 'vector: what is lost is told for ever',
    file: 'internal/server/session-keys.ts',
    text: 'this.#seen = withoutGroup(this.#seen, lostGroup);',
    replacement: 'this.#seen = [...this.#seen];',
    tests: [GATEWAY],
  },
  {
    name: 'vector: a position of a group that there is not is left out',
    file: 'internal/routing/call-positions.ts',
    text: '    for (const { group } of seen) if (group !== undefined) groups.checkNamed(group);\n',
    replacement: '',
    tests: [GATEWAY],
  },
  {
    name: 'vector: a choice of nodes by a call is left out',
    file: 'internal/routing/cluster-keys.ts',
    text: 'readFrom: readFrom ?? this.#options.readFrom',
    replacement: 'readFrom: this.#options.readFrom ?? readFrom',
    tests: [GATEWAY],
  },
  {
    name: 'vector: a Get of a Batch that a replica cannot answer is final',
    file: 'internal/routing/batch-calls.ts',
    text: "    if (kind.target !== 'master') await this.#askMaster(group, kind, part, first);\n",
    replacement: '',
    tests: ['test/routing/cluster-keys.test.ts'],
  },
  {
    name: 'vouched: anybody may name another user',
    file: 'internal/rpc/admission.ts',
    text: '  if (!who.mayVouch)\n',
    replacement: "  if (name === '')\n",
    tests: [VOUCHED, GATEWAY],
  },
  {
    name: 'vouched: the rights of the gateway count for its callers',
    file: 'internal/rpc/admission.ts',
    text: '    call.principal = user;\n',
    replacement: '',
    tests: [VOUCHED],
  },
  {
    name: 'vouched: a gateway does not tell for whom it calls',
    file: 'internal/rpc/admission.ts',
    text: '    call.wish = { user: principal.name };\n',
    replacement: '    call.wish = {};\n',
    tests: [GATEWAY],
  },
  {
    name: 'vouched: a user that was removed goes on behind a gateway',
    file: 'internal/auth/identities.ts',
    text: '    this.#named = named;\n',
    replacement: '    this.#named = new Map([...this.#named, ...named]);\n',
    tests: [VOUCHED],
  },
  {
    name: 'vouched: the short way over bytes forgets what its caller wishes',
    file: 'internal/server/kv-service.ts',
    text: 'return wish === undefined || isOnlyUser(wish);',
    replacement: 'return true;',
    tests: [GATEWAY],
  },
  {
    name: 'vouched: calls passed on as bytes are nobody’s',
    file: 'internal/routing/relay.ts',
    text: '      signal,\n      user,\n',
    replacement: '      signal,\n',
    tests: [GATEWAY],
  },
  {
    name: 'vouched: a call that cannot be passed on is carried out for nobody',
    file: 'internal/wire/relayed-calls.ts',
    text: 'return caller.wish === undefined ?',
    replacement: 'return caller.wish !== null ?',
    tests: [GATEWAY],
  },
  {
    name: 'vouched: a passed Batch that goes to another group is nobody’s there',
    file: 'internal/routing/relay.ts',
    text: 'batches.run(message.commands(), signal, user)',
    replacement: 'batches.run(message.commands(), signal)',
    tests: [GATEWAY],
  },
  {
    name: 'vouched: a call to a node names nobody',
    file: 'internal/peer/node-links.ts',
    text: '{ headers: { [ON_BEHALF_OF_HEADER]: user } }',
    replacement: '{ headers: {} }',
    tests: [VOUCHED],
  },
  {
    name: 'vector: a node takes positions of other groups for its own',
    file: 'internal/model/group-seen.ts',
    text: 'neededOf(seenOf(seen, group).map(',
    replacement: 'neededOf(seen.map(',
    tests: [MODEL, NODE],
  },
  {
    name: 'vector: a session forgets its group for a lost position that its caller named',
    file: 'internal/model/group-seen.ts',
    text: "result.kind !== 'error' || !this.#showsSeen(given[i] as BatchOperation)",
    replacement: "result.kind !== 'error' || given[i] === undefined",
    tests: [MODEL, NODE],
  },
  {
    name: 'vector: what an atomic Batch has lost is told for ever',
    file: 'internal/model/group-seen.ts',
    text: 'return isOfSeen ? this.#asLost(error) : error;',
    replacement: 'return isOfSeen ? error : this.#asLost(error);',
    tests: [MODEL, NODE],
  },
  {
    name: 'vector: the group is not in protobuf',
    file: 'internal/wire/answer-writer.ts',
    text: '  if (group === undefined) return;\n  out.byte(delimited(3));',
    replacement: '  if (group === undefined || lsn > 0) return;\n  out.byte(delimited(3));',
    tests: ['test/wire/grouped-positions.test.ts'],
  },
  {
    name: 'session: positions of a group are not sent back',
    file: 'client/session.ts',
    text: '    if (!this.isOfGroups) return undefined;\n    return { positions',
    replacement: '    if (!this.isEmpty) return undefined;\n    return { positions',
    tests: [CLIENT],
  },
  {
    name: 'session: what an answer does not repeat is kept',
    file: 'client/group-positions.ts',
    text: '    seen.filter((one) => !isGone(one)),',
    replacement: '    seen,',
    tests: [CLIENT],
  },
  {
    name: 'watch of several groups that begins after a position of one of them',
    file: 'internal/routing/merged-watch.ts',
    text: '  if (watched.length === 1 && (owner',
    replacement: '  if (watched.length > 0 && (owner',
    tests: ['test/routing/merged-watch.test.ts'],
  },
  {
    name: 'watch of a key that begins after a position of another group',
    file: 'internal/routing/merged-watch.ts',
    text: '(owner === undefined || owner === watched[0])',
    replacement: '(owner === undefined || owner !== undefined)',
    tests: ['test/routing/merged-watch.test.ts'],
  },
  {
    name: 'watch of a cluster that waits for groups without slots',
    file: 'internal/routing/groups.ts',
    text: '    return this.all.filter(({ id }) => owners.has(id));',
    replacement: '    return this.all.filter(() => owners.size > 0);',
    tests: ['test/routing/merged-watch.test.ts'],
  },
];
