/**
 * Link cuts under load: one kind of fault after the other on the links between
 * a master and its replicas. After each the links heal, the load pauses, and
 * all nodes must come to one position with one digest, without a full resync:
 * the log has all that was missed.
 */
import { SeededRandom } from '#test/doubles/seeded-random.ts';
import type { Way } from '#test/doubles/tcp-pipe.ts';
import type { TcpProxy } from '#test/doubles/tcp-proxy.ts';
import { LinkGroup, PULL_MS } from './link-group.ts';
import { LinkLoad } from './link-load.ts';
import { pause } from './node-process.ts';
import { ProcessJournal } from './process-journal.ts';

export const CUT_KINDS = ['cut', 'reset', 'half-open', 'one way', 'stall', 'delay'] as const;
export type CutKind = (typeof CUT_KINDS)[number];

export interface CutOptions {
  readonly directory: string;
  readonly seed: number;
  /** Connections are broken, swallowed or stalled in at least so many rounds. */
  readonly cutsMin: number;
  readonly onCut?: ((cuts: number) => void) | undefined;
}

export interface CutRun {
  /** Rounds in which the fault met traffic, by kind. */
  readonly kinds: Record<CutKind, number>;
  readonly cuts: number;
  /** Rounds in which it met none: they do not count. */
  readonly idle: number;
  readonly acked: number;
  readonly fullResyncs: number;
  readonly partialResyncs: number;
  /** The reasons of the full resyncs. */
  readonly reasons: readonly string[];
  /** Milliseconds from the end of the fault to one digest, the load paused. */
  readonly healMs: readonly number[];
  readonly comparisons: number;
}

const REPLICAS = 2;
const WRITERS = 8;
/** Beyond the number wanted: rounds that met no traffic are not for ever. */
const IDLE_MAX = 50;
/** Every so many cuts what each node has is compared with what was acknowledged, key by key. */
const VERIFY_EVERY = 25;

export async function cutAgainAndAgain(options: CutOptions): Promise<CutRun> {
  const { directory, seed, cutsMin, onCut } = options;
  const random = new SeededRandom(seed);
  const journal = new ProcessJournal();
  const group = await LinkGroup.start({ directory, seed: random.uint32(), replicas: REPLICAS });
  const load = new LinkLoad({
    master: () => group.master,
    journal,
    random: random.fork(),
    writers: WRITERS,
    pauseMs: 4,
  });
  const kinds: Record<CutKind, number> = {
    cut: 0,
    reset: 0,
    'half-open': 0,
    'one way': 0,
    stall: 0,
    delay: 0,
  };
  const healMs: number[] = [];
  let idle = 0;
  try {
    await group.untilLevel();
    while (healMs.length < cutsMin) {
      // Every kind comes up, again where it met no traffic.
      const kind = CUT_KINDS[healMs.length % CUT_KINDS.length] ?? 'cut';
      const hasHit = await breakLinks(group, kind, random);
      await load.pause();
      const tookMs = await group.untilLevel();
      load.resume();
      if (hasHit) {
        kinds[kind]++;
        healMs.push(tookMs);
        onCut?.(healMs.length);
        if (healMs.length % VERIFY_EVERY === 0) await verifyAll(group, load, journal);
      } else if (++idle > IDLE_MAX) {
        throw new Error(`${idle} faults met no traffic`);
      }
    }
    await verifyAll(group, load, journal);
    const { full, partial, reasons } = await group.resyncs();
    return {
      kinds,
      cuts: healMs.length,
      idle,
      acked: journal.acked,
      fullResyncs: full,
      partialResyncs: partial,
      reasons,
      healMs,
      comparisons: journal.verifications,
    };
  } finally {
    await load.stop();
    await group.destroy();
  }
}

/** Every acknowledged write is on every node. */
async function verifyAll(group: LinkGroup, load: LinkLoad, journal: ProcessJournal): Promise<void> {
  await load.pause();
  await group.untilLevel();
  for (const node of [group.master, ...group.replicas.map(({ process }) => process)])
    await journal.verify(node);
  load.resume();
}

/** One fault from its beginning to its end; whether it met any traffic. */
async function breakLinks(group: LinkGroup, kind: CutKind, random: SeededRandom): Promise<boolean> {
  const replicas = random.chance(0.3) ? group.replicas : [random.pick(group.replicas)];
  const links = replicas.flatMap(({ toMaster, fromMaster }) =>
    random.pick([[toMaster, fromMaster], [fromMaster], [fromMaster, toMaster]]),
  );
  const before = links.map(harm);
  for (const link of links) begin(link, kind, random);
  // Some shorter than a push, some longer than it takes to count as lost.
  await pause(random.pick([5, 40, 150, PULL_MS + 200, 1_700]));
  for (const link of links) link.heal();
  await pause(kind === 'stall' ? 20 : 0);
  return links.some((link, i) => harm(link) > (before[i] ?? 0));
}

function begin(link: TcpProxy, kind: CutKind, random: SeededRandom): void {
  const way: Way = random.pick(['up', 'down']);
  const faults: Record<CutKind, () => void> = {
    cut: () => link.cut(),
    reset: () => link.reset(),
    'half-open': () => link.swallow('up', 'down'),
    'one way': () => link.swallow(way),
    stall: () => (random.chance(0.5) ? link.stall('up', 'down') : link.stall(way)),
    delay: () => link.delay(random.between(20, 400), 100),
  };
  faults[kind]();
}

/** What was done to the traffic so far, in whatever unit: it only rises. */
function harm({ counts }: TcpProxy): number {
  return counts.broken + counts.swallowedBytes + counts.stalledBytes + counts.delayedBytes;
}
