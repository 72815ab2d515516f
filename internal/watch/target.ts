/** Which keys a target means, by bytes of UTF-8, in which well-formed texts have the same prefixes. */
import type { EncodedPair } from '#model/encoded.ts';
import type { WatchTarget } from '#model/watch.ts';

/** The key or the prefix. */
export function bytesOfTarget(target: WatchTarget): Buffer {
  return Buffer.from(target.kind === 'key' ? target.key : target.prefix);
}

/** `target`: by `bytesOfTarget`. */
export function isWatched(kind: WatchTarget['kind'], target: Buffer, pair: EncodedPair): boolean {
  const { bytes, keyOffset, keyBytes } = pair;
  if (kind === 'key' ? keyBytes !== target.length : keyBytes < target.length) return false;
  return isSame(bytes, keyOffset, target, 0, target.length);
}

/** True if the `length` bytes at `aFrom` of `a` are those at `bFrom` of `b`. */
export function isSame(a: Buffer, aFrom: number, b: Buffer, bFrom: number, length: number): boolean {
  for (let i = 0; i < length; i++) {
    if (a[aFrom + i] !== b[bFrom + i]) return false;
  }
  return true;
}
