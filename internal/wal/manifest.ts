/**
 * MANIFEST: the file whose replacement commits each change of a data directory. It
 * is text, so that an operator can read it: one line of JSON and one with its
 * CRC-32. Pure; parsing returns what is wrong as text. `WalDirectory.commit` writes
 * the file.
 */
import type { DivergedTail } from '#model/diverged.ts';
import type { NodeAddress } from '#model/replication.ts';
import type { Role } from '#model/status.ts';
import { crc32 } from '#platform/crc32.ts';
import { parseSegmentName } from '#wal/file-names.ts';

/** What an operator ordered for a log that is applied late. */
export interface ApplyHold {
  /** Records up to this LSN are applied at once; 0: none. */
  readonly uptoLsn: number;
  /** No record after `uptoLsn` is applied until the operator resumes applying. */
  readonly isHeld: boolean;
}

/** The end of the log when MANIFEST was written. */
export interface LogReach {
  /** File name of the newest segment. */
  readonly segment: string;
  /** Every record up to this LSN was durable. */
  readonly lsn: number;
}

/** The place of a directory in a cluster. */
export interface MemberPlace {
  /** `cluster.name`. */
  readonly cluster: string;
  /** `cluster.node`: the name by which the cluster lists the node. */
  readonly node: string;
  /** 32 hex digits; empty until a coordinator has said it. */
  readonly clusterId: string;
  /** Empty until the map assigns the node to a group. */
  readonly group: string;
  /** The highest map epoch that the node heard of: a metadata store that is older was restored from a backup. */
  readonly mapEpoch?: number;
}

export interface Manifest {
  /** 2 where log and snapshot may have formats that release 0.1.0 does not read (ADR 14). */
  readonly format: 1 | 2;
  /** 32 hex digits; empty on a replica that has not registered yet. */
  readonly logId: string;
  readonly nodeId: string;
  /** Renewed where durable records were lost or replaced: `engine/incarnation.ts`; absent: an earlier version wrote the file. */
  readonly incarnation?: number;
  /** Absent: the directory belongs to no cluster. */
  readonly member?: MemberPlace;
  readonly role: Role;
  /** `host:port` of the master that this replica follows; empty on a master. */
  readonly upstream: string;
  /** The highest term that this node has seen; it is stored before this node answers with it. */
  readonly term: number;
  /** File name of the base snapshot; empty if there is none. */
  readonly snapshot: string;
  /** Segments with a lower number are excluded. */
  readonly lowestSegment: number;
  /** Further excluded segments, which cuts left: the first and last number of each run. */
  readonly excludedSegments?: readonly (readonly [number, number])[];
  /** The segment and LSN that a start must find, unless the segment is excluded; absent: nothing is known. */
  readonly reaches?: LogReach | undefined;
  /** The addresses that registered or were added, and those that were removed: `replication/known-replicas.ts`. */
  readonly replicas: {
    readonly added: readonly string[];
    readonly removed: readonly string[];
    /** The node that last registered at each address; absent if it is not known, or version 0.1 wrote the file. */
    readonly nodes?: readonly NodeAddress[];
  };
  /** The term that this node was promoted to; it begins with its next epoch record if none of it is there yet. */
  readonly promotedTo?: number;
  /**
   * On a master that hands over: the node that it asked to lead, the term and the
   * record, until it knows the outcome. Opaque here.
   */
  readonly handover?: unknown;
  /** Tails of the log that were set aside, oldest first. */
  readonly diverged?: readonly DivergedTail[];
  /** Segments in aside/ up to this number belong to tails that are no longer listed and that no operator has seen. */
  readonly keepsAsideTo?: number;
  /** `master.address` as the configuration had it at the last start: only a change of it overrides `upstream`. */
  readonly configuredUpstream?: string;
  /**
   * The directory was restored from a backup and has led no term since, so that its group may have gone on
   * through terms that it does not know. Absent: no.
   */
  readonly isRestored?: boolean | undefined;
  /** Why this replica stopped following; opaque here. */
  readonly quarantine: unknown | null;
  /** On a delayed replica: what an operator ordered, if anything. */
  readonly applyHold?: ApplyHold | undefined;
}

export function encodeManifest(manifest: Manifest): Buffer {
  const json = JSON.stringify(manifest);
  return Buffer.from(`${json}\ncrc32 ${crcOf(json)}\n`);
}

/** The manifest, or what is wrong with it. */
export function tryDecodeManifest(bytes: Uint8Array): Manifest | string {
  const text = Buffer.from(bytes).toString('utf8');
  const match = /^(.*)\ncrc32 ([0-9a-f]{8})\n$/s.exec(text);
  if (match === null) return 'it is not one line of JSON and one of CRC';
  const json = match[1] as string;
  if (crcOf(json) !== match[2]) return 'its CRC differs';
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch {
    return 'it is not JSON';
  }
  const { format } = value as { format?: unknown };
  if (format !== 1 && format !== 2) return `format ${JSON.stringify(format)} is not known to this program`;
  return isManifest(value) ? value : 'a field is missing or of the wrong type';
}

function crcOf(json: string): string {
  return crc32(Buffer.from(json)).toString(16).padStart(8, '0');
}

function isManifest(value: unknown): value is Manifest {
  const m = value as Record<string, unknown>;
  const texts = [m['logId'], m['nodeId'], m['upstream'], m['snapshot']];
  const numbers = [m['term'], m['lowestSegment']];
  const replicas = m['replicas'] as { added?: unknown; removed?: unknown; nodes?: unknown } | undefined;
  return (
    texts.every((text) => typeof text === 'string') &&
    numbers.every((number) => Number.isSafeInteger(number) && (number as number) >= 0) &&
    (m['role'] === 'master' || m['role'] === 'replica') &&
    [m['promotedTo'] ?? 0, m['keepsAsideTo'] ?? 0, m['incarnation'] ?? 0].every((number) =>
      Number.isSafeInteger(number),
    ) &&
    [m['configuredUpstream'] ?? ''].every((text) => typeof text === 'string') &&
    typeof (m['isRestored'] ?? false) === 'boolean' &&
    Array.isArray(m['diverged'] ?? []) &&
    Array.isArray(replicas?.added) &&
    Array.isArray(replicas?.removed) &&
    Array.isArray(replicas?.nodes ?? []) &&
    isMemberPlace(m['member']) &&
    isApplyHold(m['applyHold']) &&
    isReach(m['reaches'])
  );
}

function isMemberPlace(value: unknown): boolean {
  if (value === undefined) return true;
  const place = value as Record<string, unknown> | null;
  return (
    ['cluster', 'node', 'clusterId', 'group'].every((field) => typeof place?.[field] === 'string') &&
    Number.isSafeInteger(place?.['mapEpoch'] ?? 0)
  );
}

function isReach(value: unknown): boolean {
  if (value === undefined) return true;
  const reach = value as Record<string, unknown> | null;
  const { segment, lsn } = reach ?? {};
  return typeof segment === 'string' && parseSegmentName(segment) !== undefined && Number.isSafeInteger(lsn);
}

function isApplyHold(value: unknown): boolean {
  if (value === undefined) return true;
  const hold = value as Record<string, unknown> | null;
  return Number.isSafeInteger(hold?.['uptoLsn']) && typeof hold?.['isHeld'] === 'boolean';
}

/** True if segment `seq` is excluded, so that it does not belong to the log. */
export function isSegmentExcluded(manifest: Manifest, seq: number): boolean {
  if (seq < manifest.lowestSegment) return true;
  return (manifest.excludedSegments ?? []).some(([first, last]) => seq >= first && seq <= last);
}
