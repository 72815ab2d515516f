/** The texts that local runs share. Pure. */
import { styleText } from 'node:util';
import { renderTable } from '../walnut/output/table.ts';
import { PLAIN } from '../walnut/output/terminal.ts';
import type { AnySpec } from './local-files.ts';
import type { ProcessExit } from './local-process.ts';
import { type LocalScript, startCommand } from './local-script.ts';

export const WALNUT = 'npm run -s walnut --';
/** Shows the local runs of this machine. */
const RUNS_HERE = "pgrep -af 'cmd/(group|cluster)\\.ts'";

/** The same on a terminal and off it, apart from colours. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  return renderTable({ ...PLAIN, bold: (text) => styleText('bold', text) }, head, rows);
}

/** A command that a text invites to type, in a line of its own. */
export function command(text: string): string {
  return `  ${styleText('cyan', text)}`;
}

export interface ExitPlace {
  readonly spec: AnySpec;
  readonly logFile: string;
  /** What to type to start the run again. */
  readonly again: string;
}

/** Tells what to do about a process that ended by itself. */
export function adviceOnExit({ code }: ProcessExit, { spec, logFile, again }: ExitPlace): string {
  if (spec.kind !== 'etcd' && code === 2) return `Correct ${spec.config}, and type: ${again}\n`;
  if (code === 3 && spec.kind === 'coordinator')
    return `${spec.directory} cannot be used, or another coordinator uses it. Then type: ${again}\n`;
  if (spec.kind !== 'etcd' && code === 3)
    return (
      `Nothing was changed. What is wrong: ${WALNUT} wal verify ${spec.directory}\n` +
      'What to do then: docs/operations.md, "Exit 3"\n'
    );
  const runbook =
    spec.kind !== 'etcd' && code === 4 ? 'What to do: docs/operations.md, "Exit 4: the disk failed"\n' : '';
  return `The whole log: less ${logFile}\n${runbook}Mend what it says last; a start before that ends in the same way. Then type: ${again}\n`;
}

export function lockedText(script: LocalScript, { directory }: AnySpec, again: string): string {
  return (
    `${directory} is in use by another process: ${script.what} may be running already, perhaps on other ports.\n` +
    `What runs here: ${RUNS_HERE}\n` +
    `Stop it with Ctrl-C in its terminal, and type: ${again}\n`
  );
}

export interface TakenPort {
  readonly spec: AnySpec;
  /** A Walnut node answers there. */
  readonly isWalnut: boolean;
  /** A free port, followed by enough free ports for the others. */
  readonly freePort: number | undefined;
}

export function takenPortText(script: LocalScript, { spec, isWalnut, freePort }: TakenPort): string {
  const { port, address } = spec;
  const elsewhere = freePort === undefined ? '' : `Take other ports: ${startCommand(script, freePort)}\n`;
  if (isWalnut)
    return (
      `Port ${port} is taken: a Walnut node answers on ${address}, so ${script.what} may be running already.\n` +
      `See it: ${WALNUT} status --address ${address}\n` +
      `Stop it with Ctrl-C in its terminal; what runs here: ${RUNS_HERE}\n${elsewhere}`
    );
  return (
    `Port ${port} is taken: something else listens on ${address}.\n${elsewhere}` +
    `Or stop it; what it is: ${process.platform === 'linux' ? `ss -ltnp 'sport = :${port}'` : `lsof -i :${port}`}\n`
  );
}
