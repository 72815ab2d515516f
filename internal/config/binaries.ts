/**
 * The kinds of binaries and the sections that each takes. A new kind is a row
 * here: what it shares with others it shares as sections, and a section or key
 * that only other kinds take is refused by naming them.
 */
import type { KeySchemas, Section, Surroundings } from '#config/section.ts';
import { AUTH } from '#config/sections/auth.ts';
import { CLUSTER } from '#config/sections/cluster.ts';
import { COORDINATOR } from '#config/sections/coordinator.ts';
import { GATEWAY } from '#config/sections/gateway.ts';
import { LOG } from '#config/sections/log.ts';
import { METRICS } from '#config/sections/metrics.ts';
import { PEER } from '#config/sections/peer.ts';
import { MEMBER_REPLICATION, REPLICATION, SLAVE_REPLICATION } from '#config/sections/replication.ts';
import { EDGE, KEYS_SERVER, SERVER } from '#config/sections/server.ts';
import { SNAPSHOT } from '#config/sections/snapshot.ts';
import { STORAGE } from '#config/sections/storage.ts';
import { UPSTREAM } from '#config/sections/upstream.ts';
import { WAL } from '#config/sections/wal.ts';
import { ownValue } from '#platform/own-value.ts';

const PROCESS = { metrics: METRICS, log: LOG };
const NODE = { server: SERVER, auth: AUTH, peer: PEER, wal: WAL, snapshot: SNAPSHOT, storage: STORAGE };

const SECTIONS = {
  master: { ...NODE, replication: REPLICATION, ...PROCESS },
  slave: { ...NODE, replication: SLAVE_REPLICATION, ...PROCESS, master: UPSTREAM },
  node: { ...NODE, cluster: CLUSTER, replication: MEMBER_REPLICATION, ...PROCESS },
  gateway: { server: KEYS_SERVER, auth: AUTH, peer: PEER, ...PROCESS, gateway: GATEWAY },
  coordinator: { server: EDGE, auth: AUTH, peer: PEER, ...PROCESS, coordinator: COORDINATOR },
};

/** The last part of the binary's name: `walnut-master`, `walnut-slave`, `walnut-node`, `walnut-gateway`, `walnut-coordinator`. */
export type BinaryKind = keyof typeof SECTIONS;

export const BINARY_KINDS = Object.keys(SECTIONS) as readonly BinaryKind[];

/** The checked configuration of one kind of binary, in plain units. */
export type ConfigOf<Kind extends BinaryKind> = Kind extends BinaryKind
  ? { readonly kind: Kind } & {
      readonly [Name in keyof (typeof SECTIONS)[Kind]]: (typeof SECTIONS)[Kind][Name] extends Section<
        infer Config
      >
        ? Config
        : never;
    }
  : never;
export type MasterConfig = ConfigOf<'master'>;
export type SlaveConfig = ConfigOf<'slave'>;
export type MemberConfig = ConfigOf<'node'>;
/** The binaries that start a node, in either role. */
export type NodeConfig = MasterConfig | SlaveConfig | MemberConfig;
export type NodeKind = NodeConfig['kind'];

export type Sections = Readonly<Record<string, Section<unknown>>>;

/** The sections of `kind`, in the order of its file. */
export function sectionsOf(kind: BinaryKind): Sections {
  // The cast loses each section's own type; `ConfigOf` restores it for callers.
  return SECTIONS[kind] as Sections;
}

/** The schemas of every key of `kind`, by section. */
export type SectionKeys = Readonly<Record<string, KeySchemas>>;

export function keysOf(kind: BinaryKind, surroundings: Surroundings): SectionKeys {
  return Object.fromEntries(
    Object.entries(sectionsOf(kind)).map(([name, section]) => [name, section.keys(surroundings)]),
  );
}

/** The names of all keys do not depend on the machine; only limits and defaults of some do. */
const NO_SURROUNDINGS: Surroundings = { memoryLimitBytes: 0, cwd: undefined };
const keyNames = new Map<BinaryKind, Readonly<Record<string, ReadonlySet<string>>>>();

/** The names of all keys of `kind`, by section. Made once, since making a schema costs a millisecond. */
export function keyNamesOf(kind: BinaryKind): Readonly<Record<string, ReadonlySet<string>>> {
  let names = keyNames.get(kind);
  if (names === undefined) {
    const sections = Object.entries(keysOf(kind, NO_SURROUNDINGS));
    names = Object.fromEntries(sections.map(([section, keys]) => [section, new Set(Object.keys(keys))]));
    keyNames.set(kind, names);
  }
  return names;
}

/** Names of the binaries that take this section or, where `key` is given, this key of it. */
export function takersOf(section: string, key?: string): string[] {
  return BINARY_KINDS.filter((kind) => {
    const keys = ownValue(keyNamesOf(kind), section);
    return keys !== undefined && (key === undefined || keys.has(key));
  }).map(commandOf);
}

/** True if the two binaries do the same for a group: a file of one may be meant for the other. */
export function areAlike(a: BinaryKind, b: BinaryKind): boolean {
  const has = (kind: BinaryKind, section: string): boolean => Object.hasOwn(SECTIONS[kind], section);
  return has(a, 'wal') && ['wal', 'cluster'].every((section) => has(a, section) === has(b, section));
}

export function commandOf(kind: BinaryKind): string {
  return `walnut-${kind}`;
}
