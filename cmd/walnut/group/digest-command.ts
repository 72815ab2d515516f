/**
 * `walnut digest`: shows the digest of the stored state at one position, and compares it
 * with that of other nodes at the same position.
 */

import type { Command } from 'commander';
import type { Endpoint } from '#dial/endpoint.ts';
import { Role } from '#gen/walnut/v1/types_pb.ts';
import { parseAddress, parseWaitMs, parseWirePosition, type WirePosition } from '../arguments.ts';
import { createNodeClients, type Interruptible, shortCall, waitingCall } from '../call/connection.ts';
import { CliError, describeFailure, EXIT, type ExitCode } from '../cli-error.ts';
import {
  type CommandHost,
  type Invocation,
  parseToldAddress,
  show,
  toArgument,
  usageError,
} from '../command-host.ts';
import { showCount, showPosition } from '../output/output.ts';
import { renderTable } from '../output/table.ts';
import { type Comparison, compareNodes, failureOf } from './digest-compare.ts';
import { refuseGateway } from './group-status.ts';

const WAIT_MS_DEFAULT = 10_000;
const WAIT_MS_MAX = 3_600_000;
/** How long one call may wait, in milliseconds. */
const CALL_WAIT_MS_MAX = 60_000;

interface DigestOptions {
  /** `true`: the whole group. */
  readonly compare?: readonly string[] | true;
  readonly at?: WirePosition;
  readonly wait?: number;
}

export function addDigestCommand(program: Command, host: CommandHost): void {
  program
    .command('digest')
    .summary('show the digest of the state; compare nodes')
    .description(
      'Prints the digest of the stored state at one position. With --compare, takes the digests of all ' +
        'nodes of the group at the same position, while they run, and compares them. Exits 0 if all are ' +
        'equal; 1 if a node differs, which is named, or if the nodes do not reach one position in time; ' +
        '5 if a node does not answer.',
    )
    .option(
      '--compare [addresses...]',
      'the nodes to compare with (default: the master of the node and its replicas)',
    )
    .option('--at <position>', 'the position EPOCH-LSN, one of the last 16,384 records', parseWirePosition)
    .option(
      '--wait <duration>',
      'how long to wait until nodes reach a position (default: 10s)',
      parseWaitMs(WAIT_MS_MAX),
    )
    .addHelpText(
      'after',
      `
Examples:
  walnut digest
  walnut digest --at 4294967303-120 --wait 5s
  walnut digest --compare
  walnut digest --compare 127.0.0.1:8081 127.0.0.1:8082 --wait 30s
  walnut digest --compare --json`,
    )
    .action(host.action<DigestOptions>(runDigest));
}

async function runDigest(invocation: Invocation, options: DigestOptions): Promise<ExitCode> {
  if (options.compare === undefined) return showOne(invocation, options);
  if (options.at !== undefined) {
    throw usageError('--at and --compare exclude each other', 'A comparison finds its position by itself.');
  }
  const addresses =
    options.compare === true
      ? await groupOf(invocation)
      : [
          invocation.address,
          ...(await Promise.all(options.compare.map((each) => invocation.reach(parseAddress(each))))),
        ];
  const comparison = await compareNodes(
    addresses,
    options.wait ?? WAIT_MS_DEFAULT,
    invocation.io.interrupted,
  );
  await show(
    invocation,
    () => comparison,
    () => renderComparison(invocation, comparison),
  );
  const failure = failureOf(comparison);
  if (failure !== undefined) throw failure;
  if (!invocation.isJson) {
    const all = `all ${comparison.nodes.length} the same at ${comparison.position}\n`;
    await invocation.io.write(invocation.colors.green(all));
  }
  return EXIT.ok;
}

async function showOne(invocation: Invocation, { at, wait }: DigestOptions): Promise<ExitCode> {
  const { address } = invocation;
  const { admin } = createNodeClients(address);
  const waitMs = Math.min(wait ?? 0, CALL_WAIT_MS_MAX);
  const answer = await admin.digest(at === undefined ? {} : { at, waitMs }, waitingCall(invocation.io));
  const digest = {
    address: address.text,
    position: showPosition(answer.position),
    entries: Number(answer.entries),
    digest: answer.digest,
  };
  await show(
    invocation,
    () => digest,
    () =>
      renderTable(
        invocation.colors,
        ['NODE', 'POSITION', 'ENTRIES', 'DIGEST'],
        [[digest.address, digest.position, showCount(digest.entries), digest.digest]],
      ),
  );
  return EXIT.ok;
}

/** The master, which is `asked` or the node that `asked` follows, and its replicas. */
async function groupOf({ address: asked, io }: Invocation): Promise<Endpoint[]> {
  const status = await statusOf(asked, io);
  if (status.role === Role.MASTER) {
    if (status.replicas.length === 0) throw knowsNobody(asked);
    return [asked, ...status.replicas.map((replica) => parseToldAddress(replica.address, asked))];
  }
  if (!status.master?.address) throw followsNobody(asked);
  const master = parseToldAddress(status.master.address, asked);
  const { replicas } = await statusOf(master, io);
  // The master may know the asked node by another address.
  const others = replicas.filter(({ nodeId, address }) => nodeId !== status.nodeId && address !== asked.text);
  return [master, asked, ...others.map((replica) => parseToldAddress(replica.address, master))];
}

async function statusOf(address: Endpoint, io: Interruptible) {
  const status = await createNodeClients(address)
    .admin.status({}, shortCall(io))
    .catch((error: unknown) => {
      throw describeFailure(error, toArgument(address));
    });
  refuseGateway(address, status);
  return status;
}

function followsNobody(address: Endpoint): CliError {
  return new CliError(
    EXIT.server,
    `${address.text} knows no master of its group now`,
    'See why with: walnut status; or name the nodes: --compare HOST:PORT …',
  );
}

function knowsNobody(address: Endpoint): CliError {
  return new CliError(EXIT.usage, `${address.text} knows no replicas`, 'Name them: --compare HOST:PORT …');
}

/** A part of the digest that suffices to distinguish two, for narrow terminals. --json has the whole digest. */
const DIGEST_CHARACTERS = 16;

function renderComparison({ colors }: Invocation, { nodes }: Comparison): string {
  const render = (digestCharacters: number): string => {
    const rows = nodes.map(({ address, role, position, entries, digest, verdict }) => [
      address,
      role,
      position,
      entries === undefined ? '-' : showCount(entries),
      digest?.slice(0, digestCharacters) ?? '-',
      verdict === 'same' ? colors.green(verdict) : colors.red(verdict),
    ]);
    return renderTable(colors, ['NODE', 'ROLE', 'POSITION', 'ENTRIES', 'DIGEST', 'VERDICT'], rows);
  };
  const whole = render(Number.POSITIVE_INFINITY);
  const isTable = whole.split('\n').length === nodes.length + 2;
  return isTable ? whole : render(DIGEST_CHARACTERS);
}
