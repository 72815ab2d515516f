/** `walnut import`: the entries of a file of redis, or of NDJSON, into a group. */
import { type Command, Option } from 'commander';
import { parseCount, parseKey, parsePath } from '../arguments.ts';
import { type NodeClients, waitingCall } from '../call/connection.ts';
import { persist } from '../call/persist.ts';
import {
  ADVICE_ALL_GROUPS,
  CliError,
  describeFailure,
  EXIT,
  type ExitCode,
  leaderHintOf,
  ownerHintOf,
} from '../cli-error.ts';
import { type CommandHost, type Invocation, show, toArgument, usageError } from '../command-host.ts';
import { callFollowing } from '../keys/write-options.ts';
import { countOf, showCount } from '../output/output.ts';
import { escapeLine } from '../output/terminal.ts';
import { ImportCounts, type ImportPlan, type ImportWriter, runImport } from './import-run.ts';
import { MoveProgress } from './move-progress.ts';
import { type ImportFormat, type ImportSource, openSource } from './open-source.ts';
import { renderSurvey, type Survey, surveyItems } from './survey.ts';

const PATIENCE_MS = 60_000;
const DATABASE_MAX = 1_000_000;

interface ImportOptions {
  readonly format?: ImportFormat;
  readonly db?: number;
  readonly prefix?: string;
  readonly ifAbsent?: boolean;
  readonly skip?: number;
  readonly check?: boolean;
  readonly follow?: boolean;
}

export function addImportCommand(program: Command, host: CommandHost): void {
  program
    .command('import')
    .summary('write the entries of a file: an RDB file of redis, or NDJSON')
    .description(
      'Sets each key of FILE to its value, with its deadline or none. An RDB file is read whole before ' +
        'anything is written, so that nothing is taken from a damaged one; of it strings are imported, and other ' +
        'types are counted and named. What has expired is passed over. Interrupted or failed, it says how to go ' +
        'on; run again from the start, it writes the same. Exits 1 if something was left.',
    )
    .argument('<file>', 'the file, or - for NDJSON on stdin', parsePath)
    .addOption(
      new Option('--format <format>', 'of the file (default: what it begins with)').choices([
        'rdb',
        'ndjson',
      ]),
    )
    .option('--db <n>', 'only this database of an RDB file', parseCount(0, DATABASE_MAX))
    .option('--prefix <prefix>', 'put this before each key', parseKey)
    .option('--if-absent', 'leave keys that are there as they are')
    .option(
      '--skip <n>',
      'pass over so many keys of the file, which an earlier run did; not for stdin',
      parseCount(0),
    )
    .option('--check', 'read the file, say what is in it, and write nothing')
    .option('--no-follow', 'do not call the master if a replica refuses')
    .addHelpText(
      'after',
      `
A line of NDJSON, of which only key and value are needed (valueBase64 for bytes that are no text):
  {"key":"user:7","value":"Ann","expireAtMs":1893456000000,"contentType":"text/plain"}

Examples:
  redis-cli --rdb dump.rdb && walnut import dump.rdb --check
  walnut import dump.rdb --db 0 --prefix legacy:
  walnut export --address old:8080 | walnut import - --address new:8080`,
    )
    .action(host.action<ImportOptions>(runImportCommand));
}

async function runImportCommand(invocation: Invocation, options: ImportOptions): Promise<ExitCode> {
  const path = invocation.args[0] ?? '';
  const source = await openSource(path, options.format, invocation.io.stdin);
  if (source.format === 'ndjson' && options.db !== undefined) throw usageError('--db is for RDB files');
  if (!source.isFile && options.skip !== undefined)
    throw usageError(
      '--skip is for files: stdin may have another order than in an earlier run',
      'Run it from the start, which writes the same, or write it to a file and give its path',
    );
  const survey =
    source.isReadTwice || options.check === true ? await surveyOf(source, invocation) : undefined;
  if (options.check === true) {
    await show(
      invocation,
      () => survey,
      () => renderSurvey(survey as Survey),
    );
    return EXIT.ok;
  }
  checkDatabases(survey, options);
  return importFrom(source, invocation, options);
}

async function surveyOf(source: ImportSource, { io }: Invocation): Promise<Survey> {
  const progress = new MoveProgress('checking', source.bytes, io);
  return surveyItems(source.items(progress.read), io.interrupted);
}

/** The same key may be in several databases, and one would be lost. */
function checkDatabases(survey: Survey | undefined, { db }: ImportOptions): void {
  const databases = Object.keys(survey?.databases ?? {});
  if (survey === undefined || (db === undefined && databases.length <= 1)) return;
  const there = `the file has keys in ${databases.length === 0 ? 'none' : `databases ${databases.join(', ')}`}`;
  if (db === undefined)
    throw usageError(there, 'Name one, such as --db 0, and import each with a --prefix of its own');
  if (!databases.includes(String(db))) throw usageError(`database ${db} is empty: ${there}`);
}

async function importFrom(
  source: ImportSource,
  invocation: Invocation,
  options: ImportOptions,
): Promise<ExitCode> {
  const { io } = invocation;
  const counts = new ImportCounts();
  const progress = new MoveProgress('importing', source.bytes, io);
  const plan: ImportPlan = {
    skip: options.skip ?? 0,
    database: options.db,
    prefix: options.prefix ?? '',
    keepsExisting: options.ifAbsent === true,
    nowMs: Date.now,
    interrupted: io.interrupted,
    writer: createWriter(invocation, options),
    onBatch: () => progress.done(counts.written, 'written'),
  };
  try {
    await runImport(source.items(progress.read), plan, counts);
  } catch (error) {
    const { exitCode, message, advice } = describeFailure(error, toArgument(invocation.address));
    throw new CliError(
      exitCode,
      `${message} (${doneOf(counts)})`,
      [ownerHintOf(error) === undefined ? advice : ADVICE_ALL_GROUPS, goOn(counts, source)]
        .filter(Boolean)
        .join('\n'),
    );
  }
  await show(
    invocation,
    () => toJson(counts),
    () => renderCounts(counts),
  );
  if (io.interrupted.aborted)
    throw new CliError(EXIT.interrupted, `interrupted: ${doneOf(counts)}`, goOn(counts, source));
  return counts.leftCount === 0 ? EXIT.ok : EXIT.negative;
}

/**
 * Once a write was made somewhere, such as at the master that a replica named, the next one
 * begins there. After a failure it begins at the address of the command again, since another
 * node may be the master by then.
 */
function createWriter(invocation: Invocation, options: ImportOptions): ImportWriter {
  let known: NodeClients | undefined;
  const policy = { patienceMs: PATIENCE_MS, interrupted: invocation.io.interrupted };
  const write = <T>(write: (clients: NodeClients) => Promise<T>): Promise<T> => {
    const call = async (clients: NodeClients): Promise<T> => {
      const answer = await write(clients);
      known = clients;
      return answer;
    };
    const attempt = async (): Promise<T> => {
      const clients = known;
      known = undefined;
      if (clients === undefined) return callFollowing(invocation, options, call);
      return call(clients).catch((error: unknown) => {
        if (leaderHintOf(error) === undefined) throw error;
        return callFollowing(invocation, options, call);
      });
    };
    return persist(attempt, policy);
  };
  const call = waitingCall(invocation.io);
  return {
    batch: (operations) => write(({ kv }) => kv.batch({ operations: [...operations] }, call)),
    set: (request) => write(({ kv }) => kv.set(request, call)),
  };
}

function doneOf({ done }: ImportCounts): string {
  return `after ${countOf(done, 'key')} of the file`;
}

/** A program that fills stdin may give other entries, in another order, the next time. */
function goOn({ done }: ImportCounts, { isFile }: ImportSource): string | undefined {
  if (done === 0) return undefined;
  return isFile
    ? `To go on from there, run the same command with --skip ${done}`
    : 'Run it again from the start, which writes the same: what stdin gives then may have another order';
}

function toJson({ done, written, kept, expired, left }: ImportCounts): Record<string, unknown> {
  const reasons = [...left].map(([why, { count, first }]) => ({ why, count, first }));
  return { done, written, kept, expired, left: reasons };
}

function renderCounts({ written, kept, expired, left }: ImportCounts): string {
  const beside = [
    ...(kept > 0 ? [`${showCount(kept)} were there and were left`] : []),
    ...(expired > 0 ? [`${showCount(expired)} had expired`] : []),
  ];
  const lines = [`imported ${countOf(written, 'key')}${beside.map((text) => `, ${text}`).join('')}`];
  for (const [why, { count, first }] of left) {
    const more = count > first.length ? ', …' : '';
    lines.push(
      `not imported: ${showCount(count)} ${escapeLine(why)}: ${first.map(escapeLine).join(', ')}${more}`,
    );
  }
  return `${lines.join('\n')}\n`;
}
