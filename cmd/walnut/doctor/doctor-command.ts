/** `walnut doctor`: checks every node of a group, and says what to do. */
import { type Command, Option } from 'commander';
import type { BinaryKind } from '#config/binaries.ts';
import { parsePath } from '../arguments.ts';
import { CliError, EXIT, type ExitCode } from '../cli-error.ts';
import { type CommandHost, type Invocation, show, usageError } from '../command-host.ts';
import { readGroups, tryPage } from '../figures/read-figures.ts';
import { countOf } from '../output/output.ts';
import { renderTable } from '../output/table.ts';
import type { Colors } from '../output/terminal.ts';
import { examine } from './examine.ts';
import { examineGateway } from './examine-gateway.ts';
import type { Finding } from './judgement.ts';

/** Not taken from the configuration's own list, which would have to be loaded for it. */
const KINDS: readonly BinaryKind[] = ['master', 'slave', 'node', 'gateway', 'coordinator'];

interface DoctorOptions {
  readonly verbose?: boolean;
  readonly config?: string;
  readonly kind?: BinaryKind;
}

export function addDoctorCommand(program: Command, host: CommandHost): void {
  program
    .command('doctor')
    .summary('check every node of the group, and say what to do')
    .description(
      'Checks readiness, state, replication, memory, disk and its fdatasyncs, open files, certificates, clocks ' +
        'and faults of every node of the group, at a gateway of every group of its cluster and of the gateway itself, ' +
        'and names the runbook for what is found. Exits 1 if there is a problem; a warning is none. Needs the role monitor where auth.mode is required.',
    )
    .option(
      '--config <file>',
      'check what a node would run with, on this machine and as this user; no node is called',
      parsePath,
    )
    .addOption(
      new Option(
        '--kind <kind>',
        'of --config: which process takes it (default: by its sections, else master)',
      ).choices(KINDS),
    )
    .option('--verbose', 'show what is well, too')
    .addHelpText(
      'after',
      `
Examples:
  walnut doctor
  walnut doctor --verbose
  walnut doctor --config /etc/walnut/master.yaml --verbose
  walnut doctor --json | jq '.findings[] | select(.level != "ok")'`,
    )
    .action(host.action<DoctorOptions>(runDoctor));
}

async function runDoctor(invocation: Invocation, options: DoctorOptions): Promise<ExitCode> {
  const { verbose = false } = options;
  const { findings, nodes } = await examineAll(invocation, options);
  const problems = findings.filter(({ level }) => level === 'problem');
  const warnings = findings.filter(({ level }) => level === 'warning');
  await show(
    invocation,
    () => ({ problems: problems.length, warnings: warnings.length, findings }),
    () => {
      const shown = verbose ? findings : [...problems, ...warnings];
      const sum = `${countOf(findings.length, 'check')} on ${nodes}: ${countOf(problems.length, 'problem')}, ${countOf(warnings.length, 'warning')}\n`;
      return shown.length === 0 ? sum : `${render(shown, invocation.colors)}\n${sum}`;
    },
  );
  if (problems.length === 0) return EXIT.ok;
  const [first] = problems as [Finding];
  throw new CliError(
    EXIT.negative,
    `${countOf(problems.length, 'problem')}; the first: ${first.node === '' ? '' : `${first.node}: `}${first.check}: ${first.found}`,
    first.advice,
  );
}

/** `nodes`: what was looked at, in words. */
async function examineAll(
  { address, io }: Invocation,
  { config, kind }: DoctorOptions,
): Promise<{ findings: readonly Finding[]; nodes: string }> {
  if (config !== undefined) {
    const [{ examineConfig }, { createMachine }] = await Promise.all([
      import('./check-config.ts'),
      import('./config-machine.ts'),
    ]);
    return { findings: await examineConfig(config, kind, io.env, createMachine()), nodes: config };
  }
  if (kind !== undefined) throw usageError('--kind goes with --config');
  const { groups, gateway } = await readGroups(address, io);
  const findings = groups.flatMap(examine);
  const count = groups.reduce((sum, group) => sum + group.nodes.length, 0);
  const nodes = countOf(count, 'node');
  if (gateway === undefined) return { findings, nodes };
  return {
    findings: [...examineGateway(gateway, await tryPage(address)), ...findings],
    nodes: `a gateway and ${nodes}`,
  };
}

function render(findings: readonly Finding[], colors: Colors): string {
  const paint = { ok: colors.green, warning: colors.yellow, problem: colors.red };
  const rows = findings.map(({ node, check, level, found, advice }) => [
    paint[level](level),
    node === '' ? 'the group' : node,
    check,
    advice === undefined ? found : `${found}. ${advice.replaceAll('\n', ' ')}`,
  ]);
  return renderTable(colors, ['LEVEL', 'NODE', 'CHECK', 'FOUND, AND WHAT TO DO'], rows);
}
