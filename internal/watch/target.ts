/** Which keys a target means, for those who look at one key after the other. */
import type { WatchTarget } from '#model/watch.ts';

export function isWatched(target: WatchTarget, key: string): boolean {
  return target.kind === 'key' ? key === target.key : key.startsWith(target.prefix);
}
