/** What can happen to the way from one node to another. */
import type { TestNetwork } from '#test/doubles/network.ts';
import type { SeededRandom } from '#test/doubles/seeded-random.ts';

export const LINK_FAULTS = ['cut', 'lostAnswers', 'delay', 'jitter', 'duplicate', 'stall'] as const;
export type LinkFault = (typeof LINK_FAULTS)[number];

export function isLinkFault(fault: string): fault is LinkFault {
  return (LINK_FAULTS as readonly string[]).includes(fault);
}

export function breakLink(
  network: TestNetwork,
  fault: LinkFault,
  from: string,
  to: string,
  random: SeededRandom,
): void {
  const ways: Readonly<Record<LinkFault, () => void>> = {
    cut: () => network.cut(from, to),
    lostAnswers: () => network.loseAnswers(from, to),
    delay: () => network.delay(from, to, random.between(20, 1_000)),
    jitter: () => network.jitter(from, to, random.between(5, 500)),
    duplicate: () => network.duplicate(from, to, random.between(0, 2_000)),
    stall: () => network.stall(from, to),
  };
  ways[fault]();
}
