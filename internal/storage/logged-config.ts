/**
 * Version 2 of the configuration that a log states, as CONFIG records and
 * snapshots have it: the whole of it each time, so a block that is absent means
 * its default. README.md of the engine specifies the bytes. Pure.
 */
import type { EvictionPolicy, EvictionScope, StoreLimits } from '#model/entry.ts';
import { BlockError, encodeBlock, readBlocks } from '#platform/blocks.ts';
import { readUint53, writeUint53 } from '#platform/bytes.ts';

const CONFIG_VERSION_2 = 2;
const LIMITS = 1;
const WALL_OFFSET = 2;
const DEFAULT_TTL = 3;

/** By their numbers in version 2. */
const POLICIES: readonly EvictionPolicy[] = ['lru', 'none', 'ttl'];
const SCOPES: readonly EvictionScope[] = ['all', 'with_ttl'];
const LIMITS_BYTES = 18;
const OFFSET_BYTES = 8;
const TTL_BYTES = 8;

/** In force from a record on, on every node, also after a promotion. */
export interface LoggedConfig {
  readonly limits: StoreLimits;
  /** What is to be added to the log clock to have wall time, milliseconds; may be negative. */
  readonly wallOffsetMs: number;
}

/** True if version 1 cannot state it. */
export function needsConfigV2({ limits, wallOffsetMs }: LoggedConfig): boolean {
  const { policy, scope = 'all', defaultTtlMs } = limits;
  return wallOffsetMs !== 0 || policy === 'ttl' || scope !== 'all' || defaultTtlMs !== undefined;
}

export function encodeConfigV2({ limits, wallOffsetMs }: LoggedConfig): Buffer {
  const stated = Buffer.alloc(LIMITS_BYTES);
  stated[0] = POLICIES.indexOf(limits.policy);
  stated[1] = SCOPES.indexOf(limits.scope ?? 'all');
  writeUint53(stated, limits.entriesMax, 2);
  writeUint53(stated, limits.bytesMax, 10);
  const blocks = [encodeBlock(LIMITS, stated)];
  if (wallOffsetMs !== 0) {
    const offset = Buffer.alloc(OFFSET_BYTES);
    offset.writeBigInt64LE(BigInt(wallOffsetMs));
    blocks.push(encodeBlock(WALL_OFFSET, offset));
  }
  if (limits.defaultTtlMs !== undefined) {
    const ttl = Buffer.alloc(TTL_BYTES);
    writeUint53(ttl, limits.defaultTtlMs, 0);
    blocks.push(encodeBlock(DEFAULT_TTL, ttl));
  }
  return Buffer.concat([Buffer.of(CONFIG_VERSION_2), ...blocks]);
}

/** Decodes `bytes[from, to)`. Throws `BlockError`. */
export function decodeConfigV2(bytes: Buffer, from: number, to: number): LoggedConfig {
  if (from === to) throw new BlockError(from, 'the configuration has no version');
  const version = bytes[from];
  if (version !== CONFIG_VERSION_2) {
    const isNewer = (version as number) > CONFIG_VERSION_2;
    throw new BlockError(from, `unknown version ${version} of the configuration`, isNewer);
  }
  const blocks = readBlocks(bytes, from + 1, to, [LIMITS, WALL_OFFSET, DEFAULT_TTL]);
  const limits = blocks.get(LIMITS);
  if (limits === undefined) throw new BlockError(from, 'the configuration states no limits');
  const offset = blocks.get(WALL_OFFSET);
  const ttl = blocks.get(DEFAULT_TTL);
  return {
    limits: {
      ...decodeLimits(bytes, limits.from, limits.to),
      ...(ttl === undefined ? {} : { defaultTtlMs: decodeTtl(bytes, ttl.from, ttl.to) }),
    },
    wallOffsetMs: offset === undefined ? 0 : decodeOffset(bytes, offset.from, offset.to),
  };
}

function decodeLimits(bytes: Buffer, from: number, to: number): StoreLimits {
  if (to - from !== LIMITS_BYTES) throw new BlockError(from, `limits of ${to - from} bytes`);
  const policy = POLICIES[bytes[from] as number];
  if (policy === undefined) throw new BlockError(from, `unknown eviction policy ${bytes[from]}`, true);
  const scope = SCOPES[bytes[from + 1] as number];
  if (scope === undefined) throw new BlockError(from + 1, `unknown eviction scope ${bytes[from + 1]}`, true);
  const entriesMax = readUint53(bytes, from + 2);
  const bytesMax = readUint53(bytes, from + 10);
  if (Number.isNaN(entriesMax + bytesMax)) throw new BlockError(from + 2, 'a limit of 2^53 or more');
  return { entriesMax, bytesMax, policy, ...(scope === 'all' ? {} : { scope }) };
}

function decodeTtl(bytes: Buffer, from: number, to: number): number {
  if (to - from !== TTL_BYTES) throw new BlockError(from, `a default time to live of ${to - from} bytes`);
  const ttlMs = readUint53(bytes, from);
  if (Number.isNaN(ttlMs)) throw new BlockError(from, 'a default time to live of 2^53 or more');
  if (ttlMs === 0) throw new BlockError(from, 'a default time to live of 0 is stated by its absence');
  return ttlMs;
}

function decodeOffset(bytes: Buffer, from: number, to: number): number {
  if (to - from !== OFFSET_BYTES) throw new BlockError(from, `an offset of ${to - from} bytes`);
  const offsetMs = Number(bytes.readBigInt64LE(from));
  if (!Number.isSafeInteger(offsetMs)) throw new BlockError(from, 'an offset of 2^53 or more');
  if (offsetMs === 0) throw new BlockError(from, 'an offset of 0 is stated by its absence');
  return offsetMs;
}
