import { describe, expect, it } from 'vitest';
import type { Condition, WriteAnswer } from '#model/commands.ts';
import type { Entry } from '#model/entry.ts';
import { isSamePosition, NO_POSITION, type Position } from '#model/position.ts';
import { checkNamedOnce, writeWhere } from '#server/conditional-write.ts';
import { isMatch, isNoneMatch, parseEntityTags, readPreconditions } from '#server/entity-tags.ts';
import { positionOf } from '#test/server/fake-node.ts';

const V1 = positionOf(1);
const V2 = positionOf(2);
const T1 = '"4294967297-1"';
const T2 = '"4294967297-2"';

describe('entity tags', () => {
  it.each([
    ['*', '*'],
    [' * ', '*'],
    ['"a"', ['a']],
    ['W/"a"', ['W a']],
    ['"a", W/"b" ,"c"', ['a', 'W b', 'c']],
    ['"a,b", "c"', ['a,b', 'c']],
    [', "a",, ', ['a']],
    ['""', ['']],
  ])('reads %j', (header, expected) => {
    const tags = parseEntityTags(header, 'If-Match');
    expect(tags === '*' ? tags : tags.map((tag) => (tag.isWeak ? `W ${tag.opaque}` : tag.opaque))).toEqual(
      expected,
    );
  });

  it.each(['', ' ', ',', 'a', '1-1', '"a', 'a"', '"a" "b"', 'w/"a"', '*, "a"', '"a", *', '"a b"', 'W/ "a"'])(
    'refuses %j, naming the header',
    (header) => {
      expect(() => parseEntityTags(header, 'If-None-Match')).toThrow(/^If-None-Match: expected \* or quoted/);
    },
  );

  // The comparisons of RFC 9110, 8.8.3.2: If-Match is strong, If-None-Match is weak.
  it.each<[string, Position | undefined, boolean, boolean]>([
    [T1, V1, true, false],
    [T1, V2, false, true],
    [`W/${T1}`, V1, false, false],
    [`${T2}, ${T1}`, V1, true, false],
    [`W/${T1}, ${T2}`, V1, false, false],
    ['*', V1, true, false],
    ['*', undefined, false, true],
    [T1, undefined, false, true],
    ['"something-else"', V1, false, true],
    ['"04294967297-1"', V1, false, true],
  ])('%s of %j: If-Match %s, If-None-Match %s', (header, version, matches, noneMatches) => {
    expect(isMatch(readPreconditions({ 'if-match': header }), version)).toBe(matches);
    expect(isNoneMatch(readPreconditions({ 'if-none-match': header }), version)).toBe(noneMatches);
  });
});

/** One key; `meanwhile` runs before each try. */
class Key {
  readonly tried: (Condition | undefined)[] = [];
  version: Position | undefined;
  meanwhile: (() => void) | undefined;

  constructor(version?: Position) {
    this.version = version;
  }

  write(condition: Condition | undefined): WriteAnswer {
    this.meanwhile?.();
    this.tried.push(condition);
    const applied = this.#holds(condition);
    if (applied) this.version = positionOf((this.version?.lsn ?? 0) + 100);
    const current = this.version === undefined ? undefined : ({ version: this.version } as Entry);
    const seen = applied ? undefined : current;
    const receipt = { durabilityReached: 'accepted', replicasAcked: 0 } as const;
    return { applied, position: this.version ?? NO_POSITION, previous: undefined, current: seen, ...receipt };
  }

  #holds(condition: Condition | undefined): boolean {
    switch (condition?.kind) {
      case undefined:
        return true;
      case 'absent':
        return this.version === undefined;
      case 'present':
        return this.version !== undefined;
      case 'fill_lease':
        return false;
      case 'version':
        return this.version !== undefined && isSamePosition(this.version, condition.version);
    }
  }
}

describe('a write under preconditions', () => {
  it.each<[Record<string, string>, Position | undefined, boolean, number]>([
    [{}, V1, true, 1],
    [{ 'if-match': '*' }, undefined, false, 1],
    [{ 'if-match': '*' }, V1, true, 1],
    [{ 'if-match': T1 }, V1, true, 1],
    [{ 'if-match': T2 }, V1, false, 1],
    [{ 'if-match': `W/${T1}` }, V1, false, 1],
    [{ 'if-match': `${T2}, ${T1}` }, V1, true, 2],
    [{ 'if-match': `W/${T1}, ${T2}` }, V1, false, 1],
    [{ 'if-none-match': '*' }, undefined, true, 1],
    [{ 'if-none-match': '*' }, V1, false, 1],
    [{ 'if-none-match': T1 }, V1, false, 1],
    [{ 'if-none-match': `W/${T1}` }, V1, false, 1],
    [{ 'if-none-match': T2 }, V1, true, 2],
    [{ 'if-none-match': T2 }, undefined, true, 1],
    [{ 'if-match': '*', 'if-none-match': T2 }, V1, true, 2],
    [{ 'if-match': '*', 'if-none-match': T1 }, V1, false, 1],
    [{ 'if-match': `${T1}, ${T2}`, 'if-none-match': T1 }, V1, false, 1],
  ])('%j of %j: applied %s after %s tries', async (headers, version, applied, tries) => {
    const key = new Key(version);
    const answer = await writeWhere(readPreconditions(headers), true, (condition) => key.write(condition));
    expect([answer.applied, key.tried.length]).toEqual([applied, tries]);
    expect(answer.applied || answer.current?.version === key.version).toBe(true);
  });

  it('is met only by the version that was compared, and gives up where it changes for ever', async () => {
    const key = new Key(V1);
    let left = 3;
    key.meanwhile = () => {
      if (left-- > 0) key.version = positionOf(10 + left);
    };
    const preconditions = readPreconditions({ 'if-none-match': T2 });
    expect((await writeWhere(preconditions, true, (condition) => key.write(condition))).applied).toBe(true);
    expect(key.tried.length).toBe(4);
    left = Number.POSITIVE_INFINITY;
    let lsn = 1_000;
    key.meanwhile = () => {
      key.version = positionOf(lsn++);
    };
    await expect(writeWhere(preconditions, true, (condition) => key.write(condition))).rejects.toThrow(
      'try again',
    );
    expect(key.tried.length).toBe(4 + 16);
  });

  it('has a request_id only where one try is enough', () => {
    const R = { name: { kind: 'request', requestId: 'r' } } as const;
    expect(() => checkNamedOnce(readPreconditions({ 'if-match': T1 }), R)).not.toThrow();
    expect(() => checkNamedOnce(readPreconditions({ 'if-match': `${T1}, ${T2}` }), undefined)).not.toThrow();
    expect(() => checkNamedOnce(readPreconditions({ 'if-match': `${T1}, ${T2}` }), R)).toThrow(
      'one condition',
    );
  });
});
