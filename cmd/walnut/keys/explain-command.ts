/** `walnut explain`: what a node knows of a key, and what became of it. */
import type { Command } from 'commander';
import type { ExplainResponse, WatchEvent } from '#gen/walnut/v1/kv_store_pb.ts';
import { Cause, Op } from '#gen/walnut/v1/types_pb.ts';
import { EXPLAIN_CHANGES_MAX } from '#model/explain.ts';
import { quoteKey } from '#model/limits.ts';
import { parseCount, parseKey } from '../arguments.ts';
import { createNodeClients, shortCall } from '../call/connection.ts';
import { CliError, EXIT, type ExitCode } from '../cli-error.ts';
import { type CommandHost, type Invocation, show } from '../command-host.ts';
import {
  countOf,
  enumName,
  modifiedToJson,
  showBytes,
  showDeadline,
  showLag,
  showModified,
  showPosition,
} from '../output/output.ts';
import { renderFacts, renderTable } from '../output/table.ts';
import { escapeLine } from '../output/terminal.ts';
import { showDeadlineOf } from './event-deadline.ts';

interface ExplainOptions {
  readonly changes?: number;
}

export function addExplainCommand(program: Command, host: CommandHost): void {
  program
    .command('explain')
    .summary('say what became of a key')
    .description(
      'Says whether KEY is there, and else what became of it by the log of the node: deleted, expired, ' +
        'evicted, or never here. Searches back from the newest record for at most 2 s and 64 MiB of log. ' +
        'Exits 1 if a get would not find it.',
    )
    .argument('<key>', 'key of the entry', parseKey)
    .option(
      '--changes <n>',
      `how many of its last changes to list, at most ${EXPLAIN_CHANGES_MAX} (default: 10)`,
      parseCount(1, EXPLAIN_CHANGES_MAX),
    )
    .addHelpText(
      'after',
      `
Examples:
  walnut explain greeting
  walnut explain greeting --address 127.0.0.1:8081   # what a replica knows of it
  walnut explain greeting --changes 100 --json | jq .changes`,
    )
    .action(host.action<ExplainOptions>(runExplain));
}

async function runExplain(invocation: Invocation, options: ExplainOptions): Promise<ExitCode> {
  const key = invocation.args[0] ?? '';
  const { kv } = createNodeClients(invocation.address);
  const answer = await kv.explain({ key, changes: options.changes ?? 0 }, shortCall(invocation.io));
  await show(
    invocation,
    () => toJson(key, answer),
    () => toText(invocation, answer),
  );
  if (answer.found) return EXIT.ok;
  throw new CliError(EXIT.negative, `key ${quoteKey(key)} is missing`);
}

function toJson(key: string, answer: ExplainResponse): Record<string, unknown> {
  const { found, summary, changes } = answer;
  const entry = {
    version: showPosition(answer.version),
    expireAtMs: Number(answer.expireAtMs),
    bytes: Number(answer.valueBytes),
    memoryBytes: Number(answer.memoryBytes),
    ...modifiedToJson(answer),
    accessedMs: Number(answer.accessedMs),
  };
  return {
    key,
    summary,
    found,
    ...(found ? entry : {}),
    changes: changes.map((event) => ({
      op: enumName(Op, event.op),
      cause: enumName(Cause, event.cause),
      version: showPosition(event.version),
      timestampMs: Number(event.timestampMs),
      expireAtMs: Number(event.expireAtMs),
    })),
    sets: Number(answer.sets),
    deletes: Number(answer.deletes),
    waitingChanges: Number(answer.waitingChanges),
    searchedFrom: showPosition(answer.searchedFrom),
    complete: answer.complete,
    asOf: showPosition(answer.asOf),
    stalenessMs: Number(answer.stalenessMs),
    lagRecords: Number(answer.lagRecords),
  };
}

function toText({ colors }: Invocation, answer: ExplainResponse): string {
  const { found, changes, searchedFrom, complete } = answer;
  const searched = `${complete ? 'all of the log, ' : ''}from record ${showPosition(searchedFrom)}`;
  const facts: [string, string][] = [
    ['searched', searched],
    ['there', `${countOf(answer.sets, 'set')}, ${countOf(answer.deletes, 'delete')}`],
    ['as of', `${showPosition(answer.asOf)}, staleness ${showLag(answer.stalenessMs)}`],
  ];
  if (found) {
    const memory: [string, string] = ['counts as', `${showBytes(answer.memoryBytes)} of storage.max_memory`];
    const accessed: [string, string] = ['accessed', showModified(answer.accessedMs)];
    facts.unshift(['modified', showModified(answer.modifiedMs)], accessed, memory);
  }
  const head = `${escapeLine(answer.summary)}\n\n${renderFacts(colors, facts)}`;
  if (changes.length === 0) return head;
  const table = renderTable(colors, ['TIME', 'OP', 'CAUSE', 'RECORD', 'EXPIRES'], changes.map(toCells));
  return `${head}\n${table}`;
}

function toCells(event: WatchEvent): string[] {
  return [
    showDeadline(event.timestampMs),
    enumName(Op, event.op),
    enumName(Cause, event.cause),
    showPosition(event.version),
    showDeadlineOf(event),
  ];
}
