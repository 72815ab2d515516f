/** `walnut config`: shows and changes the keys of a running node that need no restart. */
import type { Command } from 'commander';
import type { Setting } from '#gen/walnut/v1/admin_pb.ts';
import { createNodeClients, shortCall } from '../call/connection.ts';
import { EXIT, type ExitCode } from '../cli-error.ts';
import { type CommandHost, type Invocation, show, usageError } from '../command-host.ts';
import { renderTable } from '../output/table.ts';

export function addConfigCommand(program: Command, host: CommandHost): void {
  program
    .command('config')
    .summary('show and change what a running node can change of its configuration')
    .description(
      'Without arguments shows the keys that change without a restart, their values and where each was ' +
        'set. With arguments changes all of them, or none. A change lasts until the next start, or until ' +
        'the node reads its file again on SIGHUP: write it into the file, too. The limits of a group of a ' +
        'cluster (storage.max_entries and others) are changed at its leader, for all members and for good.',
    )
    .argument('[changes...]', 'SECTION.KEY=VALUE, as for --set of the node')
    .addHelpText(
      'after',
      `
Examples:
  walnut config
  walnut config log.level=debug
  walnut config server.slow_log.threshold=20ms replication.max_lag=10s`,
    )
    .action(host.action(runConfig));
}

async function runConfig(invocation: Invocation): Promise<ExitCode> {
  const set = readChanges(invocation.args);
  const { admin } = createNodeClients(invocation.address);
  const call = shortCall(invocation.io);
  // Looking needs fewer rights than changing.
  const { settings } = await (Object.keys(set).length === 0
    ? admin.getConfig({}, call)
    : admin.setConfig({ set }, call));
  await show(
    invocation,
    () => ({ settings: settings.map(({ key, value, origin }) => ({ key, value, origin })) }),
    () => render(settings, invocation),
  );
  return EXIT.ok;
}

function readChanges(args: readonly string[]): Record<string, string> {
  const changes = new Map<string, string>();
  for (const argument of args) {
    const at = argument.indexOf('=');
    if (at < 1) throw usageError(`${JSON.stringify(argument)}: expected SECTION.KEY=VALUE`);
    const key = argument.slice(0, at);
    if (changes.has(key)) throw usageError(`${key} is given twice`);
    changes.set(key, argument.slice(at + 1));
  }
  return Object.fromEntries(changes);
}

function render(settings: readonly Setting[], { colors }: Invocation): string {
  const rows = settings.map(({ key, value, origin }) => [key, value, origin]);
  return renderTable(colors, ['KEY', 'VALUE', 'SET BY'], rows);
}
