import { describe, expect, it } from 'vitest';
import type { MemberState } from '../../cmd/group/group-member.ts';
import { WaitingNotes } from '../../cmd/group/waiting-notes.ts';

const waiting = (state: string): MemberState => ({
  name: 'slave-1',
  role: 'replica',
  state,
  address: '127.0.0.1:8081',
  directory: 'data/slave-1',
  position: '–',
  lag: '',
  entries: '0',
  isReady: state === 'streaming',
  reasons: [],
});

/** The seconds at which a note is due, if the node is polled every second. */
function saidAt(notes: WaitingNotes, fromS: number, toS: number, state: string): number[] {
  const said: number[] = [];
  for (let s = fromS; s <= toS; s++) if (notes.due([waiting(state)], s * 1_000).length > 0) said.push(s);
  return said;
}

describe('WaitingNotes', () => {
  it('waits five seconds, and then twice as long each time', () => {
    expect(saidAt(new WaitingNotes(), 0, 100, 'loading')).toEqual([5, 10, 20, 40, 80]);
  });

  it('says at once what only an operator can mend, and never more than every ten minutes in the end', () => {
    const said = saidAt(new WaitingNotes(), 0, 86_400, 'quarantined');
    expect(said.slice(0, 4)).toEqual([0, 5, 15, 35]);
    expect(said.length).toBeLessThan(160);
    expect((said.at(-1) ?? 0) - (said.at(-2) ?? 0)).toBe(600);
  });

  it('waits, as long as for anything else, until the state of the others is known', () => {
    const notes = new WaitingNotes();
    const other = { ...waiting('catching_up'), name: 'slave-2' };
    expect(notes.due([waiting('quarantined'), other], 0)).toEqual([]);
    expect(notes.due([waiting('quarantined'), other], 1_000)).toEqual([]);
    const both = [waiting('quarantined'), { ...other, state: 'quarantined' }];
    expect(notes.due(both, 2_000)).toEqual(both);
    expect(notes.due(both, 3_000)).toEqual([]);
    const alone = new WaitingNotes();
    for (const nowMs of [0, 4_999]) expect(alone.due([waiting('quarantined'), other], nowMs)).toEqual([]);
    expect(alone.due([waiting('quarantined'), other], 5_000)).toHaveLength(2);
  });

  it('begins anew when the state changes, and says nothing of a node that is ready', () => {
    const notes = new WaitingNotes();
    expect(saidAt(notes, 0, 11, 'loading')).toEqual([5, 10]);
    expect(saidAt(notes, 12, 13, 'quarantined')).toEqual([12]);
    expect(saidAt(notes, 14, 60, 'streaming')).toEqual([]);
    expect(saidAt(notes, 61, 67, 'loading')).toEqual([66]);
  });
});
