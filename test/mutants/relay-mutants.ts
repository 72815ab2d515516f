/** Bugs by which a gateway that passes calls on as bytes could answer or do something else than by decoding them. */
import type { Mutant } from './mutant.ts';

const RELAYED = ['test/server/relayed.test.ts'];

export const RELAY_MUTANTS: readonly Mutant[] = [
  {
    name: 'relayed answer that does not say of which group its position is',
    file: 'internal/wire/relayed-answer.ts',
    text: 'const position = positionTo === 0 ? 0 :',
    replacement: 'const position = positionTo >= 0 ? 0 :',
    tests: RELAYED,
  },
  {
    name: 'relayed answer of a write whose length leaves the group out',
    file: 'internal/wire/relayed-answer.ts',
    text: 'out.varint(1 + varintBytes(length) + length);',
    replacement: 'out.varint(1 + varintBytes(to - from) + (to - from));',
    tests: RELAYED,
  },
  {
    name: 'results that are joined in the order of the groups',
    file: 'internal/wire/relayed-batches.ts',
    text: 'for (const which of partOf) {',
    replacement: 'for (const which of partOf.toSorted()) {',
    tests: RELAYED,
  },
  {
    name: 'joined results with more values than an answer may have',
    file: 'internal/wire/relayed-batches.ts',
    text: 'if (bytes <= this.#answerBytesMax)',
    replacement: 'if (bytes <= 100 * this.#answerBytesMax)',
    tests: RELAYED,
  },
  {
    name: 'atomic Batch that is cut into parts',
    file: 'internal/wire/relayed-batches.ts',
    text: ' || reader.columns.isAtomic) return undefined;',
    replacement: ') return undefined;',
    tests: RELAYED,
  },
  {
    name: 'relayed read with the position of another group',
    file: 'internal/routing/relay.ts',
    text: 'return (position) => groups.positionFor(group, position) !== undefined;',
    replacement: 'return () => groups !== undefined && group !== undefined;',
    tests: RELAYED,
  },
  {
    name: 'relayed read with a position that no group was asked about',
    file: 'internal/routing/relay.ts',
    text: 'if (this.#options.groups.ofPosition(position) === undefined) return false;',
    replacement: 'if (position.epoch < 0) return false;',
    tests: RELAYED,
  },
  {
    name: 'relayed write without a name',
    file: 'internal/wire/relayed-message.ts',
    text: 'this.#needNames[i] === 0 ? 0 : nameBytes(',
    replacement: 'this.#needNames[i] !== 2 ? 0 : nameBytes(',
    tests: RELAYED,
  },
  {
    name: 'relayed write whose own name is replaced',
    file: 'internal/wire/relayed-message.ts',
    text: '} else if (((flags[place] as number) & NAMED) === 0) {',
    replacement: '} else {',
    tests: ['test/server/named-once.test.ts'],
  },
  {
    name: 'one name for all relayed writes of a Batch',
    file: 'internal/wire/relayed-message.ts',
    text: 'ids[next++] as WriteId',
    replacement: 'ids[0 * next++] as WriteId',
    tests: RELAYED,
  },
  {
    name: 'name of a relayed write without the position before it',
    file: 'internal/wire/name-fields.ts',
    text: 'if (since === undefined) return at;',
    replacement: 'if (since === undefined || at > 0) return at;',
    tests: RELAYED,
  },
  {
    name: 'relayed results that are errors and are not looked at',
    file: 'internal/wire/relayed-answer.ts',
    text: 'if (reader.bytes[reader.at++] !== RESULT_TAGS[kind]) return undefined;',
    replacement: 'if (reader.bytes[reader.at++] === RESULT_TAGS[0]) return undefined;',
    tests: RELAYED,
  },
  {
    name: 'relayed answer with fewer results than operations',
    file: 'internal/wire/relayed-answer.ts',
    text: 'if (reader.at >= total || reader.bytes[reader.at++] !== RESULTS) return undefined;',
    replacement:
      'if (reader.at >= total) return marks;\n    if (reader.bytes[reader.at++] !== RESULTS) return undefined;',
    tests: RELAYED,
  },
  {
    name: 'relayed write that is done anew although it may have been done',
    file: 'internal/routing/relay.ts',
    text: 'mayBeRepeat ||= attempt.mayBeRepeat;',
    replacement: 'mayBeRepeat &&= attempt.mayBeRepeat;',
    tests: RELAYED,
  },
  {
    name: 'relayed Batch that is refused where a group does not own a key any more',
    file: 'internal/routing/relay.ts',
    text: 'if (!isMoved(error)) throw error;',
    replacement: 'if (!isMoved(error) || group !== undefined) throw error;',
    tests: RELAYED,
  },
  {
    name: 'position of a relayed answer that is not kept',
    file: 'internal/routing/relay.ts',
    text: 'if (answered.position !== undefined) group.observe(answered.position);',
    replacement: '',
    tests: RELAYED,
  },
  {
    name: 'named write that goes through the bulk port, which knows no names',
    file: 'internal/wire/kv-calls.ts',
    text: 'return id === undefined ? this.#bulk : undefined;',
    replacement: 'return id?.since === undefined ? this.#bulk : undefined;',
    tests: ['test/server/kv-bytes.test.ts'],
  },
  {
    name: 'name of a write that is answered itself',
    file: 'internal/wire/name-fields.ts',
    text: 'answeredThrough >= sequence',
    replacement: 'answeredThrough > sequence',
    tests: ['test/server/kv-bytes.test.ts'],
  },
];
