/** Plain sets as the bytes of a request have them, with other bytes around. */
import { PLAIN_EXPIRY, type PlainSets } from '#model/bulk.ts';
import type { Expiry } from '#model/commands.ts';

export interface PlainSet {
  readonly key: string;
  readonly value: string;
  readonly expiry: Expiry;
}

export function plainSetsOf(sets: readonly PlainSet[]): PlainSets {
  const bytes = Buffer.from(`..${sets.map((one) => one.key + one.value).join('')}..`);
  const plain = {
    bytes,
    count: sets.length,
    keyOffsets: new Uint32Array(sets.length),
    keyBytes: new Uint16Array(sets.length),
    valueOffsets: new Uint32Array(sets.length),
    valueBytes: new Uint32Array(sets.length),
    expiries: new Uint8Array(sets.length),
    expiryMs: new Float64Array(sets.length),
  };
  let at = 2;
  sets.forEach(({ key: text, value, expiry }, i) => {
    plain.keyOffsets[i] = at;
    plain.keyBytes[i] = Buffer.byteLength(text);
    plain.valueOffsets[i] = at + Buffer.byteLength(text);
    plain.valueBytes[i] = value.length;
    at += Buffer.byteLength(text) + value.length;
    if (expiry.kind === 'keep' || expiry.kind === 'logged') throw new Error(`no plain set: ${expiry.kind}`);
    plain.expiries[i] = PLAIN_EXPIRY[expiry.kind];
    plain.expiryMs[i] = expiry.kind === 'ttl' ? expiry.ttlMs : expiry.kind === 'at' ? expiry.expireAtMs : 0;
  });
  return plain;
}
