/**
 * The end of the log as MANIFEST states it. Only this shows that whole segments,
 * or their ends, are missing. Pure.
 */
import { parseSegmentName } from '#wal/file-names.ts';
import { isSegmentExcluded, type LogReach, type Manifest } from '#wal/manifest.ts';
import { SEGMENT_HEADER_BYTES } from '#wal/segment-format.ts';

/** What must be in the log according to MANIFEST; segments that it excludes are not demanded. */
export interface Demand {
  /** File name and number of a segment that must exist. */
  readonly segment: string;
  readonly seq: number;
  /** Every record up to this LSN was durable. */
  readonly lsn: number;
}

/** Undefined if MANIFEST demands nothing: there is no log yet, or an older program wrote it. */
export function demandOf(manifest: Manifest): Demand | undefined {
  const { reaches } = manifest;
  const seq = parseSegmentName(reaches?.segment ?? '')?.seq;
  if (manifest.logId === '' || reaches === undefined || seq === undefined) return undefined;
  if (isSegmentExcluded(manifest, seq)) return undefined;
  return { ...reaches, seq };
}

/** The manifest with the later of its own `reaches` and `found`; without `reaches` if both segments are excluded. */
export function withReach(manifest: Manifest, found: LogReach | undefined): Manifest {
  const { reaches: _said, ...rest } = manifest;
  const said = demandOf(manifest);
  const other = found === undefined ? undefined : demandOf({ ...manifest, reaches: found });
  const further = isFurther(other, said) ? other : said;
  return further === undefined ? rest : { ...rest, reaches: { segment: further.segment, lsn: further.lsn } };
}

function isFurther(one: Demand | undefined, than: Demand | undefined): boolean {
  if (one === undefined || than === undefined) return one !== undefined;
  return one.seq > than.seq || (one.seq === than.seq && one.lsn > than.lsn);
}

/** What was found of a log. */
export interface Found {
  /** Numbers of its segments. */
  readonly seqs: readonly number[];
  /** Its last record, or that of the base snapshot if it is later. */
  readonly endLsn: number;
  /** Bytes of its newest segment, if it has one. */
  readonly newestBytes: number | undefined;
}

/** What is missing of the log; undefined if nothing is. */
export function whyShort(demand: Demand | undefined, found: Found): string | undefined {
  if (demand === undefined) return undefined;
  const { lsn, seq } = demand;
  const known = `MANIFEST knows that LSN ${lsn} was durable`;
  if (!found.seqs.includes(seq)) {
    return lsn > found.endLsn
      ? `this segment is missing: what is left ends at LSN ${found.endLsn}, and ${known}`
      : `this segment is missing: MANIFEST knows that it was there, with whatever was written behind LSN ${lsn}`;
  }
  if (lsn > found.endLsn) return `the log ends at LSN ${found.endLsn}, but ${known}`;
  const { newestBytes = 0 } = found;
  // MANIFEST names a segment when its header is durable, and the file is never shorter again.
  return seq === found.seqs.at(-1) && newestBytes < SEGMENT_HEADER_BYTES
    ? `this segment was cut to ${newestBytes} bytes: MANIFEST knows that it had a header, with whatever was written behind LSN ${lsn}`
    : undefined;
}
