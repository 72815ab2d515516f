/** `walnut cluster …`: makes a cluster, shows it, and changes who leads. */
import { type Command, InvalidArgumentError, Option } from 'commander';
import { GROUP_ID_FORM, isGroupId, isNodeName } from '#cluster/names.ts';
import { SLOTS } from '#model/slots.ts';
import { type NamedAddress, parseAddress, parseCount, parseDurationMs } from '../arguments.ts';
import { type CommandHost, usageError } from '../command-host.ts';
import { addBackups } from './cluster-backup.ts';
import { runAddGroup, runDrain, runFailover, runInit } from './cluster-changes.ts';
import { type PlannedGroup, parseGroup } from './cluster-options.ts';
import { runMap, runNodes, runSlot, runStatus } from './cluster-reads.ts';
import { runRecover } from './cluster-recovery.ts';
import { runSlots } from './cluster-slots.ts';

const COORDINATORS_DEFAULT = '127.0.0.1:8070';
const TIMEOUT_MS_DEFAULT = 30_000;

export function addClusterCommand(program: Command, host: CommandHost): void {
  const cluster = program
    .command('cluster')
    .summary('make a cluster, show it, change who leads, back it up')
    .description(
      'Calls the coordinators of a cluster, whichever of them is active. Backups are made of files and call nobody.',
    )
    .addHelpText(
      'after',
      `
Examples:
  walnut cluster init --auto 2
  walnut cluster status
  walnut cluster status --address 127.0.0.1:8000
  walnut cluster failover g1 --to node-2`,
    );
  // A gateway answers what reads the cluster, and names the coordinator that changes it.
  cluster.hook('preAction', (_, command) => {
    const isSet = (of: Command, option: string): boolean => of.getOptionValueSource(option) === 'cli';
    if (isSet(program, 'address') && !isSet(command, 'coordinators'))
      command.setOptionValue('coordinators', [program.getOptionValue('address')]);
  });
  const add = (name: string, summary: string, examples: string): Command =>
    cluster
      .command(name)
      .summary(summary)
      .description(`${summary[0]?.toUpperCase()}${summary.slice(1)}.`)
      .addOption(coordinatorsOption(host))
      .addHelpText('after', `\nExamples:\n${examples}`);
  addChanges(add, host);
  addRecovery(add, host);
  addReads(add, host);
  addBackups(cluster, host);
}

type Add = (name: string, summary: string, examples: string) => Command;

function addChanges(add: Add, host: CommandHost): void {
  add(
    'init',
    'make the cluster of nodes that are heard and empty',
    '  walnut cluster init --auto 2\n  walnut cluster init --group g1=node-1,node-2,node-3',
  )
    .option('--group <id=node,node>', 'a group and its members; repeatable', collectGroup)
    .option(
      '--auto <replicas>',
      'groups of all free nodes, each of a master and so many replicas',
      parseCount(0, 15),
    )
    .addOption(timeoutOption('how long to wait until every group takes writes; 0s: do not wait'))
    .action(host.offline(runInit));
  add(
    'add-group',
    'add a group of nodes that are heard and empty; it owns no slots',
    '  walnut cluster add-group g2=node-4,node-5,node-6',
  )
    .argument('<id=node,node>', 'the group and its members', parseGroup)
    .addOption(timeoutOption('how long to wait until it takes writes; 0s: do not wait'))
    .action(host.offline(runAddGroup));
  add(
    'failover',
    'let another member lead a group, without losing a write',
    '  walnut cluster failover g1\n  walnut cluster failover g1 --to node-2 --timeout 10s',
  )
    .argument('<group>', 'the id of the group', parseGroupId)
    .option('--to <node>', 'the member that shall lead; without it the most advanced', parseNodeName)
    .addOption(timeoutOption('how long to wait until it leads; 0s: do not wait'))
    .action(host.offline(runFailover));
  add(
    'drain',
    'let a node hand over what it leads, and lead nothing while others can',
    '  walnut cluster drain node-1\n  walnut cluster drain node-1 --undo',
  )
    .argument('<node>', 'the name of the node', parseNodeName)
    .option('--undo', 'let it lead again')
    .action(host.offline(runDrain));
}

function addRecovery(add: Add, host: CommandHost): void {
  add(
    'recover',
    'make the map anew where the metadata store is older than the nodes, or was lost; without --apply only show it',
    '  walnut cluster recover\n  walnut cluster recover --apply\n  walnut cluster recover --group g1 --force',
  )
    .option('--group <id>', 'with --force: a group that lost the disks of too many members', parseGroupId)
    .option(
      '--force',
      'let that group go on with the members that are heard, and give up what only the others had',
    )
    .option('--apply', 'do it')
    .addOption(timeoutOption('how long to wait until every group takes writes; 0s: do not wait'))
    .action(host.offline(runRecover));
}

function addReads(add: Add, host: CommandHost): void {
  add(
    'status',
    'show groups, alarms and warnings; exit code 1 where a group takes no writes or there is an alarm',
    '  walnut cluster status\n  walnut cluster status --coordinators c1:8070,c2:8070 --json',
  ).action(host.offline(runStatus));
  add('map', 'show which group owns which slots', '  walnut cluster map\n  walnut cluster map --json').action(
    host.offline(runMap),
  );
  add(
    'nodes',
    'show every node that is listed or heard',
    '  walnut cluster nodes\n  walnut cluster nodes --json',
  ).action(host.offline(runNodes));
  add(
    'slots',
    'show how many entries the slots of each group have, and the largest slots',
    '  walnut cluster slots\n  walnut cluster slots --group g1 --top 20 --json',
  )
    .option('--group <id>', 'only this group', parseGroupId)
    .option('--top <n>', 'how many of the largest slots of each group are shown', parseCount(0, SLOTS), 5)
    .action(host.offline(runSlots));
  add(
    'slot',
    'show the slot of a key, and who owns it',
    '  walnut cluster slot user:1\n  walnut cluster slot {user:1}:name',
  )
    .argument('<key>', 'the key')
    .action(host.offline(runSlot));
}

function coordinatorsOption({ io }: CommandHost): Option {
  const option = new Option(
    '--coordinators <host:port,…>',
    'the coordinators to call, or a gateway, as --address does (env: WALNUT_COORDINATORS)',
  ).argParser(parseAddresses);
  const named = io.env['WALNUT_COORDINATORS'] ?? '';
  if (named === '') return option.default(parseAddresses(COORDINATORS_DEFAULT), COORDINATORS_DEFAULT);
  try {
    return option.default(parseAddresses(named), named);
  } catch (error) {
    throw usageError(`WALNUT_COORDINATORS is ${JSON.stringify(named)}. ${(error as Error).message}`);
  }
}

function timeoutOption(about: string): Option {
  return new Option('--timeout <duration>', about)
    .argParser(parseDurationMs)
    .default(TIMEOUT_MS_DEFAULT, '30s');
}

function parseAddresses(text: string): NamedAddress[] {
  return text.split(',').map((each) => parseAddress(each.trim()));
}

function parseGroupId(text: string): string {
  if (isGroupId(text)) return text;
  throw new InvalidArgumentError(`Expected ${GROUP_ID_FORM}.`);
}

function parseNodeName(text: string): string {
  if (isNodeName(text)) return text;
  throw new InvalidArgumentError('Expected the name of a node, as walnut cluster nodes shows it.');
}

function collectGroup(text: string, before: readonly PlannedGroup[] = []): PlannedGroup[] {
  return [...before, parseGroup(text)];
}
