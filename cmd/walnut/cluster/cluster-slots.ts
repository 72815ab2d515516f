/** `walnut cluster slots`: entries and bytes of the key slots of each group, as its leader counts them. */
import type { ShardMap } from '#cluster/shard-map.ts';
import { runsOf, slotsIn } from '#cluster/shard-map.ts';
import type { Endpoint } from '#dial/endpoint.ts';
import type { SlotSize } from '#gen/walnut/v1/admin_pb.ts';
import { InterruptedCallError } from '../call/call-error.ts';
import { createNodeClients, type Interruptible, shortCall } from '../call/connection.ts';
import { CliError, describeFailure, EXIT, type ExitCode } from '../cli-error.ts';
import { type Invocation, parseToldAddress, show, toArgument } from '../command-host.ts';
import { statusCall } from '../group/group-status.ts';
import { countOf, showBytes, showCount, showPosition } from '../output/output.ts';
import { renderFacts, renderTable } from '../output/table.ts';
import type { Colors } from '../output/terminal.ts';
import type { ClusterOptions } from './cluster-options.ts';
import { endpointsOf, readMap } from './cluster-reads.ts';

interface SlotsOptions extends ClusterOptions {
  readonly group?: string;
  readonly top: number;
}

interface GroupSizes {
  readonly id: string;
  /** How many slots it owns. */
  readonly slots: number;
  readonly counted: Counted | CliError;
}

interface Counted {
  /** `epoch-lsn` of the last page. */
  readonly position: string;
  /** Slots that have entries, the largest first. */
  readonly sizes: readonly SlotSize[];
}

export async function runSlots(invocation: Invocation, options: SlotsOptions): Promise<ExitCode> {
  const endpoints = await endpointsOf(invocation, options);
  const map = await readMap(endpoints, invocation.io);
  const ids = [...map.groups.keys()]
    .sort()
    .filter((id) => options.group === undefined || id === options.group);
  if (ids.length === 0)
    throw new CliError(
      EXIT.negative,
      options.group === undefined ? 'the cluster is not made yet' : `there is no group ${options.group}`,
      options.group === undefined
        ? 'Make it with: walnut cluster init'
        : 'See which there are: walnut cluster map',
    );
  const groups = await Promise.all(ids.map((id) => sizesOf(map, id, endpoints, invocation.io)));
  await show(
    invocation,
    () => ({ groups: groups.map((group) => groupJson(group, options.top)) }),
    () => groups.map((group) => groupText(invocation.colors, group, options.top)).join('\n'),
  );
  return groups.some(({ counted }) => counted instanceof CliError) ? EXIT.negative : EXIT.ok;
}

async function sizesOf(
  map: ShardMap,
  id: string,
  endpoints: readonly Endpoint[],
  io: Interruptible,
): Promise<GroupSizes> {
  const slots = slotsIn(runsOf(map.slots, id));
  const leader = map.groups.get(id)?.leader?.node ?? '';
  const address = map.nodes.get(leader)?.address;
  const [by] = endpoints;
  if (address === undefined || by === undefined)
    return { id, slots, counted: new CliError(EXIT.negative, 'it has no leader now') };
  const at = parseToldAddress(address, by);
  const counted = await count(at, io).catch((error: unknown) => {
    if (error instanceof InterruptedCallError) throw error;
    return describeFailure(error, toArgument(at));
  });
  return { id, slots, counted };
}

async function count(at: Endpoint, io: Interruptible): Promise<Counted> {
  const { admin } = createNodeClients(at);
  const call = shortCall(io);
  // Counting may take long; a leader that does not even say how it is does not count.
  await admin.status({}, statusCall(io));
  const sizes: SlotSize[] = [];
  for (let fromSlot = 0; ; ) {
    const { position, slots, nextSlot } = await admin.getSlotSizes({ fromSlot }, call);
    sizes.push(...slots);
    if (nextSlot <= fromSlot)
      return { position: showPosition(position), sizes: sizes.sort((a, b) => Number(b.bytes - a.bytes)) };
    fromSlot = nextSlot;
  }
}

function sumOf(sizes: readonly SlotSize[], of: 'entries' | 'bytes'): bigint {
  return sizes.reduce((sum, size) => sum + size[of], 0n);
}

function groupJson({ id, slots, counted }: GroupSizes, top: number): Record<string, unknown> {
  if (counted instanceof CliError) return { id, slots, error: counted.message };
  const { position, sizes } = counted;
  return {
    ...{ id, slots, position },
    slotsWithEntries: sizes.length,
    entries: Number(sumOf(sizes, 'entries')),
    bytes: Number(sumOf(sizes, 'bytes')),
    largest: sizes
      .slice(0, top)
      .map(({ slot, entries, bytes }) => ({ slot, entries: Number(entries), bytes: Number(bytes) })),
  };
}

function groupText(colors: Colors, { id, slots, counted }: GroupSizes, top: number): string {
  if (counted instanceof CliError)
    return renderFacts(colors, [
      ['group', `${id}, ${countOf(slots, 'slot')}`],
      ['not counted', colors.red(counted.message)],
    ]);
  const { position, sizes } = counted;
  const entries = countOf(sumOf(sizes, 'entries'), 'entry', 'entries');
  const facts = renderFacts(colors, [
    ['group', `${id}, ${countOf(slots, 'slot')}, ${showCount(sizes.length)} of them with entries`],
    ['holds', `${entries}, ${showBytes(sumOf(sizes, 'bytes'))}, at ${position}`],
  ]);
  const rows = sizes
    .slice(0, top)
    .map((size) => [String(size.slot), showCount(size.entries), showBytes(size.bytes)]);
  return rows.length === 0 ? facts : `${facts}${renderTable(colors, ['SLOT', 'ENTRIES', 'BYTES'], rows)}`;
}
