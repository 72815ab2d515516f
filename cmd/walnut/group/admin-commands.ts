/** The small administrative commands: checkpoint, rotate, add-replica, remove-replica, quarantine. */
import type { Command } from 'commander';
import type { Quarantine } from '#gen/walnut/v1/admin_pb.ts';
import { parseAddress } from '../arguments.ts';
import { createNodeClients, longCall, shortCall } from '../call/connection.ts';
import { EXIT, type ExitCode } from '../cli-error.ts';
import { type CommandHost, type Invocation, show, usageError } from '../command-host.ts';
import { countOf, showBytes, showDeadline, showPosition } from '../output/output.ts';
import { renderFacts } from '../output/table.ts';

interface ReleaseOptions {
  readonly discardLocal?: boolean;
  readonly keep?: boolean;
}

export function addAdminCommands(program: Command, host: CommandHost): void {
  addLogCommands(program, host);
  addReplicaCommands(program, host);
  addQuarantineCommands(program, host);
}

function addLogCommands(program: Command, host: CommandHost): void {
  program
    .command('checkpoint')
    .summary('write a snapshot now and delete the log before it')
    .description(
      'Writes a snapshot of the current state, and deletes the segments that nothing needs any more.',
    )
    .addHelpText('after', '\nExamples:\n  walnut checkpoint\n  walnut checkpoint --json')
    .action(host.action(runCheckpoint));
  program
    .command('rotate')
    .summary('seal the current segment and begin a new one')
    .description('Seals the current segment of the log and begins a new one.')
    .addHelpText('after', '\nExamples:\n  walnut rotate\n  walnut rotate --address 127.0.0.1:8081')
    .action(host.action(runRotate));
}

function addReplicaCommands(program: Command, host: CommandHost): void {
  program
    .command('add-replica')
    .summary('let a removed replica register again')
    .description(
      'Lets a replica register again after remove-replica. The replica tries by itself. Call the ' +
        'master.',
    )
    .argument('<replica>', 'HOST:PORT that the replica advertises')
    .addHelpText('after', '\nExamples:\n  walnut add-replica 127.0.0.1:8081')
    .action(host.action(runAddReplica));
  program
    .command('remove-replica')
    .summary('stop pushing to a replica and refuse it')
    .description(
      'Stops pushing to a replica and refuses its registrations, also after a restart, until ' +
        'add-replica. The replica keeps its data. Call the master.',
    )
    .argument('<replica>', 'HOST:PORT that the replica advertises')
    .addHelpText('after', '\nExamples:\n  walnut remove-replica 127.0.0.1:8081')
    .action(host.action(runRemoveReplica));
}

function addQuarantineCommands(program: Command, host: CommandHost): void {
  const quarantine = program
    .command('quarantine')
    .summary('show and end the quarantine of a replica')
    .description(
      'Shows and ends the quarantine of a replica whose data does not belong to the history of its ' +
        'master.',
    )
    .addHelpText('after', '\nExamples:\n  walnut quarantine list --address 127.0.0.1:8081');
  quarantine
    .command('list')
    .description('Shows why the replica at --address stopped following its master, and what to do.')
    .addHelpText(
      'after',
      '\nExamples:\n  walnut quarantine list --address 127.0.0.1:8081\n  walnut quarantine list --json',
    )
    .action(host.action(runQuarantineList));
  quarantine
    .command('release')
    .description('Ends the quarantine of the replica at --address in one of two ways.')
    .option('--discard-local', 'move the local data aside and follow the master from a fresh start')
    .option('--keep', 'keep serving the local data and stop following that master until a restart')
    .addHelpText(
      'after',
      '\nExamples:\n  walnut quarantine release --discard-local --address 127.0.0.1:8081\n' +
        '  walnut quarantine release --keep --address 127.0.0.1:8081',
    )
    .action(host.action<ReleaseOptions>(runQuarantineRelease));
}

async function runCheckpoint(invocation: Invocation): Promise<ExitCode> {
  const answer = await createNodeClients(invocation.address).admin.checkpoint({}, longCall(invocation.io));
  const { deletedSegments } = answer;
  const [position, entries, bytes] = [
    showPosition(answer.position),
    Number(answer.entries),
    Number(answer.snapshotBytes),
  ];
  await show(
    invocation,
    () => ({ position, entries, snapshotBytes: bytes, deletedSegments }),
    () =>
      `snapshot at ${position}: ${countOf(entries, 'entry', 'entries')}, ${showBytes(bytes)}; ${countOf(deletedSegments, 'segment')} deleted\n`,
  );
  return EXIT.ok;
}

async function runRotate(invocation: Invocation): Promise<ExitCode> {
  const answer = await createNodeClients(invocation.address).admin.rotateWal({}, shortCall(invocation.io));
  const [segmentSeq, firstLsn] = [Number(answer.segmentSeq), Number(answer.firstLsn)];
  await show(
    invocation,
    () => ({ segmentSeq, firstLsn }),
    () => `segment ${segmentSeq} begins with LSN ${firstLsn}\n`,
  );
  return EXIT.ok;
}

async function runAddReplica(invocation: Invocation): Promise<ExitCode> {
  const address = replicaArgument(invocation);
  const { warning } = await createNodeClients(invocation.address).admin.addReplica(
    { address },
    shortCall(invocation.io),
  );
  await show(
    invocation,
    () => ({ address, added: true, ...(warning === '' ? {} : { warning }) }),
    () => `${address} may register\n`,
  );
  if (warning !== '' && !invocation.isJson) invocation.io.note(`warning: ${address}: ${warning}\n`);
  return EXIT.ok;
}

async function runRemoveReplica(invocation: Invocation): Promise<ExitCode> {
  const address = replicaArgument(invocation);
  await createNodeClients(invocation.address).admin.removeReplica({ address }, shortCall(invocation.io));
  await show(
    invocation,
    () => ({ address, removed: true }),
    () => `${address} is removed; take it back with: walnut add-replica ${address}\n`,
  );
  return EXIT.ok;
}

function replicaArgument({ args }: Invocation): string {
  try {
    return parseAddress(args[0] ?? '').text;
  } catch (error) {
    throw usageError(`argument <replica>: ${(error as Error).message}`);
  }
}

async function runQuarantineList(invocation: Invocation): Promise<ExitCode> {
  const { quarantines } = await createNodeClients(invocation.address).admin.quarantineList(
    {},
    shortCall(invocation.io),
  );
  await show(
    invocation,
    () => quarantines.map(quarantineToJson),
    () => quarantines.map((one) => renderQuarantine(one, invocation)).join('\n') || 'no quarantine\n',
  );
  return EXIT.ok;
}

function quarantineToJson(quarantine: Quarantine): Record<string, unknown> {
  return {
    reason: quarantine.reason,
    sinceMs: Number(quarantine.sinceMs),
    upstream: quarantine.upstream,
    upstreamLogId: quarantine.upstreamLogId,
    upstreamPosition: showPosition(quarantine.upstreamPosition),
    localLogId: quarantine.localLogId,
    localPosition: showPosition(quarantine.localPosition),
  };
}

function renderQuarantine(quarantine: Quarantine, { colors, address }: Invocation): string {
  const facts = renderFacts(colors, [
    ['reason', colors.yellow(quarantine.reason)],
    ['since', showDeadline(quarantine.sinceMs)],
    [
      'master',
      `${quarantine.upstream}, log ${quarantine.upstreamLogId} at ${showPosition(quarantine.upstreamPosition)}`,
    ],
    ['here', `log ${quarantine.localLogId} at ${showPosition(quarantine.localPosition)}`],
  ]);
  const here = address.text;
  return (
    `${facts}If the data here is right: stop the master at ${quarantine.upstream}, then\n` +
    `  walnut promote --address ${here}\n` +
    'In a cluster a coordinator decides who leads, and promote is refused: see walnut cluster status.\n' +
    `If that is the wrong master: correct master.address and restart this replica. It follows by itself if it\n` +
    `need not give up records. To keep its data and follow no master until then:\n` +
    `  walnut quarantine release --keep --address ${here}\n` +
    `If the master's data is right (the local data is moved to aside/):\n` +
    `  walnut quarantine release --discard-local --address ${here}\n`
  );
}

async function runQuarantineRelease(invocation: Invocation, options: ReleaseOptions): Promise<ExitCode> {
  if ((options.discardLocal === true) === (options.keep === true)) {
    throw usageError(
      'choose exactly one: --discard-local or --keep',
      'See: walnut quarantine release --help',
    );
  }
  const action = options.keep === true ? 'keep' : 'discardLocal';
  const { admin } = createNodeClients(invocation.address);
  await admin.quarantineRelease({ action: { case: action, value: true } }, longCall(invocation.io));
  const now =
    options.keep === true ? 'keeps its data and follows no one' : 'follows its master from a fresh start';
  await show(
    invocation,
    () => ({ released: true, action }),
    () => `${invocation.address.text} ${now}\n`,
  );
  return EXIT.ok;
}
