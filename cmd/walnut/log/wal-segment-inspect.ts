/**
 * Reads one segment from its header to its end or its first damage, in bounded memory.
 * Damage is judged by the rules of a start: `torn` is cut off, `corrupt` and `newer` are
 * refused.
 */
import type { Lsn } from '#model/position.ts';
import type { ChainPoint } from '#model/replication.ts';
import type { File, FileSystem } from '#platform/file-system.ts';
import { createNodeClock } from '#platform/node-clock.ts';
import type { SegmentName } from '#wal/file-names.ts';
import { judgeEnd, type SegmentStop, whyRefused } from '#wal/judge-end.ts';
import type { Manifest } from '#wal/manifest.ts';
import { SEGMENT_HEADER_BYTES, type SegmentHeader } from '#wal/segment-format.ts';
import { type HeaderFault, isHeaderFault, whyNotJoined, whyNotNewest } from '#wal/segment-judge.ts';
import { readHeader, type WalkEnd, walkSegment } from '#wal/walk-segment.ts';
import type { Finding, SegmentReport } from './wal-report.ts';

export interface SegmentToInspect {
  readonly fileSystem: FileSystem;
  readonly directory: string;
  readonly segment: SegmentName;
  /** The last record of the segment before it, if that is known. */
  readonly before: ChainPoint | undefined;
  readonly hasLater: boolean;
  readonly baseLsn: number;
  /** MANIFEST says that every record up to here was durable; 0: it says nothing. */
  readonly knownLsn: number;
  readonly manifest: Manifest | undefined;
}

export async function inspectSegment(request: SegmentToInspect): Promise<SegmentReport> {
  const { fileSystem, directory, segment } = request;
  const file = await fileSystem.open(`${directory}/${segment.name}`, 'read');
  try {
    return await new SegmentInspection(request, file, (await file.stat()).sizeBytes).run();
  } finally {
    await file.close();
  }
}

class SegmentInspection {
  readonly #request: SegmentToInspect;
  readonly #file: File;
  readonly #bytes: number;
  readonly #epochs: number[] = [];
  #chain: ChainPoint;
  #records = 0;
  #firstTimestampMs = 0;
  #lastTimestampMs = 0;

  constructor(request: SegmentToInspect, file: File, bytes: number) {
    this.#request = request;
    this.#file = file;
    this.#bytes = bytes;
    this.#chain = { epoch: 0, lsn: (request.segment.firstLsn - 1) as Lsn, crc: 0 };
  }

  async run(): Promise<SegmentReport> {
    const { hasLater, segment, before, manifest } = this.#request;
    if (this.#bytes <= SEGMENT_HEADER_BYTES && !hasLater) {
      const why = before && whyNotNewest(segment.firstLsn, before.lsn);
      return why === undefined ? this.#report('empty') : this.#damaged('corrupt', 0, why);
    }
    const header = await readHeader(this.#file, { ...segment, logId: manifest?.logId || undefined });
    if (isHeaderFault(header)) return this.#refused(header);
    const fault = before && whyNotJoined(header, before, 'the segment before it');
    if (fault !== undefined) return this.#refused(fault);
    const end = await this.#walk(header);
    this.#chain = end.chain;
    if (end.stop === undefined) return this.#report('sealed');
    return this.#judge(end.stop, header, end.isStopped ? 'stopped' : 'open');
  }

  #walk(header: SegmentHeader): Promise<WalkEnd> {
    return walkSegment({
      file: this.#file,
      header,
      endOffset: this.#bytes,
      onRecord: ({ frame: { epoch, timestampMs } }) => {
        if (this.#epochs.at(-1) !== epoch) this.#epochs.push(epoch);
        if (this.#records++ === 0) this.#firstTimestampMs = timestampMs;
        this.#lastTimestampMs = timestampMs;
        return false;
      },
    });
  }

  #refused(fault: HeaderFault): SegmentReport {
    const why = whyRefused(fault, this.#request.hasLater);
    return this.#damaged(fault.kind === 'newer' ? 'newer' : 'corrupt', fault.byte, why);
  }

  async #judge(
    stop: SegmentStop,
    { salt }: SegmentHeader,
    end: SegmentReport['end'],
  ): Promise<SegmentReport> {
    const { hasLater, baseLsn, knownLsn: knownDurableLsn } = this.#request;
    const bytes = { file: this.#file, sizeBytes: this.#bytes, salt, clock: createNodeClock() };
    const verdict = await judgeEnd(stop, { hasLater, baseLsn, knownDurableLsn }, bytes);
    if (verdict.kind === 'whole') return this.#report(end);
    return this.#damaged(verdict.kind, stop.offset, verdict.why);
  }

  #damaged(kind: 'torn' | 'corrupt' | 'newer', byte: number, why: string): SegmentReport {
    const lsn = this.#chain.lsn + 1;
    return this.#report('damaged', { kind, file: this.#request.segment.name, byte, lsn, why });
  }

  #report(end: SegmentReport['end'], finding?: Finding): SegmentReport {
    const { segment } = this.#request;
    return {
      name: segment.name,
      bytes: this.#bytes,
      firstLsn: segment.firstLsn,
      lastLsn: this.#chain.lsn,
      records: this.#records,
      epochs: this.#epochs,
      firstTimestampMs: this.#firstTimestampMs,
      lastTimestampMs: this.#lastTimestampMs,
      end,
      finding,
      chain: this.#chain,
    };
  }
}
