/**
 * YAML → typed configuration. Precedence: file, then the environment, then
 * `--set`. Everything wrong is reported at once by a `ConfigError`, each line
 * as `file:line:column section.key: what was expected`.
 */
import { resolve } from 'node:path';
import type { z } from 'zod';
import type { MasterConfig, NodeConfig, SlaveConfig } from '#config/config.ts';
import { ConfigError } from '#config/config-error.ts';
import {
  type MasterDocument,
  masterSchema,
  type SectionShapes,
  type SlaveDocument,
  shapesOf,
  slaveSchema,
} from '#config/config-schema.ts';
import { coerce, type Override, readEnvironment, readSets } from '#config/overrides.ts';
import { suggestKey } from '#config/suggest-key.ts';
import {
  emptySection,
  type KeyPath,
  parseYaml,
  type RawSection,
  type YamlSource,
} from '#config/yaml-source.ts';
import type { Role } from '#model/status.ts';
import type { FileSystem } from '#platform/file-system.ts';
import { memoryLimitBytes } from '#platform/memory.ts';
import { ownValue } from '#platform/own-value.ts';

/** Beyond this a configuration file is something else by mistake. */
const FILE_BYTES_MAX = 1_048_576;

export interface ConfigSource {
  /** How messages call the file. */
  readonly file: string;
  readonly text: string;
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** `section.key=value`, as given to `--set`. */
  readonly sets?: readonly string[];
  /** What a relative `wal.directory` is taken from: the working directory. Default: it stays as it is written. */
  readonly cwd?: string;
  /** Bytes this process may use; default: the cgroup's limit or the RAM. */
  readonly memoryLimitBytes?: number;
}

/** Throws `ConfigError`. */
export function loadConfig(source: ConfigSource & { readonly role: 'master' }): MasterConfig;
export function loadConfig(source: ConfigSource & { readonly role: 'replica' }): SlaveConfig;
export function loadConfig(source: ConfigSource & { readonly role: Role }): MasterConfig | SlaveConfig;
export function loadConfig(source: ConfigSource & { readonly role: Role }): MasterConfig | SlaveConfig {
  const memoryBytes = source.memoryLimitBytes ?? memoryLimitBytes();
  const yaml = parseYaml(source.file, source.text);
  const { overrides, problems } = readSets(source.sets ?? []);
  if (yaml.problems.length > 0) throw new ConfigError([...yaml.problems, ...problems]);

  const shapes = shapesOf(source.role, memoryBytes);
  const all = [...readEnvironment(source.env ?? {}), ...overrides];
  const labels = applyOverrides(yaml.values, all, shapes);
  for (const section of Object.keys(shapes)) yaml.values[section] ??= emptySection();
  const explain = (error: z.ZodError): string[] =>
    error.issues.flatMap((issue) => describeIssue(issue, { yaml, labels, shapes }));

  if (source.role === 'master') {
    const result = masterSchema(memoryBytes).safeParse(yaml.values);
    const wrong = [...problems, ...(result.success ? [] : explain(result.error))];
    if (!result.success || wrong.length > 0) throw new ConfigError(wrong);
    return { role: 'master', ...toNodeConfig(result.data, source.cwd) };
  }
  const result = slaveSchema(memoryBytes).safeParse(yaml.values);
  const wrong = [...problems, ...(result.success ? [] : explain(result.error))];
  if (!result.success || wrong.length > 0) throw new ConfigError(wrong);
  const { address, sync_interval } = result.data.master;
  const node = toNodeConfig(result.data, source.cwd);
  return {
    role: 'replica',
    ...node,
    replication: { ...node.replication, applyDelayMs: result.data.replication.apply_delay },
    master: { address, syncIntervalMs: sync_interval },
  };
}

/** The text of a configuration file. Throws `ConfigError` where it cannot be read. */
export async function readConfigFile(fileSystem: FileSystem, file: string): Promise<string> {
  try {
    const handle = await fileSystem.open(file, 'read');
    try {
      const { sizeBytes, isDirectory } = await handle.stat();
      if (isDirectory) throw new Error('it is a directory');
      if (sizeBytes > FILE_BYTES_MAX)
        throw new Error(`it has ${sizeBytes} bytes, at most ${FILE_BYTES_MAX} are read`);
      const bytes = new Uint8Array(sizeBytes);
      const length = await handle.read(bytes, 0);
      return new TextDecoder('utf-8', { fatal: true }).decode(bytes.subarray(0, length));
    } finally {
      await handle.close();
    }
  } catch (error) {
    throw new ConfigError([`${file}: cannot read the configuration: ${(error as Error).message}`]);
  }
}

/** Puts overrides into `values`; the label of the last one for each `section.key`. */
function applyOverrides(
  values: Record<string, unknown>,
  overrides: readonly Override[],
  shapes: SectionShapes,
): Map<string, string> {
  const labels = new Map<string, string>();
  for (const { section, key, text, label } of overrides) {
    values[section] ??= emptySection();
    const target = values[section];
    if (typeof target !== 'object' || target === null || Array.isArray(target)) continue;
    (target as RawSection)[key] = coerce(ownValue(ownValue(shapes, section)?.shape, key), text);
    labels.set(`${section}.${key}`, label);
  }
  return labels;
}

interface Context {
  readonly yaml: YamlSource;
  readonly labels: ReadonlyMap<string, string>;
  readonly shapes: SectionShapes;
}

function describeIssue(issue: z.core.$ZodIssue, context: Context): string[] {
  const path = issue.path.map(String);
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.flatMap((key) => describeUnknown([...path, key], context));
  }
  // The only other issue that is not in our own words: a section that is no mapping.
  const message = issue.code === 'custom' ? issue.message : 'expected keys below it, each with a value';
  return [`${locate(path, 'value', context)} ${showPath(path)}: ${message}`];
}

function describeUnknown(path: KeyPath, context: Context): string[] {
  const [section = '', key] = path;
  // An unknown section that only overrides filled is reported for each of them.
  const fromOverrides = [...context.labels].filter(([name]) => name.startsWith(`${section}.`));
  if (key === undefined && fromOverrides.length > 0) {
    return fromOverrides.map(([name, label]) => `${label} ${name}: unknown key`);
  }
  const suggestion = suggestKey(context.shapes, section, key);
  const hint = suggestion === undefined ? '' : `; did you mean ${suggestion}?`;
  return [`${locate(path, 'key', context)} ${showPath(path)}: unknown key${hint}`];
}

/** A key of the file may be any text: one that is no plain word is quoted, and cut. */
function showPath(path: KeyPath): string {
  return path
    .map((name) => (/^[\w-]{1,64}$/.test(name) ? name : JSON.stringify(name.slice(0, 64))))
    .join('.');
}

function locate(path: KeyPath, what: 'key' | 'value', { yaml, labels }: Context): string {
  return labels.get(path.slice(0, 2).join('.')) ?? yaml.locate(path, what);
}

function toNodeConfig(document: MasterDocument | SlaveDocument, cwd: string | undefined): NodeConfig {
  const { server, wal, snapshot, storage, replication, log } = document;
  return {
    server: {
      port: server.port,
      address: server.address,
      advertise: server.advertise,
      allowedHosts: server.allowed_hosts,
      valueBytesMax: server.max_value_bytes,
      batchBytesMax: server.max_batch_bytes,
    },
    wal: {
      directory: cwd === undefined ? wal.directory : resolve(cwd, wal.directory),
      fsync: wal.fsync,
      syncIntervalMs: wal.sync_interval,
      fileBytesMax: wal.max_file_size,
      retentionBytes: wal.retention,
      asideBytesMax: wal.aside_max_bytes,
      asideAgeMaxMs: wal.aside_max_age,
    },
    snapshot: { everyBytes: snapshot.every },
    storage: {
      entriesMax: storage.max_entries,
      memoryBytesMax: storage.max_memory,
      defaultTtlMs: storage.default_ttl,
      scrubIntervalMs: storage.scrub_interval,
      evictionPolicy: storage.eviction_policy,
    },
    replication: {
      replicas: replication.replicas,
      syncIntervalMs: replication.sync_interval,
      pushBytesMax: replication.max_push_bytes,
      heartbeatMs: replication.heartbeat,
      lagMsMax: replication.max_lag,
      serveStale: replication.serve_stale,
      minReplicasToWrite: replication.min_replicas_to_write,
      snapshotBytesPerSecond: replication.snapshot_max_rate,
      snapshotLogBytesMax: replication.snapshot_max_log,
    },
    log: { level: log.level, format: log.format },
  };
}
