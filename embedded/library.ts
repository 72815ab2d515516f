// biome-ignore-all lint/performance/noBarrelFile: what `import … from` the package gives is one file.
/** What the package exports of this room. Whatever is not named here may change without notice. */

export { WalnutError } from '#model/errors.ts';
export type { Logger } from '#platform/logger.ts';
export type { EmbeddedReplica } from './embedded-replica.ts';
export { type EmbeddedNode, openNode } from './open-node.ts';
export { openReplica } from './open-replica.ts';
export type { ReplicaOptions } from './replica-options.ts';
