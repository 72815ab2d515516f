/**
 * Resets the term in MANIFEST to that of the log's last record. This helps a node
 * that has believed a message with a term near the highest possible number, after
 * which no higher term is left to lead in. Terms that the node granted since are
 * forgotten, so every node of the group must be stopped.
 */
import { type RehearsalParts, rehearseSettled } from '#backup/repair/rehearse-start.ts';
import { TERM_MAX, termOf } from '#model/position.ts';
import { TERM_JUMP_MAX } from '#model/terms.ts';
import { assert } from '#platform/assert.ts';
import type { WalDirectory } from '#wal/wal-directory.ts';
import { damageError, WalOpenError } from '#wal/wal-errors.ts';

export interface TermReset {
  /** The term in MANIFEST: the higher one of the term seen and the term promoted to. */
  readonly was: number;
  /** The term of the log's last record, which replaces `was`. */
  readonly term: number;
  /** `needless`: the log accounts for it; `in_log`: the log itself has no further term to go on to. */
  readonly kind: 'reset' | 'needless' | 'in_log';
}

/** Changes nothing. Throws `WalOpenError` if a start would refuse the directory for its data. */
export async function planTermReset(parts: RehearsalParts, path: string): Promise<TermReset> {
  const { manifest, end, from, outcome } = await rehearseSettled(parts, path);
  if (outcome.kind === 'refused') {
    const { file, byte, why } = outcome.place;
    if (outcome.what === 'newer') throw damageError('newer', path, outcome.place);
    throw new WalOpenError('corrupt', `${file} at byte ${byte}: ${why}; first: walnut wal repair ${path}`);
  }
  const term = Math.max(termOf(end.epoch), termOf(from.epoch));
  const was = Math.max(manifest.term, manifest.promotedTo ?? 0);
  if (term + TERM_JUMP_MAX >= TERM_MAX) return { was, term, kind: 'in_log' };
  return { was, term, kind: was > term + TERM_JUMP_MAX ? 'reset' : 'needless' };
}

/** Resets the term in one commit of MANIFEST. `owned` owns the lock, so that no node runs on the directory. */
export function applyTermReset(owned: WalDirectory, { term }: TermReset): Promise<void> {
  return owned.update((manifest) => {
    assert(manifest !== undefined, 'the directory is initialised');
    return { ...manifest, term, promotedTo: 0, handover: undefined };
  });
}
