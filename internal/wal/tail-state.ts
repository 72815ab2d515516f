/** How the log on disk ends, and so what must be done before records are appended. */
import type { SegmentEnd } from '#wal/segment-replay.ts';
import type { Segment } from '#wal/segment-table.ts';

export type TailState =
  /** The next segment must be created; the last one, if any, is sealed and durable. */
  | { readonly kind: 'none' }
  /** The log ends below the snapshot: every segment must be excluded, then the next one created. */
  | { readonly kind: 'below_snapshot' }
  /** The last segment ends with a clean mark and can be appended to. */
  | { readonly kind: 'clean'; readonly segment: Segment }
  /** The valid prefix of the last segment must be rewritten. */
  | {
      readonly kind: 'unclean';
      readonly segment: Segment;
      readonly validEnd: number;
      readonly fileBytes: number;
      readonly endsWithCleanMark: boolean;
      readonly tornWhy: string | undefined;
    };

/**
 * The state of a log whose last segment ended like `end`, and cuts the segment's size and
 * index to what is valid. `hasStub`: a newer segment without a record follows it.
 */
export function settleTail(
  segment: Segment | undefined,
  end: SegmentEnd | undefined,
  hasStub: boolean,
): TailState {
  if (segment === undefined || end === undefined || hasStub) return { kind: 'none' };
  const { validEnd, endsWithCleanMark, tornWhy } = end;
  if (endsWithCleanMark && tornWhy === undefined) return { kind: 'clean', segment };
  const fileBytes = segment.sizeBytes;
  segment.sizeBytes = validEnd;
  segment.index.cutAt(validEnd);
  return { kind: 'unclean', segment, validEnd, fileBytes, endsWithCleanMark, tornWhy };
}
