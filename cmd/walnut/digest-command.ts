/**
 * `walnut digest`: the digest of the stored state at one position, and whether
 * other nodes have the same. Digests say something about each other only at
 * equal positions, so nodes are asked again until their positions meet.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { Command } from 'commander';
import type { DigestResponse } from '#gen/walnut/v1/admin_pb.ts';
import { type Address, parseAddress, parseWaitMs } from './arguments.ts';
import { CliError, describeFailure, EXIT, type ExitCode } from './cli-error.ts';
import { type CommandHost, type Invocation, show } from './command-host.ts';
import { createNodeClients, LONG_CALL, type NodeClients } from './connection.ts';
import { renderTable, showCount, showPosition } from './output.ts';

const WAIT_MS_DEFAULT = 10_000;
const WAIT_MS_MAX = 3_600_000;
const PAUSE_MS = 100;

interface DigestOptions {
  /** `true`: the replicas that the master knows. */
  readonly compare?: readonly string[] | true;
  readonly wait?: number;
}

interface NodeDigest {
  readonly address: string;
  readonly position: string;
  readonly entries: number;
  readonly digest: string;
}

export type DigestVerdict = 'same' | 'different' | 'positions differ';

export function addDigestCommand(program: Command, host: CommandHost): void {
  program
    .command('digest')
    .summary('digest of the stored state, and comparison with other nodes')
    .description(
      'Prints the digest of the stored state at one position. With --compare, asks the nodes ' +
        'again until all are at one position, then compares. Exits 1 where digests differ or the ' +
        'positions do not meet in time.',
    )
    .option('--compare [addresses...]', 'other nodes; none named: the replicas that the node knows')
    .option(
      '--wait <duration>',
      'how long positions may take to meet (default: 10s)',
      parseWaitMs(WAIT_MS_MAX),
    )
    .addHelpText(
      'after',
      `
Examples:
  walnut digest
  walnut digest --compare
  walnut digest --compare 127.0.0.1:8081 127.0.0.1:8082 --wait 30s
  walnut digest --compare --json

Positions meet only while nothing is written: stop the writers first.`,
    )
    .action(host.action<DigestOptions>(runDigest));
}

async function runDigest(invocation: Invocation, options: DigestOptions): Promise<ExitCode> {
  const addresses = [invocation.address, ...(await othersOf(invocation, options))];
  const nodes = addresses.map((address) => ({ address, clients: createNodeClients(address) }));
  if (options.compare === undefined) {
    const digest = await askDigest(invocation.address, createNodeClients(invocation.address));
    await show(
      invocation,
      () => digest,
      () => renderDigests(invocation, [digest]),
    );
    return EXIT.ok;
  }
  const deadlineMs = Date.now() + (options.wait ?? WAIT_MS_DEFAULT);
  for (;;) {
    const digests = await Promise.all(nodes.map(({ address, clients }) => askDigest(address, clients)));
    const verdict = compareDigests(digests);
    const isOver = Date.now() >= deadlineMs || invocation.io.interrupted.aborted;
    if (verdict !== 'positions differ' || isOver) return showVerdict(invocation, digests, verdict);
    await delay(PAUSE_MS, undefined, { signal: invocation.io.interrupted }).catch(() => {});
  }
}

async function othersOf(invocation: Invocation, options: DigestOptions): Promise<Address[]> {
  if (options.compare === undefined) return [];
  if (options.compare !== true) return options.compare.map(parseAddress);
  const { replicas } = await createNodeClients(invocation.address).admin.status({}, LONG_CALL);
  if (replicas.length > 0) return replicas.map((replica) => parseAddress(replica.address));
  throw new CliError(
    EXIT.usage,
    `${invocation.address.text} knows no replicas`,
    'Name them: --compare HOST:PORT …',
  );
}

async function askDigest(address: Address, clients: NodeClients): Promise<NodeDigest> {
  const answer: DigestResponse = await clients.admin.digest({}, LONG_CALL).catch((error: unknown) => {
    throw describeFailure(error, address.text);
  });
  const { digest } = answer;
  return {
    address: address.text,
    position: showPosition(answer.position),
    entries: Number(answer.entries),
    digest,
  };
}

/** Digests at different positions cannot be compared. */
export function compareDigests(
  digests: readonly Pick<NodeDigest, 'position' | 'digest' | 'entries'>[],
): DigestVerdict {
  const first = digests[0];
  if (first === undefined) return 'same';
  if (digests.some(({ position }) => position !== first.position)) return 'positions differ';
  const isSame = digests.every(({ digest, entries }) => digest === first.digest && entries === first.entries);
  return isSame ? 'same' : 'different';
}

async function showVerdict(
  invocation: Invocation,
  nodes: NodeDigest[],
  verdict: DigestVerdict,
): Promise<ExitCode> {
  await show(
    invocation,
    () => ({ verdict, nodes }),
    () => renderDigests(invocation, nodes),
  );
  if (verdict === 'same') {
    if (!invocation.isJson) await invocation.io.write(invocation.colors.green('same\n'));
    return EXIT.ok;
  }
  if (verdict === 'different') {
    throw new CliError(
      EXIT.negative,
      'the digests differ at the same position',
      'See what the nodes say with: walnut status --address HOST:PORT',
    );
  }
  throw new CliError(
    EXIT.negative,
    'the positions did not meet in time, so the digests were not compared',
    'Stop the writers, or give more time: --wait 60s',
  );
}

function renderDigests({ colors }: Invocation, digests: readonly NodeDigest[]): string {
  const rows = digests.map((node) => [node.address, node.position, showCount(node.entries), node.digest]);
  return renderTable(colors, ['NODE', 'POSITION', 'ENTRIES', 'DIGEST'], rows);
}
