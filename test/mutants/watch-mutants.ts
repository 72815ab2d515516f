/** Planted bugs of watches: what they tell, when, and what they leave behind. */
import type { Mutant } from './mutant.ts';

const WATCH = 'test/watch/watch.test.ts';
const INITIAL = 'test/watch/initial.test.ts';
const ENDS = 'test/watch/ends.test.ts';
const CHECKER = 'test/node/watchers.test.ts';

export const WATCH_MUTANTS: readonly Mutant[] = [
  {
    name: 'watch that tells what is applied and not durable',
    file: 'internal/watch/watch-hub.ts',
    text: "    return this.engine.feed.lastLsn('applied');",
    replacement: '    return this.engine.appliedLsn;',
    tests: [WATCH],
  },
  {
    name: 'progress mark of a watch ahead of its events',
    file: 'internal/watch/watch-session.ts',
    text: '    const isAll = !live.hasUpTo(ready.lsn);',
    replacement: '    const isAll = true;',
    tests: [WATCH],
  },
  {
    name: 'watch that tells the records at its start twice',
    file: 'internal/watch/watch-session.ts',
    text: '      if (endLsn !== undefined && frame.lsn > endLsn) break;',
    replacement: '',
    tests: [WATCH],
  },
  {
    name: 'watch whose fragments can be gone on from',
    file: 'internal/watch/watch-session.ts',
    text: '      canResume: this.#canResume && !isFragment,',
    replacement: '      canResume: this.#canResume,',
    tests: [WATCH],
  },
  {
    name: 'initial events of entries whose change is told too',
    file: 'internal/watch/initial-walk.ts',
    text: '    return entries.filter(({ version }) => version.lsn <= this.#startLsn).map(toChange);',
    replacement: '    return entries.map(toChange);',
    tests: [INITIAL],
  },
  {
    name: 'initial_done before the changes during the walk are told',
    file: 'internal/watch/watch-session.ts',
    text: '    yield* this.#until(this.#hub.engine.appliedLsn);',
    replacement: '',
    tests: [INITIAL],
  },
  {
    name: 'previous entry of a watch taken from before its record',
    file: 'internal/watch/watch-hub.ts',
    text: '    left?.set(key, entryAfter(event));',
    replacement: '    entryAfter(event);',
    tests: [WATCH],
  },
  {
    name: 'expired entry told as the one before a set',
    file: 'internal/watch/change.ts',
    text: '    previous: wasMissing ? undefined : stored,',
    replacement: '    previous: stored,',
    tests: [WATCH],
  },
  {
    name: 'slow watcher whose memory has no bound',
    file: 'internal/watch/watcher.ts',
    text: 'if (this.live.bytes <= bytesMax ||',
    replacement: 'if (this.live.bytes <= 100 * bytesMax ||',
    tests: [ENDS],
  },
  {
    name: 'changes kept for a watcher that has gone',
    file: 'internal/watch/watcher.ts',
    text: `    this.live.clear();
    this.past.clear();`,
    replacement: '    this.past.clear();',
    tests: [ENDS],
  },
  {
    name: 'watch that goes on after its engine was replaced',
    file: 'internal/watch/watch-session.ts',
    text: 'if (engine !== this.#hub.engine) throw',
    replacement: 'if (engine === undefined) throw',
    tests: [ENDS],
  },
  {
    name: 'watch that goes on after a change of role',
    file: 'internal/node/doors/admission.ts',
    text: '        if (role !== watched) throw',
    replacement: '        if (role === undefined) throw',
    tests: [ENDS],
  },
  {
    name: 'watcher of a prefix that gets only the key of that name',
    file: 'internal/watch/key-matcher.ts',
    text: '      hash = Math.imul(hash ^ key.charCodeAt(i), FNV_PRIME);\n    }\n    if (key.length',
    replacement:
      '      hash = Math.imul(hash ^ (key.charCodeAt(i) + i), FNV_PRIME);\n    }\n    if (key.length',
    tests: ['test/watch/key-matcher.test.ts'],
  },
  {
    name: 'resume taken without its checksum',
    file: 'internal/wire/resume-text.ts',
    text: '  if (crc32(bytes, 0, 0, end) !== bytes.readUInt32BE(end)) throw malformed();',
    replacement: '',
    tests: ['test/wire/watch-codec.test.ts'],
  },
  {
    name: 'client that goes on from within a record',
    file: 'client/resuming-watch.ts',
    text: '    if (message.fragment) continue;',
    replacement: '',
    tests: ['test/client/watch.test.ts'],
  },
  {
    name: 'client that begins a broken initial watch again as if nothing were told',
    file: 'client/resuming-watch.ts',
    text: "      const isOver = resume === '' || clock",
    replacement: '      const isOver = clock',
    tests: ['test/client/watch.test.ts'],
  },
  {
    name: 'client that waits for ever on a connection that is dead',
    file: 'client/resuming-watch.ts',
    text: '      timer = clock.after(silenceMs, onAbort);',
    replacement: '      timer = clock.after(1_000 * silenceMs, onAbort);',
    tests: ['test/client/watch.test.ts'],
  },
  {
    name: 'server-sent event of a fragment with an id',
    file: 'internal/server/watch-route.ts',
    text: "  const id = response.resume === '' ? '' :",
    replacement: "  const id = response.resume === 'none' ? '' :",
    tests: ['test/server/watch-route.test.ts'],
  },
  {
    name: 'browser that connects again gets the entries once more',
    file: 'internal/server/watch-route.ts',
    text: "    initial: readFlag(parameters.get('initial'), 'initial') && !isAgain,",
    replacement: "    initial: readFlag(parameters.get('initial'), 'initial'),",
    tests: ['test/server/watch-route.test.ts'],
  },
  {
    name: 'watch that begins to get changes before it has read what was applied',
    file: 'internal/watch/watch-session.ts',
    text: '      if (endLsn !== undefined && this.#at.lsn >= endLsn) return;',
    replacement: '      if (endLsn !== undefined) return;',
    tests: [CHECKER, WATCH],
  },
  {
    name: 'watch that skips records of which it gets no change at once',
    file: 'internal/watch/watch-session.ts',
    text: '    return this.#hub.engine.appliedLsn;',
    replacement: '    return this.#hub.readyLsn;',
    tests: [CHECKER, WATCH],
  },
  {
    name: 'replayed watch that leaves out deletes',
    file: 'internal/watch/watch-session.ts',
    text: '      if (!isWatched(target, mutation.key) || !this.#watcher.wants(mutation.op)) continue;',
    replacement: "      if (!isWatched(target, mutation.key) || mutation.op !== 'set') continue;",
    tests: [CHECKER],
  },
  {
    name: 'explanation that forgets what waits on a delayed replica',
    file: 'internal/node/explainer.ts',
    text: '      if (frame.lsn > this.#engine.appliedLsn) {',
    replacement: '      if (frame.lsn > this.#engine.committedLsn) {',
    tests: ['test/node/explain.test.ts'],
  },
  {
    name: 'explanation that does not search what is not durable yet',
    file: 'internal/node/explainer.ts',
    text: '      await engine.waitDurable(engine.appliedLsn, SYNC_MS_MAX, signal);',
    replacement: '',
    tests: ['test/node/explain.test.ts'],
  },
  {
    name: 'explanation of the oldest changes instead of the newest',
    file: 'internal/node/explainer.ts',
    text: '    const newestFirst = [...this.#changes, ...events.toReversed()];',
    replacement: '    const newestFirst = [...events, ...this.#changes];',
    tests: ['test/node/explain.test.ts'],
  },
  {
    name: 'changes that wait for all watchers without a bound',
    file: 'internal/watch/watch-hub.ts',
    text: '    if (this.#room.isFull) this.#endLongest();',
    replacement: '',
    tests: [ENDS],
  },
  {
    name: 'touch told to watchers as a delete',
    file: 'internal/watch/change.ts',
    text: '  const { op, cause, key } = mutation;',
    replacement: `  const { cause, key } = mutation;
  const op = mutation.op === 'touch' ? 'delete' : mutation.op;`,
    tests: ['test/node/api-model.test.ts'],
  },
];
