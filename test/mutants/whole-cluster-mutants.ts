/** Bugs by which a backup of a cluster could lack a group, a restored one could not be led, or its sizes be wrong. */
import type { Mutant } from './mutant.ts';

const BACKUP = 'test/backup/cluster-backup.test.ts';
const PLACE = 'test/backup/backup-repository.test.ts';
const GATEWAY = 'test/server/gateway-modules.test.ts';
const RESTORED = 'test/node/member/restored.test.ts';
const SIZES = 'test/storage/key-slot-sizes.test.ts';

export const WHOLE_CLUSTER_MUTANTS: readonly Mutant[] = [
  {
    name: 'a failed drill of a cluster forgets when the last one passed',
    file: 'cmd/walnut/backup/drill-metrics.ts',
    text: 'find((one) => one.startsWith(start));',
    replacement: 'find((one) => one === start);',
    tests: ['test/cli/cluster-backup.test.ts'],
  },
  {
    name: 'backup of a cluster without a group',
    file: 'internal/model/slots.ts',
    text: 'return next === SLOTS ? undefined',
    replacement: 'return next > 0 ? undefined',
    tests: [BACKUP],
  },
  {
    name: 'backup of a cluster with a group of another one',
    file: 'internal/backup/cluster-manifest.ts',
    text: 'place.clusterId !== first?.place?.clusterId',
    replacement: "place.clusterId === ''",
    tests: [BACKUP],
  },
  {
    name: 'restore of a cluster that begins before every file was read',
    file: 'internal/backup/restore-cluster.ts',
    text: '  for (const file of backup.files) await repository.verifyObject(file.sha256, file.bytes);\n',
    replacement: '',
    tests: [BACKUP],
  },
  {
    name: 'restored group that took the place of the one that was tied',
    file: 'internal/backup/restore-cluster.ts',
    text: 'if (sha256Hex(encodeBackupManifest(backup)) === sha256) return backup;',
    replacement: 'if (sha256.length > 0) return backup;',
    tests: [BACKUP],
  },
  {
    name: 'drill of a cluster that compares no digest',
    file: 'internal/backup/restore-cluster.ts',
    text: "target.kind !== 'end' || restored.digest === digest",
    replacement: "target.kind !== 'end' || digest !== ''",
    tests: [BACKUP],
  },
  {
    name: 'restored group that goes by the member list of an earlier life',
    file: 'internal/node/master-role.ts',
    text: 'isOfThisLife(engine.store.members.current, members)',
    replacement: 'engine.store.members.current !== undefined',
    tests: [RESTORED],
  },
  {
    name: 'own disk counted for QUORUM under an incarnation of an earlier life',
    file: 'internal/replication/quorum-ledger.ts',
    text: 'voter.node === node && voter.incarnation === incarnation',
    replacement: 'voter.node === node',
    tests: ['test/replication/quorum-ledger.test.ts'],
  },
  {
    name: 'cluster of restored groups of which one is missing',
    file: 'internal/coordinator/adopt-group.ts',
    text: 'if (fault === undefined) return slots;',
    replacement: "if (fault?.kind !== 'two') return slots;",
    tests: [RESTORED],
  },
  {
    name: 'size of a slot that counts a change ahead of the walk twice',
    file: 'internal/storage/key-slot-sizes.ts',
    text: 'if (slot < this.#cursor) this.#add(slot, key, 1);',
    replacement: 'if (slot <= this.#cursor) this.#add(slot, key, 1);',
    tests: [SIZES],
  },
  {
    name: 'size of a slot that forgets no entry',
    file: 'internal/storage/key-slot-sizes.ts',
    text: 'if (slot < this.#cursor) this.#add(slot, key, -1);',
    replacement: 'if (slot < 0) this.#add(slot, key, -1);',
    tests: [SIZES],
  },
  {
    name: 'gateway that shows what a passive coordinator knows',
    file: 'internal/peer/cluster-reads.ts',
    text: 'if (!answer.isActive) throw',
    replacement: 'if (answer === undefined) throw',
    tests: [GATEWAY],
  },
  {
    name: 'repository that deletes old files of others in tmp/',
    file: 'internal/backup/backup-repository.ts',
    text: '      if (!UNFINISHED.test(name)) continue;\n',
    replacement: '',
    tests: [PLACE],
  },
  {
    name: 'repository made in a directory of something else',
    file: 'internal/backup/backup-repository.ts',
    text: 'other === undefined || names.some(isMark)',
    replacement: 'other === undefined || names.length > 0',
    tests: [PLACE],
  },
  {
    name: 'group restored to a time before its log begins',
    file: 'internal/backup/fold-log.ts',
    text: 'if (this.#chain.lsn === 0)',
    replacement: 'if (this.#chain.lsn < 0)',
    tests: [BACKUP],
  },
  {
    name: 'cluster restored to a time at which a log did not say its slots',
    file: 'internal/backup/restore-cluster.ts',
    text: '    if (owned === undefined)\n',
    replacement: '    if (owned === undefined && runs.length > images.size)\n',
    tests: [BACKUP],
  },
  {
    name: 'newest backup of any of several clusters taken',
    file: 'internal/backup/cluster-backups.ts',
    text: 'clusters.size > 1',
    replacement: 'clusters.size > 2',
    tests: [BACKUP],
  },
];
