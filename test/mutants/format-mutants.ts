/** Planted bugs of the formats of level 1: who may read them, and what MANIFEST says first. */
import type { Mutant } from './mutant.ts';

const LEVELS = 'test/node/format-levels.test.ts';
const TOUCH = 'test/master/touch.test.ts';
const RECORDS = 'test/engine/record-codec.test.ts';

export const FORMAT_MUTANTS: readonly Mutant[] = [
  {
    name: 'formats of level 1 written although a replica does not read them',
    file: 'internal/node/take-format-step.ts',
    text: '  if (below === undefined) return formats.take();',
    replacement: "  if (below?.address !== '') return formats.take();",
    tests: [LEVELS],
  },
  {
    name: 'replica that has not registered since the start of its master taken for one that reads everything',
    file: 'internal/replication/replica-registry.ts',
    text: 'nodes.filter(({ nodeId }) => !present',
    replacement: "nodes.filter(({ nodeId }) => nodeId === '' && !present",
    tests: [LEVELS],
  },
  {
    name: 'replica of release 0.1.0 taken although the log needs more',
    file: 'internal/replication/admit-replica.ts',
    text: '  if (read >= needed) return;',
    replacement: '  if (read >= needed - 1) return;',
    tests: [LEVELS],
  },
  {
    name: 'first record of level 1 logged before MANIFEST says so',
    file: 'internal/engine/format-step.ts',
    text: '      await orShortage(amendManifest(this.#directory, { format: 2 }));',
    replacement: '      await Promise.resolve(orShortage);',
    tests: [LEVELS],
  },
  {
    name: 'promoted replica that forgets which formats the old master reads',
    file: 'internal/slave/upstream.ts',
    text: '    const nodes = [...others, ...master];',
    replacement: '    const nodes = [...others, ...master.slice(1)];',
    tests: [LEVELS],
  },
  {
    name: 'unknown block skipped although state may depend on it',
    file: 'internal/platform/blocks.ts',
    text: '    else if (type < OPTIONAL_BLOCK) throw',
    replacement: '    else if (type < 0) throw',
    tests: ['test/platform/blocks.test.ts'],
  },
  {
    name: 'eviction scope lost in a record',
    file: 'internal/storage/logged-config.ts',
    text: "  stated[1] = SCOPES.indexOf(limits.scope ?? 'all');",
    replacement: '  stated[1] = 0;',
    tests: [RECORDS],
  },
  {
    name: 'touch that drops the value on a replica',
    file: 'internal/storage/store.ts',
    text: "    if (mutation.op === 'set') {",
    replacement: "    if (mutation.op !== 'delete') {",
    tests: [LEVELS, TOUCH],
  },
  {
    name: 'touched entry left in the order of its old deadline',
    file: 'internal/storage/store.ts',
    text: '    this.#slots.setExpireAtMs(slot, expireAtMs);',
    replacement: '    this.#slots.setExpireAtMs(slot, this.#slots.expireAtMsOf(slot) + 0 * expireAtMs);',
    tests: [TOUCH],
  },
  {
    name: 'touch whose pre-image a snapshot under way does not get',
    file: 'internal/storage/store.ts',
    text: `  #touch(slot: number, expireAtMs: number): void {
    this.#snapshot?.beforeChange(slot);`,
    replacement: '  #touch(slot: number, expireAtMs: number): void {',
    tests: ['test/storage/snapshot.test.ts'],
  },
  {
    name: 'write in flight that a touch does not see',
    file: 'internal/master/accepted-state.ts',
    text: 'base === undefined ? this.#store.peek(key) : base',
    replacement: 'base !== null ? this.#store.peek(key) : base',
    tests: [TOUCH],
  },
  {
    name: 'touch of version 2 logged as version 1',
    file: 'internal/engine/records/payload-writer.ts',
    text: `this.#open(OP_TOUCH, key, cause));
    this.#version = VERSION_2;`,
    replacement: 'this.#open(OP_TOUCH, key, cause));',
    tests: [RECORDS],
  },
  {
    name: 'restore that takes one version for one deadline',
    file: 'cmd/walnut/backup/restore-diff.ts',
    text: '    ? isNear(expireAtMs, nowExpireAtMs)',
    replacement: '    ? true',
    tests: ['test/cli/restore-to.test.ts'],
  },
  {
    name: 'content type lost when the cell of the entry moves',
    file: 'internal/storage/slot-table.ts',
    text: '    return cellBytesAt(words, at) + roundUp(this.#slots.typeBytesOf(slot));',
    replacement: '    return cellBytesAt(words, at) + 0 * roundUp(this.#slots.typeBytesOf(slot));',
    tests: ['test/storage/content-type.test.ts'],
  },
  {
    name: 'content type left out of the digest',
    file: 'internal/storage/entry-hash.ts',
    text: '    if (typeBytes > 0) this.#block(typeCrc | 0, 0, 0, 0);',
    replacement: '    if (typeBytes > 0) this.#block(0 * typeCrc, 0, 0, 0);',
    tests: ['test/storage/content-type.test.ts'],
  },
  {
    name: 'content type not in the answer from bytes to bytes',
    file: 'internal/wire/mixed-bytes.ts',
    text: 'const contentType = entries.contentTypeOf(found);',
    replacement: 'const contentType = entries.contentTypeOf(found).slice(0, 0);',
    tests: ['test/server/protocols.test.ts'],
  },
  {
    name: 'status that shows the level of the program instead of that of the log',
    file: 'internal/node/build-status.ts',
    text: 'engine?.formats.level ?? (manifest?.format === 2 ? STEP_LEVEL : 0)',
    replacement: 'manifest === undefined ? 0 : STEP_LEVEL',
    tests: ['test/node/format-levels.test.ts'],
  },
];
