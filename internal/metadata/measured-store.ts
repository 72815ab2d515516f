/** A metadata store whose calls are timed: each with its name, its duration and whether it was answered. */
import type { MetadataStore } from '#metadata/metadata-store.ts';

export type OnStoreCall = (call: string, ms: number, isAnswered: boolean) => void;

/** Calls `onCall` after every call but watches, which last as long as their reader wants. */
export function createMeasuredStore(
  store: MetadataStore,
  monotonicMs: () => number,
  onCall: OnStoreCall,
): MetadataStore {
  const timed = async <T>(name: string, call: () => Promise<T>): Promise<T> => {
    const beganMs = monotonicMs();
    try {
      const answer = await call();
      onCall(name, monotonicMs() - beganMs, true);
      return answer;
    } catch (error) {
      onCall(name, monotonicMs() - beganMs, false);
      throw error;
    }
  };
  return {
    read: (prefix) => timed('read', () => store.read(prefix)),
    transact: (transaction) => timed('transact', () => store.transact(transaction)),
    watch: (prefix, afterRevision, signal) => store.watch(prefix, afterRevision, signal),
    grantLease: (ttlMs) => timed('grant_lease', () => store.grantLease(ttlMs)),
    keepAlive: (lease) => timed('keep_alive', () => store.keepAlive(lease)),
    revoke: (lease) => timed('revoke', () => store.revoke(lease)),
    close: () => store.close(),
  };
}
