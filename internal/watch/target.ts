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
  return beginsWith(bytes, keyOffset, target);
}

/** True if `start` stands in `bytes` at `from`, which has so many bytes. */
export function beginsWith(bytes: Buffer, from: number, start: Buffer): boolean {
  for (let i = 0; i < start.length; i++) {
    if (bytes[from + i] !== start[i]) return false;
  }
  return true;
}
