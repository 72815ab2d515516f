/** `walnut doctor`: checks every node of a group, and says what to do. */
import type { Command } from 'commander';
import { Role } from '#gen/walnut/v1/types_pb.ts';
import { CliError, EXIT, type ExitCode } from '../cli-error.ts';
import { type CommandHost, type Invocation, show } from '../command-host.ts';
import { type GroupReading, isSilent, type NodeReading, readGroup } from '../figures/read-figures.ts';
import { countOf } from '../output/output.ts';
import { renderTable } from '../output/table.ts';
import type { Colors } from '../output/terminal.ts';
import { type Judgement, NODE_CHECKS, runbook } from './node-checks.ts';

interface DoctorOptions {
  readonly verbose?: boolean;
}

export function addDoctorCommand(program: Command, host: CommandHost): void {
  program
    .command('doctor')
    .summary('check every node of the group, and say what to do')
    .description(
      'Checks readiness, state, replication, memory, disk and its fdatasyncs, open files, certificates, clocks ' +
        'and faults of every node of the group, and names the runbook for what is found. Exits 1 if there is a ' +
        'problem; a warning is none. Needs the role metrics where auth.mode is required.',
    )
    .option('--verbose', 'show what is well, too')
    .addHelpText(
      'after',
      `
Examples:
  walnut doctor
  walnut doctor --verbose
  walnut doctor --json | jq '.findings[] | select(.level != "ok")'`,
    )
    .action(host.action<DoctorOptions>(runDoctor));
}

export interface Finding extends Judgement {
  /** The address of a node; empty where it is about the group. */
  readonly node: string;
  readonly check: string;
}

async function runDoctor(invocation: Invocation, { verbose = false }: DoctorOptions): Promise<ExitCode> {
  const group = await readGroup(invocation.address);
  const findings = examine(group);
  const problems = findings.filter(({ level }) => level === 'problem');
  const warnings = findings.filter(({ level }) => level === 'warning');
  await show(
    invocation,
    () => ({ problems: problems.length, warnings: warnings.length, findings }),
    () => {
      const shown = verbose ? findings : [...problems, ...warnings];
      const sum = `${countOf(findings.length, 'check')} on ${countOf(group.nodes.length, 'node')}: ${countOf(problems.length, 'problem')}, ${countOf(warnings.length, 'warning')}\n`;
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

/** Everything that was checked, in the order of the nodes; what is about the group comes first. */
export function examine(group: GroupReading): Finding[] {
  const ofNodes = group.nodes.flatMap((node): Finding[] =>
    isSilent(node)
      ? [
          {
            node: node.address,
            check: 'answer',
            level: 'problem',
            found: node.failure.message,
            advice: node.failure.advice ?? runbook('A node does not answer'),
          },
        ]
      : NODE_CHECKS.flatMap(({ name, judge }) => {
          const judged = judge(node);
          return judged === undefined ? [] : [{ node: node.address, check: name, ...judged }];
        }),
  );
  return [...examineGroup(group), ...ofNodes];
}

function examineGroup({ nodes, isWhole }: GroupReading): Finding[] {
  const answering = nodes.filter((node): node is NodeReading => !isSilent(node));
  const about = (check: string, judged: Judgement): Finding => ({ node: '', check, ...judged });
  const masters = answering.filter(({ status }) => status.role === Role.MASTER);
  const versions = [...new Set(answering.map(({ status }) => status.version))];
  return [
    about(
      'one master',
      isWhole && masters.length === 1
        ? { level: 'ok', found: masters[0]?.address ?? '' }
        : {
            level: 'problem',
            found:
              masters.length > 1 ? `${masters.map(({ address }) => address).join(', ')}` : 'none answers',
            advice: runbook(
              masters.length > 1 ? 'Two masters that see each other' : 'Replacing a dead master',
            ),
          },
    ),
    about(
      'one version',
      versions.length === 1
        ? { level: 'ok', found: versions[0] ?? '' }
        : { level: 'warning', found: versions.join(', '), advice: runbook('Upgrading from 0.1') },
    ),
  ];
}

function render(findings: readonly Finding[], colors: Colors): string {
  const paint = { ok: colors.green, warning: colors.yellow, problem: colors.red };
  const rows = findings.map(({ node, check, level, found, advice }) => [
    paint[level](level),
    node === '' ? 'the group' : node,
    check,
    advice === undefined ? found : `${found}. ${advice}`,
  ]);
  return renderTable(colors, ['LEVEL', 'NODE', 'CHECK', 'FOUND, AND WHAT TO DO'], rows);
}
