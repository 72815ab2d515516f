/** Once a term was granted, nothing of a master of a lower one is installed or cut away here. */
import type { EngineHost } from '#engine/engine-host.ts';
import { unavailable } from '#model/errors.ts';
import type { RegisterAnswer } from '#model/replication.ts';

/** Call it in the turn of the receiver, just before the change. Throws `unavailable`. */
export function checkTerm({ manifest }: EngineHost, { logId, term }: RegisterAnswer): void {
  // Terms of different logs cannot be compared.
  if (manifest.logId !== logId || manifest.term <= term) return;
  throw unavailable(`term ${manifest.term} was granted meanwhile, and the master leads term ${term}`);
}
