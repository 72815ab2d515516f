/** What can happen in a simulated group, each counted where it really happens. */
import { LINK_FAULTS } from '#test/node/simulated-links.ts';
import type { Ending } from '#test/node/simulated-members.ts';

export const FAULTS = [
  ...LINK_FAULTS,
  'heal',
  'pause',
  'kill',
  'powerCut',
  'cleanRestart',
  'diskFull',
  'diskError',
  'checkpoint',
  'rotate',
] as const;
/** What an operator does, wisely or not. */
export const OPERATIONS = [
  'failover',
  'promotion',
  'promote',
  'claim',
  'rollBack',
  'emptyMaster',
  'refollow',
] as const;
export const OUTCOMES = [
  'fullResync',
  'partialResync',
  'ackedWrites',
  'quarantine',
  'fenced',
  'ledAgain',
  'digestComparison',
] as const;
export type ProcessFault = Ending | 'pause' | 'diskFull' | 'diskError' | 'checkpoint' | 'rotate';
export type Happening = (typeof FAULTS)[number] | (typeof OPERATIONS)[number] | (typeof OUTCOMES)[number];
