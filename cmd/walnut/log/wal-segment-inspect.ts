/**
 * Reads one segment from its header to its end or its first damage, in bounded
 * memory, and has damage judged by the same rules as a start does: torn, which
 * a start cuts off, or corrupt, which it refuses.
 */

import type { File, FileSystem } from '#platform/file-system.ts';
import { createNodeClock } from '#platform/node-clock.ts';
import type { SegmentName } from '#wal/file-names.ts';
import { whyNotNext } from '#wal/frame.ts';
import { searchLaterItems } from '#wal/later-items.ts';
import type { Manifest } from '#wal/manifest.ts';
import {
  isUnknownSegmentFormat,
  SEGMENT_HEADER_BYTES,
  type SegmentHeader,
  tryDecodeSegmentHeader,
} from '#wal/segment-format.ts';
import { type SegmentItem, SegmentScanner } from '#wal/segment-scanner.ts';
import { judgeDamage } from '#wal/verdict.ts';
import type { ChainEnd, Finding, SegmentReport } from './wal-report.ts';

interface Bad {
  readonly offset: number;
  readonly why: string;
  readonly isUnknown?: boolean;
}

export interface SegmentToInspect {
  readonly fileSystem: FileSystem;
  readonly directory: string;
  readonly segment: SegmentName;
  /** The end of the segment before it, where that is known. */
  readonly before: ChainEnd | undefined;
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
  #chain: ChainEnd;
  #records = 0;
  #firstTimestampMs = 0;
  #lastTimestampMs = 0;
  #end: SegmentReport['end'] = 'open';

  constructor(request: SegmentToInspect, file: File, bytes: number) {
    this.#request = request;
    this.#file = file;
    this.#bytes = bytes;
    this.#chain = { lsn: request.segment.firstLsn - 1, crc: 0 };
  }

  async run(): Promise<SegmentReport> {
    if (this.#bytes <= SEGMENT_HEADER_BYTES && !this.#request.hasLater) {
      this.#end = 'empty';
      return this.#report(undefined);
    }
    const head = Buffer.alloc(SEGMENT_HEADER_BYTES);
    const header = tryDecodeSegmentHeader(head.subarray(0, await this.#file.read(head, 0)));
    if (typeof header === 'string') {
      return this.#damaged(
        'header',
        { offset: 0, why: header, isUnknown: isUnknownSegmentFormat(head) },
        undefined,
      );
    }
    const why = this.#whyForeign(header);
    if (why !== undefined) return this.#damaged('header', { offset: 0, why }, undefined);
    this.#chain = { lsn: header.firstLsn - 1, crc: header.lastCrc };
    const bad = await this.#scan(header);
    if (bad !== undefined) return this.#damaged('item', bad, header);
    if (this.#end !== 'sealed' && this.#request.hasLater) {
      const bad = { offset: this.#bytes, why: 'the segment ends without its seal' };
      return this.#damaged('unsealed_end', bad, header);
    }
    return this.#report(undefined);
  }

  #whyForeign(header: SegmentHeader): string | undefined {
    const { segment, before, manifest } = this.#request;
    if (manifest !== undefined && manifest.logId !== '' && header.logId !== manifest.logId) {
      return `the segment belongs to log ${header.logId}, the directory to log ${manifest.logId}`;
    }
    if (header.seq !== segment.seq || header.firstLsn !== segment.firstLsn) {
      return 'the file name and the header differ';
    }
    if (before === undefined) return undefined;
    if (header.firstLsn !== before.lsn + 1) return `LSN ${before.lsn + 1} is missing before this segment`;
    return header.lastCrc === before.crc ? undefined : 'the segment does not continue the one before it';
  }

  async #scan({ salt }: SegmentHeader): Promise<Bad | undefined> {
    const range = { fromOffset: SEGMENT_HEADER_BYTES, endOffset: this.#bytes, salt };
    const scanner = new SegmentScanner(this.#file, range);
    for (;;) {
      const item = scanner.tryNext();
      if (item === undefined) {
        await scanner.fill();
        continue;
      }
      if (item.kind === 'end') return undefined;
      const why = this.#tryTake(item);
      if (why !== undefined)
        return { offset: item.offset, why, isUnknown: item.kind === 'bad' && item.isUnknown };
    }
  }

  /** Why the item cannot stand there; undefined where it can. */
  #tryTake(item: Exclude<SegmentItem, { kind: 'end' }>): string | undefined {
    if (item.kind === 'bad') return item.why;
    if (this.#end === 'sealed') return 'something stands behind the seal';
    if (item.kind === 'mark') {
      if (item.mark.lastLsn !== this.#chain.lsn)
        return `a mark of LSN ${item.mark.lastLsn} stands after LSN ${this.#chain.lsn}`;
      this.#end = item.mark.isCleanStop ? 'stopped' : 'open';
      return undefined;
    }
    if (item.kind === 'seal') {
      const { lastLsn, lastCrc, records } = item.seal;
      const fits = lastLsn === this.#chain.lsn && lastCrc === this.#chain.crc && records === this.#records;
      if (!fits) return `the seal (LSN ${lastLsn}, ${records} records) does not fit LSN ${this.#chain.lsn}`;
      this.#end = 'sealed';
      return undefined;
    }
    const { frame } = item;
    const why = whyNotNext(this.#chain, frame);
    if (why !== undefined) return why;
    this.#chain = { lsn: frame.lsn, crc: frame.crc };
    this.#end = 'open';
    if (this.#epochs.at(-1) !== frame.epoch) this.#epochs.push(frame.epoch);
    if (this.#records++ === 0) this.#firstTimestampMs = frame.timestampMs;
    this.#lastTimestampMs = frame.timestampMs;
    return undefined;
  }

  async #damaged(
    what: 'item' | 'header' | 'unsealed_end',
    { offset: byte, why, isUnknown = false }: Bad,
    header: SegmentHeader | undefined,
  ): Promise<SegmentReport> {
    const { segment, hasLater, baseLsn, knownLsn } = this.#request;
    const lsn = this.#chain.lsn + 1;
    const neededLsn = Math.max(this.#chain.lsn, baseLsn) + 1;
    let provenDurableLsn = knownLsn;
    const provenBy = knownLsn >= neededLsn ? 'MANIFEST' : 'a later item';
    if (header !== undefined && what === 'item' && !isUnknown && !hasLater && knownLsn < neededLsn) {
      await searchLaterItems({
        file: this.#file,
        fromOffset: byte,
        sizeBytes: this.#bytes,
        salt: header.salt,
        expectedLsn: lsn,
        clock: createNodeClock(),
        onItem: (item) => {
          provenDurableLsn = Math.max(provenDurableLsn, item.lsn - item.durLag);
          return provenDurableLsn >= neededLsn;
        },
      });
    }
    const proof = { provenDurableLsn, provenBy } as const;
    const verdict = judgeDamage({ what, isUnknown, hasLaterSegment: hasLater, neededLsn, ...proof });
    this.#end = 'damaged';
    const reason = verdict.kind !== 'corrupt' || what === 'unsealed_end' ? why : `${why}; ${verdict.why}`;
    const kind = verdict.kind === 'tail' ? 'torn' : verdict.kind;
    return this.#report({ kind, file: segment.name, byte, lsn, why: reason });
  }

  #report(finding: Finding | undefined): SegmentReport {
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
      end: this.#end,
      finding,
      chain: this.#chain,
    };
  }
}
