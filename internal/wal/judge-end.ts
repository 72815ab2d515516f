/**
 * Decides whether a segment may end where reading it stopped. A start, backups
 * and the tools all use this judgement. It reads the file only if the items after
 * the damage decide.
 */
import type { Clock } from '#platform/clock.ts';
import type { File } from '#platform/file-system.ts';
import { searchLaterItems } from '#wal/later-items.ts';
import type { HeaderFault } from '#wal/segment-judge.ts';
import { judgeDamage } from '#wal/verdict.ts';

/** The place at which reading stopped before a seal. */
export interface SegmentStop {
  readonly what: 'item' | 'unsealed_end';
  readonly offset: number;
  /** What is wrong with the item there; empty at an unsealed end. */
  readonly why: string;
  /** Its checksums are valid: a newer program wrote it. */
  readonly isUnknown: boolean;
  /** The last record before it. */
  readonly lastLsn: number;
}

/** What is known about the log around the segment. */
export interface SegmentPlace {
  readonly hasLater: boolean;
  /** The base snapshot's LSN; 0: none. */
  readonly baseLsn: number;
  /** By MANIFEST every record up to this LSN was durable; 0: MANIFEST does not say. */
  readonly knownDurableLsn: number;
}

export interface SegmentBytes {
  readonly file: File;
  readonly sizeBytes: number;
  readonly salt: number;
  readonly clock: Clock;
}

/** `whole`: the segment may end there. `torn`: the bytes after it were never durable. The others say why it may not end there. */
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

/** Why a segment with such a header is refused, as a text for people. */
export function whyRefused({ kind, why }: HeaderFault, hasLater: boolean): string {
  if (kind !== 'unreadable') return why;
  const damage = { what: 'header', hasLaterSegment: hasLater, neededLsn: 1, provenDurableLsn: 0 } as const;
  const verdict = judgeDamage(damage);
  return verdict.kind === 'corrupt' ? `${why}; ${verdict.why}` : why;
}

/** The highest LSN that whole items after the damage show to have been durable; the search ends once the LSN that decides is reached. */
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
