/** Contenders measured in turn, round after round, so that noise of the machine affects all of them alike. */
import type { Loaded } from './load.ts';
import type { Target } from './processes.ts';
import type { Round } from './report.ts';

export interface Contender {
  readonly name: string;
  readonly target: Target;
  load(seconds: number): Promise<Loaded>;
}

/** So many rounds warm up and are not counted, unless the caller says. */
const WARM_UP_ROUNDS = 2;

export interface Turns {
  readonly rounds: number;
  readonly seconds: number;
  readonly warmUpRounds?: number;
  /** Told when a round begins; those that warm up are below 0. */
  readonly onRound?: (round: number) => void;
}

export async function measureInTurn(
  contenders: readonly Contender[],
  { rounds, seconds, warmUpRounds = WARM_UP_ROUNDS, onRound }: Turns,
): Promise<Round[]> {
  const done: Round[] = [];
  for (let round = -warmUpRounds; round < rounds; round++) {
    onRound?.(round);
    const figures = await measureRound(contenders, seconds, round);
    if (round >= 0) done.push(figures);
  }
  return done;
}

/** One round. The contender that comes first in one round comes last in the next. */
export async function measureRound(
  contenders: readonly Contender[],
  seconds: number,
  round: number,
): Promise<Round> {
  const figures: Round = {};
  for (const { name, target, load } of round % 2 === 0 ? contenders : contenders.toReversed()) {
    const before = target.cpuSeconds();
    const loaded = await load(seconds);
    const cpuMicros = ((target.cpuSeconds() - before) * 1e6) / loaded.requests;
    figures[name] = { rate: loaded.requests / loaded.seconds, cpuMicros };
  }
  return figures;
}
