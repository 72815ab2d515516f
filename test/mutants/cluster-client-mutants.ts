/** Bugs by which a client of a cluster could call the wrong group, or take something of one group to another. */
import type { Mutant } from './mutant.ts';

const CLIENT = 'test/client/cluster-client.test.ts';
const OWNERS = 'test/routing/slot-owners.test.ts';

export const CLUSTER_CLIENT_MUTANTS: readonly Mutant[] = [
  {
    name: 'watch of a cluster that begins from places of other groups',
    file: 'client/merged-watch.ts',
    text: 'if (idsOf(heeded) !== idsOf(watched))',
    replacement: 'if (heeded === undefined)',
    tests: ['test/client/merged-watch.test.ts'],
  },
  {
    name: 'client whose calls before the map have no bound in bytes',
    file: 'client/cluster-map.ts',
    text: ' && this.#bytes + bytes <= queuedBytesMax',
    replacement: '',
    tests: [CLIENT],
  },
  {
    name: 'watch of a cluster that asks for its groups although nobody iterates it',
    file: 'client/cluster-keys.ts',
    text: "    const groups = () => ('key' in what ? this.#ownersOf(what.key, ends) : this.#ofPrefix(what.prefix, ends));\n    return mergedWatch(groups, what, { ...options, signal: ends });",
    replacement:
      "    const groups = 'key' in what ? this.#ownersOf(what.key, ends) : this.#ofPrefix(what.prefix, ends);\n    return mergedWatch(() => groups, what, { ...options, signal: ends });",
    tests: [CLIENT],
  },
  {
    name: 'client that takes the name of a write to another group',
    file: 'client/batch-sender.ts',
    text: '      if (write !== undefined) this.#names.takeBack(write);\n',
    replacement: '      void write;\n',
    tests: [CLIENT],
  },
  {
    name: 'client of a cluster that asks for the map before it looks at the key',
    file: 'client/walnut-client.ts',
    text: '    checkGet(key, options);\n',
    replacement: '',
    tests: ['test/client/call-options.test.ts'],
  },
  {
    name: 'client of a cluster that asks for the map before it looks at a prefix',
    file: 'client/paged-calls.ts',
    text: '  checkPrefix(prefix);\n  checkNames(options, SCAN);',
    replacement: '',
    tests: ['test/client/call-options.test.ts'],
  },
  {
    name: 'client that takes the position of an atomic read to another group',
    file: 'client/dispatcher.ts',
    text: '        for (const get of gets) get.atLeast = undefined;\n',
    replacement: '',
    tests: [CLIENT],
  },
  {
    name: 'client that fails a whole Batch for one key of another group',
    file: 'client/batch-sender.ts',
    text: 'const going = new Set(kept.length < batch.length ? kept : []);',
    replacement: 'const going = new Set(kept.slice(0, 0));',
    tests: [CLIENT],
  },
  {
    name: 'client that waits at a master that is none any more',
    file: 'internal/routing/mapped-group.ts',
    text: '    this.attempts.endOthers(leaderAddress);\n',
    replacement: '',
    tests: [CLIENT],
  },
  {
    name: 'client that reads a prefix with a tag at the group that an old map names, unasked',
    file: 'client/cluster-keys.ts',
    text: '          await keys.checkOwned(prefix, signal);\n',
    replacement: '',
    tests: [CLIENT],
  },
  {
    name: 'client of a cluster that begins anew although a session was given',
    file: 'client/cluster-keys.ts',
    text: '        session: session.partOf(id),',
    replacement: '        session: new Session(),',
    tests: [CLIENT],
  },
  {
    name: 'client that does not say which cluster its calls are for',
    file: 'client/open-keys.ts',
    text: 'open(address, cluster)',
    replacement: 'open(address)',
    tests: [CLIENT],
  },
  {
    name: 'client that cannot tell that a failover lost all attempts of a write',
    file: 'client/batch-sender.ts',
    text: 'pending.fail(lost.get(since) ?? error);',
    replacement: 'pending.fail(error);',
    tests: [CLIENT],
  },
  {
    name: 'refused call that asks for an owner that is known by now',
    file: 'internal/routing/slot-owners.ts',
    text: '    if (owner !== undefined && owner !== by) return;\n',
    replacement: '    if (owner === undefined && by === undefined) return;\n',
    tests: [OWNERS],
  },
  {
    name: 'coordinator that hangs and is asked first each time',
    file: 'internal/routing/map-follower.ts',
    text: '    this.#answered = address;\n',
    replacement: '',
    tests: ['test/routing/map.test.ts'],
  },
  {
    name: 'coordinator that hangs and is waited for without a bound',
    file: 'internal/routing/map-cache.ts',
    text: 'await Promise.race([this.refresh(), this.#options.clock.sleep(limitMs, over.signal)]);',
    replacement: 'await Promise.race([this.refresh(), ...(limitMs > 0 ? [] : [this.refresh()])]);',
    tests: ['test/routing/cluster-keys.test.ts'],
  },
  {
    name: 'refusal that counts for ever, whatever newer maps say',
    file: 'internal/routing/slot-owners.ts',
    text: 'hint.mapEpoch > map.epoch && map.groups.has(hint.group)) return',
    replacement: 'map.groups.has(hint.group)) return',
    tests: [OWNERS],
  },
  {
    name: 'watch of a cluster that calls the entries complete with the first group',
    file: 'client/merged-watch.ts',
    text: '!isInitialTold && sources.every((one) => one.isInitialDone)',
    replacement: '!isInitialTold && sources.some((one) => one.isInitialDone)',
    tests: ['test/client/merged-watch.test.ts'],
  },
  {
    name: 'gateway that serves a caller by an older map than that caller knows',
    file: 'internal/routing/groups.ts',
    text: 'return this.#epoch >= epoch ? undefined : this.#askFor(epoch);',
    replacement: 'return this.#epoch >= 0 ? undefined : this.#askFor(epoch);',
    tests: ['test/routing/gateway.test.ts'],
  },
];
