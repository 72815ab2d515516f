/** Formats a repair that is planned or done. Pure. */
import { basename } from 'node:path';
import type { Loss, LsnRange } from '#backup/repair/lost-records.ts';
import type { Cut } from '#backup/repair/repair-directory.ts';
import { formatPosition } from '#model/position.ts';
import { countOf, showBytes, showCount, showDeadline, showText } from '../output/output.ts';
import { renderFacts, renderTable } from '../output/table.ts';
import type { Colors } from '../output/terminal.ts';

/** `aside`: the folder with the parts that were cut off; undefined if nothing was changed. */
export function cutToJson(plan: Cut, aside: readonly string[] | undefined): Record<string, unknown> {
  const { damage, keep, rehearsal, dropsSnapshot, files, loss } = plan;
  return {
    plan: 'cut',
    applied: aside !== undefined,
    damage,
    keep: { position: formatPosition(keep), timeMs: rehearsal.endTimestampMs },
    entries: rehearsal.store.entries,
    digest: rehearsal.store.stateDigest(),
    dropsSnapshot,
    files,
    loss: {
      ...loss,
      keys: loss.keys.map(({ lost, kept, ...key }) => ({
        ...key,
        lost: formatPosition(lost),
        kept: kept === undefined ? null : formatPosition(kept),
      })),
    },
    aside: aside ?? [],
  };
}

export function renderCut(
  colors: Colors,
  plan: Cut,
  aside: readonly string[] | undefined,
  keysMax: number,
): string {
  const { damage, keep, rehearsal, dropsSnapshot, files, loss } = plan;
  const { endTimestampMs, store, manifest } = rehearsal;
  const when = endTimestampMs === 0 ? '' : `, written ${showDeadline(endTimestampMs)}`;
  const state = keep.lsn === 0 ? 'nothing' : `everything up to ${formatPosition(keep)}${when}`;
  const facts: [string, string][] = [
    ['damage', `${basename(damage.file)}: byte ${damage.byte}, LSN ${damage.lsn}: ${damage.why}`],
    ['keeps', `${state}: ${countOf(store.entries, 'entry', 'entries')}`],
    ['loses', describeLoss(loss, keep.lsn)],
  ];
  if (loss.unreadable.length > 0) {
    const ranges = loss.unreadable.map(describeRange).join(', ');
    facts.push(['unreadable', `LSN ${ranges}: which keys they wrote is not known`]);
  }
  if (dropsSnapshot)
    facts.push(['snapshot', 'given up: the log reaches back to its beginning and gives the same state']);
  const parts = [renderFacts(colors, facts)];
  if (files.length > 0) {
    const rows = files.map(({ name, fromByte, bytes }) => [name, String(fromByte), showBytes(bytes)]);
    parts.push(renderTable(colors, ['CUT OFF', 'FROM BYTE', 'SIZE'], rows));
  }
  if (loss.keys.length > 0 && keysMax > 0) parts.push(renderKeys(colors, loss, keysMax));
  parts.push(aside === undefined ? proposal(plan) : conclusion(aside, manifest.role));
  return parts.join('\n');
}

function describeLoss({ records, mutations, keys, lastLsn, unreadable }: Loss, keptLsn: number): string {
  if (lastLsn === keptLsn) return 'no known record';
  const count = lastLsn - keptLsn;
  const rest = unreadable.length === 0 ? '' : `, of which ${showCount(count - records)} cannot be read`;
  const range = describeRange({ firstLsn: keptLsn + 1, lastLsn });
  return `${countOf(count, 'record')} (LSN ${range})${rest}: ${countOf(mutations, 'write')} to ${countOf(keys.length, 'key')}`;
}

function describeRange({ firstLsn, lastLsn }: LsnRange): string {
  return firstLsn === lastLsn ? `${firstLsn}` : `${firstLsn} to ${lastLsn}`;
}

function renderKeys(colors: Colors, { keys }: Loss, keysMax: number): string {
  const shown = keys.slice(-keysMax);
  const rows = shown.map(({ key, writes, lost, op, kept }) => [
    showText(key),
    showCount(writes),
    `${op} at ${formatPosition(lost)}`,
    kept === undefined ? 'not there' : formatPosition(kept),
  ]);
  const table = renderTable(colors, ['KEY', 'WRITES LOST', 'THE LAST', 'GOES BACK TO'], rows);
  const hidden = keys.length - shown.length;
  return hidden === 0
    ? table
    : `${table}and ${showCount(hidden)} keys written before these; --json shows all\n`;
}

function proposal({ rehearsal, keep }: Cut): string {
  const instead =
    rehearsal.manifest.role === 'replica'
      ? 'This is a replica: moving the directory away and starting again loses nothing.'
      : 'A replica or a backup may have what is lost here: promote or restore that instead.';
  const flags = keep.lsn === 0 ? '--apply --allow-empty' : '--apply';
  return `Nothing was changed. ${instead}\nTo cut the log here, with the node stopped, run again with ${flags}\n`;
}

function conclusion(aside: readonly string[], role: string): string {
  const next =
    role === 'replica'
      ? 'It fetches the rest from its master when it is started.'
      : 'If a replica has more than this, the master that is started stays read only: promote the replica instead, or use --force-role master.';
  const kept = aside.length === 0 ? '' : `What was cut is kept: ${aside.join(', ')}\n`;
  return `Repaired and verified. ${kept}${next}\n`;
}
