/** The `Random` of a browser: unpredictable, by the Web Crypto API. */
import type { Random } from '#platform/random.ts';

export function createWebRandom(): Random {
  return {
    uint32: () => crypto.getRandomValues(new Uint32Array(1))[0] as number,
    id128: () => {
      const bytes = crypto.getRandomValues(new Uint8Array(16));
      return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
    },
  };
}
