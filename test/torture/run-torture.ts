/**
 * `npm run test:torture`: the long forms of the durability and replication tests. Prints the
 * seeds that reproduce what it did, counts, and `N passed, N failed` last.
 * Exit code 0 where nothing failed, 1 where something did, 2 for wrong arguments.
 */
import { findSwallowed } from '#platform/npm-options.ts';
import { Report } from './report.ts';
import { type Part, parseTortureOptions, USAGE } from './run-options.ts';
import { tortureAttack } from './torture-attack.ts';
import { tortureClient } from './torture-client.ts';
import { tortureClusterProcesses } from './torture-cluster-processes.ts';
import { tortureClusters } from './torture-clusters.ts';
import { tortureDamage } from './torture-damage.ts';
import { tortureFailovers } from './torture-failovers.ts';
import { tortureFuzz } from './torture-fuzz.ts';
import { tortureGateway } from './torture-gateway.ts';
import { tortureGroups } from './torture-groups.ts';
import { tortureLinks } from './torture-links.ts';
import { tortureModel } from './torture-model.ts';
import { tortureProcess } from './torture-process.ts';
import { tortureRotations } from './torture-rotations.ts';
import { tortureStampede } from './torture-stampede.ts';
import { tortureSyscalls } from './torture-syscalls.ts';
import { tortureWal } from './torture-wal.ts';

if (process.argv.slice(2).some((argument) => argument === '--help' || argument === '-h')) {
  process.stdout.write(`${USAGE}\n`);
  process.exit(0);
}
const swallowed = findSwallowed(process.env, 'test:torture', ['only', 'seed', 'seconds', 'rounds']);
if (swallowed !== undefined) {
  process.stderr.write(`${swallowed.message}\n${swallowed.advice}\n`);
  process.exit(2);
}
const options = parseTortureOptions(process.argv.slice(2), Date.now() % 1_000_000);
if (typeof options === 'string') {
  process.stderr.write(`${options}\n${USAGE}\n`);
  process.exit(2);
}
const { only, seed, seconds, rounds } = options;
const report = new Report();
const isWanted = (part: Part): boolean => only === undefined || only === part;
if (isWanted('wal')) await tortureWal(report, seed, seconds);
if (isWanted('damage')) await tortureDamage(report, seed);
if (isWanted('process')) await tortureProcess(report, seed);
if (isWanted('syscalls')) await tortureSyscalls(report);
if (isWanted('links')) await tortureLinks(report, seed);
if (isWanted('groups')) await tortureGroups(report, seed, seconds);
if (isWanted('clusters')) await tortureClusters(report, seed, seconds);
if (isWanted('model')) await tortureModel(report, seed);
if (isWanted('failovers')) await tortureFailovers(report);
if (isWanted('cluster-processes')) await tortureClusterProcesses(report, seed, rounds);
if (isWanted('client')) await tortureClient(report, seed, rounds);
if (isWanted('gateway')) await tortureGateway(report, rounds);
if (isWanted('stampede')) await tortureStampede(report);
if (isWanted('rotations')) await tortureRotations(report);
if (isWanted('attack')) await tortureAttack(report);
if (isWanted('fuzz')) await tortureFuzz(report, seed);
if (report.skipped > 0) report.say(`${report.skipped} skipped`);
report.say(`${report.passed} passed, ${report.failed} failed`);
process.exitCode = report.failed === 0 && report.passed > 0 ? 0 : 1;
