/**
 * A `KeyValuePort` as a caller sees it who may not do everything with every key. What
 * may not be read is not there; what may not be done is refused with
 * `permission_denied` and nothing of it reaches the port. Pure.
 */
import { covers, isEverything, within } from '#auth/prefixes.ts';
import { inEqualSteps, readableUpdates } from '#auth/readable-updates.ts';
import { readableWatch } from '#auth/readable-watch.ts';
import { failureWithoutValues, resultWithoutValues, writtenUnseen } from '#auth/without-values.ts';
import type { KeyRights } from '#model/access.ts';
import type { Awaitable } from '#model/awaitable.ts';
import type {
  AtomicBatchAnswer,
  AtomicBatchCommand,
  AwaitDurableCommand,
  BatchOperation,
  BatchResult,
  DeleteCommand,
  DeletePrefixAnswer,
  DeletePrefixCommand,
  DurableAnswer,
  GetAnswer,
  GetCommand,
  IncrementAnswer,
  IncrementCommand,
  ScanAnswer,
  ScanCommand,
  SetCommand,
  TouchAnswer,
  TouchCommand,
  UpdatesAnswer,
  UpdatesCommand,
  WriteAnswer,
  WriteOperation,
} from '#model/commands.ts';
import { WalnutError } from '#model/errors.ts';
import type { ExplainAnswer, ExplainCommand } from '#model/explain.ts';
import type { KeyValuePort } from '#model/ports.ts';
import type { WatchCommand, WatchMessage } from '#model/watch.ts';
import type { BatchId } from '#model/write-id.ts';

export class GuardedKeys implements KeyValuePort {
  readonly #port: KeyValuePort;
  readonly #rights: KeyRights;

  constructor(port: KeyValuePort, rights: KeyRights) {
    this.#port = port;
    this.#rights = rights;
  }

  get(command: GetCommand, signal?: AbortSignal): Awaitable<GetAnswer> {
    this.#checkRead(command.key);
    if (command.fill !== undefined) this.#checkWrite(command.key);
    return this.#port.get(command, signal);
  }

  set(command: SetCommand, signal?: AbortSignal): Awaitable<WriteAnswer> {
    return this.#write(command.key, () => this.#port.set(command, signal));
  }

  delete(command: DeleteCommand, signal?: AbortSignal): Awaitable<WriteAnswer> {
    return this.#write(command.key, () => this.#port.delete(command, signal));
  }

  increment(command: IncrementCommand, signal?: AbortSignal): Awaitable<IncrementAnswer> {
    return this.#write(command.key, () => this.#port.increment(command, signal));
  }

  touch(command: TouchCommand, signal?: AbortSignal): Awaitable<TouchAnswer> {
    return this.#write(command.key, () => this.#port.touch(command, signal));
  }

  get dividesBatches(): boolean {
    return this.#port.dividesBatches === true;
  }

  checkBatch(operations: readonly BatchOperation[]): void {
    this.#port.checkBatch?.(operations.filter((operation) => this.#denialOf(operation) === undefined));
  }

  async batch(operations: readonly BatchOperation[], signal?: AbortSignal): Promise<BatchResult[]> {
    const denials = operations.map((operation) => this.#denialOf(operation));
    const allowed = operations.filter((_, i) => denials[i] === undefined);
    const results = allowed.length === 0 ? [] : await this.#port.batch(allowed, signal);
    let next = 0;
    return operations.map((operation, i): BatchResult => {
      const missing = denials[i];
      if (missing !== undefined) return { kind: 'error', error: denied(missing) };
      return this.#readable(operation, results[next++] as BatchResult);
    });
  }

  /** Refused as a whole: the outcome that its name stands for has a result for each write. */
  async namedBatch(
    writes: readonly WriteOperation[],
    id: BatchId,
    signal?: AbortSignal,
  ): Promise<BatchResult[]> {
    this.#checkAll(writes);
    const results = await this.#port.namedBatch(writes, id, signal);
    return results.map((result, i) => this.#readable(writes[i] as WriteOperation, result));
  }

  async atomicBatch(command: AtomicBatchCommand, signal?: AbortSignal): Promise<AtomicBatchAnswer> {
    const { operations } = command;
    this.#checkAll(operations);
    // The bytes of an answer that would be too large tell the size of each value in it.
    const isShown = (key: string): boolean => this.#mayRead(key);
    const answer = await this.#port.atomicBatch({ ...command, isShown }, signal).catch((error) => {
      // An error is of one operation or of all: it is told whole to those who may read all keys.
      throw operations.every((each) => this.#mayRead(each.command.key)) ? error : failureWithoutValues(error);
    });
    const results = answer.results.map(
      (result, index) => result && this.#readable(operations[index] as BatchOperation, result),
    );
    return { ...answer, results };
  }

  scan(command: ScanCommand, signal?: AbortSignal): Awaitable<ScanAnswer> {
    // Found in one walk: a page that ended at keys which are left out later would tell how many there are.
    return this.#port.scan({ ...command, among: within(this.#rights.read, command.prefix) }, signal);
  }

  async deletePrefix(command: DeletePrefixCommand, signal?: AbortSignal): Promise<DeletePrefixAnswer> {
    if (!covers(this.#rights.write, command.prefix)) throw denied('write', '', 'every key with this prefix');
    return this.#port.deletePrefix(command, signal);
  }

  async getUpdates(command: UpdatesCommand, signal?: AbortSignal): Promise<UpdatesAnswer> {
    const { read } = this.#rights;
    if (isEverything(read)) return this.#port.getUpdates(command, signal);
    if (command.format === 'frames')
      throw denied('read', '', 'every key, which frames are about', ', or ask for entries');
    return readableUpdates(
      await this.#port.getUpdates(inEqualSteps(command), signal),
      read,
      command.bytesMax,
    );
  }

  watch(command: WatchCommand, signal: AbortSignal): AsyncIterable<WatchMessage> {
    if (command.target.kind === 'key') this.#checkRead(command.target.key);
    return readableWatch(this.#port, command, signal, this.#rights);
  }

  async explain(command: ExplainCommand, signal: AbortSignal): Promise<ExplainAnswer> {
    this.#checkRead(command.key);
    return this.#port.explain(command, signal);
  }

  awaitDurable(command: AwaitDurableCommand, signal?: AbortSignal): Promise<DurableAnswer> {
    return this.#port.awaitDurable(command, signal);
  }

  #write<Answer extends WriteAnswer>(key: string, run: () => Awaitable<Answer>): Awaitable<Answer> {
    this.#checkWrite(key);
    return this.#mayRead(key) ? run() : writtenUnseen(run);
  }

  #checkAll(operations: readonly BatchOperation[]): void {
    for (const [index, operation] of operations.entries()) {
      const missing = this.#denialOf(operation);
      if (missing !== undefined) throw denied(missing, `operations[${index}]: `);
    }
  }

  #readable({ command }: BatchOperation, result: BatchResult): BatchResult {
    return this.#mayRead(command.key) ? result : resultWithoutValues(result);
  }

  /** What a denied operation lacks. */
  #denialOf({ kind, command }: BatchOperation): 'read' | 'write' | undefined {
    if (kind === 'get' && !this.#mayRead(command.key)) return 'read';
    const isWrite = kind !== 'get' || command.fill !== undefined;
    return isWrite && !covers(this.#rights.write, command.key) ? 'write' : undefined;
  }

  #mayRead(key: string): boolean {
    return covers(this.#rights.read, key);
  }

  #checkWrite(key: string): void {
    checkMayWrite(this.#rights, key);
  }

  #checkRead(key: string): void {
    if (!this.#mayRead(key)) throw denied('read');
  }
}

/** Throws `permission_denied` where the key may not be written: for callers that ask before there is a command. */
export function checkMayWrite({ write }: KeyRights, key: string): void {
  if (!covers(write, key)) throw denied('write');
}

/** Says what is missing, and nothing about what is stored. */
function denied(access: 'read' | 'write', where = '', what = 'this key', instead = ''): WalnutError {
  const message = `${where}you may not ${access} ${what}: a role of yours must grant it${instead}`;
  return new WalnutError('permission_denied', message, { nothingDone: true });
}
