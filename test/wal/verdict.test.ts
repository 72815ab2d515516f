import { describe, expect, it } from 'vitest';
import { type Damage, judgeDamage } from '#wal/verdict.ts';

const base: Damage = { what: 'item', hasLaterSegment: false, neededLsn: 10, provenDurableLsn: 0 };

describe('torn or corrupt', () => {
  it.each<[string, Partial<Damage>, string]>([
    ['nothing later is known', {}, 'torn'],
    ['something later vouches only for earlier records', { provenDurableLsn: 9 }, 'torn'],
    ['something later vouches for the damaged record', { provenDurableLsn: 10 }, 'corrupt'],
    ['something later vouches for more', { provenDurableLsn: 99 }, 'corrupt'],
    ['a later segment exists', { hasLaterSegment: true }, 'corrupt'],
    ['the header of the last segment is damaged', { what: 'header' }, 'corrupt'],
    ['the header of an earlier segment is damaged', { what: 'header', hasLaterSegment: true }, 'corrupt'],
    ['the last segment has no seal', { what: 'unsealed_end' }, 'tail'],
    ['an earlier segment has no seal', { what: 'unsealed_end', hasLaterSegment: true }, 'corrupt'],
  ])('%s', (_name, change, kind) => {
    expect(judgeDamage({ ...base, ...change }).kind).toBe(kind);
  });
});
