/** The texts that `npm start` shows. Pure. */
import { styleText } from 'node:util';
import { parsePosition, termOf } from '#model/position.ts';
import { command, table, WALNUT } from '../local/local-text.ts';
import type { MemberState } from './group-member.ts';

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
  return table(head, rows);
}

/** `states`: the states of all nodes. Any of them may be the master. */
export function invitation(states: readonly MemberState[]): string {
  const master = states.find(({ role }) => role === 'master') ?? states[0];
  const replica = states.find(({ role }) => role === 'replica') ?? states[1];
  return [
    'Try, in another terminal:',
    command(`curl -X PUT --data-binary hello ${master?.address}/v1/keys/greeting`),
    command(`curl ${replica?.address}/v1/keys/greeting`),
    command(`${WALNUT} status --address ${master?.address}`),
    '',
    `Logs are in ${styleText('bold', 'data/*.log')}. Ctrl-C stops all three and keeps the data.`,
  ].join('\n');
}

/** A node that is not ready, and what to type about it. `all`: the nodes of the group. */
export function waitingNote(member: MemberState, all: readonly MemberState[]): string {
  const { name, state, address, reasons } = member;
  if (state === 'quarantined') return quarantineNote(member, all);
  return (
    `  ${name} is ${state.replaceAll('_', ' ')}: ${reasons.join('; ') || 'it does not answer yet'}\n` +
    `    more: ${WALNUT} status --address ${address}\n`
  );
}

/**
 * The node's own advice is to stop the wrong master first. Here that would stop the
 * whole group, so the promotion is forced. A master without data of its own follows.
 */
function quarantineNote({ name, address, reasons }: MemberState, all: readonly MemberState[]): string {
  const [why = ''] = reasons;
  const best = all
    .filter(({ state }) => state === 'quarantined')
    .sort(byHistory)
    .at(-1);
  const wrong = all.find(({ role }) => role === 'master')?.directory;
  return (
    `  ${name} is ${why.startsWith('quarantined') ? why : `quarantined: ${why}`}\n` +
    '    It keeps its data and follows nobody until you choose. If the data of the replicas is right:\n' +
    `      ${WALNUT} promote --force --address ${best?.address ?? address}\n` +
    (wrong === undefined
      ? ''
      : `    and if two masters remain: Ctrl-C here, mv ${wrong} ${wrong}.old, and start again\n`) +
    '    If the data of the master is right (what the replica has is moved to its aside/):\n' +
    `      ${WALNUT} quarantine release --discard-local --address ${address}\n` +
    `    More: ${WALNUT} quarantine list --address ${address}\n`
  );
}

/** Orders positions by term, then by the number of records. */
function byHistory(a: MemberState, b: MemberState): number {
  const [one, two] = [parsePosition(a.position), parsePosition(b.position)];
  if (one === undefined || two === undefined) return Number(one !== undefined) - Number(two !== undefined);
  return termOf(one.epoch) - termOf(two.epoch) || one.lsn - two.lsn;
}
