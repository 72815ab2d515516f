/** What `npm start` shows. */
import { styleText } from 'node:util';
import { renderTable } from '../walnut/output/table.ts';
import { PLAIN } from '../walnut/output/terminal.ts';
import type { MemberExit, MemberState } from './group-member.ts';
import type { MemberSpec } from './group-plan.ts';

export function statusTable(states: readonly MemberState[]): string {
  const head = ['role', 'state', 'address', 'position', 'lag', 'entries'];
  const rows = states.map(({ role, state, address, position, lag, entries }) => [
    role,
    state.replaceAll('_', ' '),
    address,
    position,
    lag,
    entries,
  ]);
  return renderTable({ ...PLAIN, bold: (text) => styleText('bold', text) }, head, rows);
}

/** `states`: of all nodes, any of which may lead. */
export function invitation(states: readonly MemberState[]): string {
  const command = (text: string): string => `  ${styleText('cyan', text)}`;
  const master = states.find(({ role }) => role === 'master') ?? states[0];
  const replica = states.find(({ role }) => role === 'replica') ?? states[1];
  return [
    'Try, in another terminal:',
    command(`curl -X PUT --data-binary hello ${master?.address}/v1/keys/greeting`),
    command(`curl ${replica?.address}/v1/keys/greeting`),
    command(`npm run -s walnut -- status --address ${master?.address}`),
    '',
    `Logs are in ${styleText('bold', 'data/*.log')}. Ctrl-C stops all three and keeps the data.`,
  ].join('\n');
}

/** A node that is not ready, and what to type about it. */
export function waitingNote({ name, state, address, reasons }: MemberState): string {
  const look = state === 'quarantined' ? 'quarantine list' : 'status';
  return (
    `  ${name} is ${state.replaceAll('_', ' ')}: ${reasons.join('; ') || 'it does not answer yet'}\n` +
    `    more: npm run -s walnut -- ${look} --address ${address}\n`
  );
}

/** What to do about a node that ended by itself. */
export function adviceOnExit({ code }: MemberExit, spec: MemberSpec, logFile: string): string {
  if (code === 2) return `Correct ${spec.config}, and type: npm start\n`;
  if (code === 3)
    return (
      `Nothing was changed. What is wrong: npm run -s walnut -- wal verify ${spec.directory}\n` +
      'What to do then: docs/operations.md, "Exit 3"\n'
    );
  return `The whole log: less ${logFile}\nThen type: npm start\n`;
}

export interface TakenPort {
  readonly spec: MemberSpec;
  readonly isWalnut: boolean;
  /** A port that is free, with the ones after it. */
  readonly freePort: number | undefined;
}

export function takenPortText({ spec, isWalnut, freePort }: TakenPort): string {
  const { port, address } = spec;
  if (isWalnut)
    return (
      `Port ${port} is taken: a Walnut node answers on ${address}, so the group may be running already.\n` +
      `See it: npm run -s walnut -- status --address ${address}\n` +
      'Stop it with Ctrl-C in its terminal; what runs here: pgrep -af cmd/group.ts\n'
    );
  const elsewhere = freePort === undefined ? '' : `Take other ports: npm start -- --port ${freePort}\n`;
  return (
    `Port ${port} is taken: something else listens on ${address}.\n${elsewhere}` +
    `Or stop it; what it is: ${process.platform === 'linux' ? `ss -ltnp 'sport = :${port}'` : `lsof -i :${port}`}\n`
  );
}
