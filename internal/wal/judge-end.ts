/**
 * Whether a segment may end where reading it stopped: the question that a
 * start, a backup and the tools all ask, and the one place that answers it.
 * Reads the file only where what stands behind the damage decides.
 */
import type { Clock } from '#platform/clock.ts';
import type { File } from '#platform/file-system.ts';
import { searchLaterItems } from '#wal/later-items.ts';
import type { HeaderFault } from '#wal/segment-judge.ts';
import { judgeDamage } from '#wal/verdict.ts';

/** Where reading stopped before a seal. */
export interface SegmentStop {
  readonly what: 'item' | 'unsealed_end';
  readonly offset: number;
  /** What is wrong with the item there; empty at an unsealed end. */
  readonly why: string;
  /** Its checksums hold: a newer program wrote it. */
  readonly isUnknown: boolean;
  /** The last record before it. */
  readonly lastLsn: number;
}

/** What is known of the log around the segment. */
export interface SegmentPlace {
  readonly hasLater: boolean;
  /** The base snapshot's LSN; 0: none. */
  readonly baseLsn: number;
  /** MANIFEST says that every record up to here was durable; 0: it says nothing. */
  readonly knownDurableLsn: number;
}

export interface SegmentBytes {
  readonly file: File;
  readonly sizeBytes: number;
  readonly salt: number;
  readonly clock: Clock;
}

/** `whole`: it may end there. `torn`: what follows was never durable. The others say why it may not. */
export type EndVerdict =
  | { readonly kind: 'whole' }
  | { readonly kind: 'torn' | 'corrupt' | 'newer'; readonly why: string };

export async function judgeEnd(
  stop: SegmentStop,
  place: SegmentPlace,
  bytes: SegmentBytes,
): Promise<EndVerdict> {
  const { what, isUnknown, why } = stop;
  const neededLsn = Math.max(stop.lastLsn, place.baseLsn) + 1;
  const isKnown = place.knownDurableLsn >= neededLsn;
  const mayBeTorn = what === 'item' && !isUnknown && !place.hasLater && !isKnown;
  const foundLsn = mayBeTorn ? await searchProof(bytes, stop, neededLsn) : 0;
  const verdict = judgeDamage({
    what,
    isUnknown,
    hasLaterSegment: place.hasLater,
    neededLsn,
    provenDurableLsn: Math.max(place.knownDurableLsn, foundLsn),
    provenBy: isKnown ? 'MANIFEST' : 'a later item',
  });
  if (verdict.kind === 'tail') return { kind: 'whole' };
  if (verdict.kind !== 'corrupt') return { kind: verdict.kind, why };
  return { kind: 'corrupt', why: what === 'unsealed_end' ? verdict.why : `${why}; ${verdict.why}` };
}

/** Why a header refuses a segment, for people. */
export function whyRefused({ kind, why }: HeaderFault, hasLater: boolean): string {
  if (kind !== 'unreadable') return why;
  const damage = { what: 'header', hasLaterSegment: hasLater, neededLsn: 1, provenDurableLsn: 0 } as const;
  const verdict = judgeDamage(damage);
  return verdict.kind === 'corrupt' ? `${why}; ${verdict.why}` : why;
}

/** The highest LSN that whole items behind the damage show to have been durable, up to the one needed. */
async function searchProof(
  { file, sizeBytes, salt, clock }: SegmentBytes,
  { offset, lastLsn }: SegmentStop,
  neededLsn: number,
): Promise<number> {
  let provenLsn = 0;
  await searchLaterItems({
    file,
    fromOffset: offset,
    sizeBytes,
    salt,
    expectedLsn: lastLsn + 1,
    clock,
    onItem: (item) => {
      provenLsn = Math.max(provenLsn, item.lsn - item.durLag);
      return provenLsn >= neededLsn;
    },
  });
  return provenLsn;
}
