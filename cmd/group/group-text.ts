/** What `npm start` shows when the group is up. */
import Table from 'cli-table3';
import pc from 'picocolors';
import type { MemberState } from './group-member.ts';

export function statusTable(states: readonly MemberState[]): string {
  const table = new Table({
    head: ['role', 'address', 'position', 'lag', 'entries'],
    style: { head: pc.isColorSupported ? ['bold'] : [], border: [] },
  });
  for (const { role, address, position, lag, entries } of states)
    table.push([role, address, position, lag, entries]);
  return table.toString();
}

export function invitation(): string {
  const command = (text: string): string => `  ${pc.cyan(text)}`;
  return [
    'Try, in another terminal:',
    command('curl -X PUT --data-binary hello localhost:8080/v1/keys/greeting'),
    command('curl localhost:8081/v1/keys/greeting'),
    command('npm run walnut -- status'),
    '',
    `Logs are in ${pc.bold('data/*.log')}. Ctrl-C stops all three and keeps the data.`,
  ].join('\n');
}
