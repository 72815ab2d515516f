/** A node without disk or replication: what the server's tests put behind the edge. */

import { type BulkPort, type MixedAnswer, NOT_FOUND, type ReadMoment, TOO_LONG } from '#model/bulk.ts';
import type {
  BatchOperation,
  BatchResult,
  DeleteCommand,
  GetAnswer,
  GetCommand,
  IncrementAnswer,
  IncrementCommand,
  SetCommand,
  TouchAnswer,
  TouchCommand,
  WriteAnswer,
} from '#model/commands.ts';
import { addToCounter, counterOf, encodeCounter } from '#model/counter.ts';
import type { Entry } from '#model/entry.ts';
import { WalnutError } from '#model/errors.ts';
import type { AdminPort, KeyValuePort, NodePorts, ReplicationPort } from '#model/ports.ts';
import { isSamePosition, type Position, toLsn } from '#model/position.ts';
import type { SnapshotChunk, SnapshotRequest } from '#model/replication.ts';
import type { NodeStatus } from '#model/status.ts';
import type { WatchCommand, WatchMessage, WatchOutlet } from '#model/watch.ts';
import { explained, hotKeys, operationsOf, slotSizesAt } from '#test/server/fake-answers.ts';
import { runAtomically } from '#test/server/fake-atomic.ts';
import { FakeNames } from '#test/server/fake-names.ts';
import { EPOCH, FAKE_PUSH, fakeStatus, LOG_ID, NODE_ID, positionOf } from '#test/server/fake-status.ts';
import type { OperationColumns } from '#wire/kv-columns.ts';

export { EPOCH, LOG_ID, NODE_ID, positionOf };

/** What the ports were asked, and what they are told to answer. */
export class FakeNode {
  readonly entries = new Map<string, Entry>();
  readonly #names = new FakeNames();
  /** What the last registration ends with. */
  retired: AbortSignal | undefined;
  readonly calls: { readonly port: string; readonly argument: unknown; readonly extra?: unknown }[] = [];
  /** Thrown by every key-value and replication call while set. */
  failure: WalnutError | Error | undefined;
  /** Awaited by every Get while set; the call's signal is given to it. */
  hold: ((signal: AbortSignal | undefined) => Promise<void>) | undefined;
  statusOverrides: Partial<NodeStatus> = {};
  snapshot: readonly Uint8Array[] = [new Uint8Array([1, 2, 3]), new Uint8Array([4, 5])];
  lsn = 0;
  /** The epoch of its log. */
  epoch = EPOCH;
  readonly #at = (lsn: number): Position => ({ epoch: this.epoch, lsn: toLsn(lsn) });
  /** The time of every entry, for a Get that asks for it. */
  modifiedMs: number | undefined;
  /** What a watch tells, and how it ends. */
  watched: (
    command: WatchCommand,
    signal: AbortSignal,
    outlet: WatchOutlet | undefined,
  ) => AsyncIterable<WatchMessage> = async function* () {};
  #recordLsn: number | undefined;

  readonly ports: NodePorts = {
    keyValue: this.#keyValue(),
    bulk: this.#bulk(),
    replication: this.#replication(),
    admin: this.#admin(),
  };

  #note(port: string, argument: unknown, extra?: unknown): void {
    this.calls.push({ port, argument, extra });
    if (this.failure !== undefined) throw this.failure;
  }

  status(): NodeStatus {
    return { ...fakeStatus(this.lsn, this.entries.size), ...this.statusOverrides };
  }

  #get(command: GetCommand): GetAnswer {
    const { key, fill } = command;
    const found = this.entries.get(key);
    const entry = found && this.#dated(found, command);
    const answer = { entry, asOf: this.#at(this.lsn), stalenessMs: 0 };
    if (fill === undefined || entry !== undefined) return answer;
    return { ...answer, fill: { kind: 'lease', token: `lease of ${key}`, expiresInMs: fill.leaseMs } };
  }

  #dated(entry: Entry, { withModified }: Pick<GetCommand, 'withModified'>): Entry {
    return withModified === true ? { ...entry, modifiedMs: this.modifiedMs } : entry;
  }

  #set(command: SetCommand): WriteAnswer {
    const before = this.entries.get(command.key);
    if (!isMet(command, before)) return this.#written(false, command, undefined, before);
    this.lsn = this.#recordLsn ?? this.lsn + 1;
    const expireAtMs = command.expiry.kind === 'ttl' ? 1_000_000 + command.expiry.ttlMs : 0;
    const value = Uint8Array.from(command.value);
    const { key, contentType } = command;
    const entry = { key, value, expireAtMs, version: this.#at(this.lsn) };
    this.entries.set(key, contentType === undefined ? entry : { ...entry, contentType });
    return this.#written(true, command, before, undefined);
  }

  #delete(command: DeleteCommand): WriteAnswer {
    const before = this.entries.get(command.key);
    if (before === undefined || !isMet(command, before)) {
      return this.#written(false, command, undefined, before);
    }
    this.lsn = this.#recordLsn ?? this.lsn + 1;
    this.entries.delete(command.key);
    return this.#written(true, command, before, undefined);
  }

  #increment(command: IncrementCommand): IncrementAnswer {
    const before = this.entries.get(command.key);
    const number = before === undefined ? command.initial : counterOf(command.key, before.value);
    const value = addToCounter(command.key, number, command.delta);
    const expiry = before === undefined ? command.expiry : ({ kind: 'default' } as const);
    const answer = this.#set({ ...command, value: encodeCounter(value), expiry });
    const expireAtMs = this.entries.get(command.key)?.expireAtMs ?? 0;
    return { ...answer, ...(answer.applied ? { value, expireAtMs } : { value: 0n, expireAtMs: 0 }) };
  }

  #touch({ key, expiry, returnValue, ...receipt }: TouchCommand): TouchAnswer {
    const before = this.entries.get(key);
    if (before !== undefined) this.lsn++;
    const expireAtMs = before !== undefined && expiry.kind === 'at' ? expiry.expireAtMs : 0;
    const entry = before && { ...before, expireAtMs };
    if (entry !== undefined) this.entries.set(key, entry);
    const written = { ...receipt, key, returnPrevious: false };
    const answer = this.#written(entry !== undefined, written, undefined, undefined);
    return { ...answer, entry: returnValue ? entry : undefined, expireAtMs };
  }

  #written(
    applied: boolean,
    command: SetCommand | DeleteCommand,
    previous: Entry | undefined,
    current: Entry | undefined,
  ): WriteAnswer {
    return {
      applied,
      position: this.#at(this.lsn),
      previous: command.returnPrevious ? previous : undefined,
      current,
      durabilityReached: command.durability ?? 'accepted',
      replicasAcked: 0,
      ...this.#names.repeatOf(command.id),
    };
  }

  #moment(): ReadMoment {
    const found: Entry[] = [];
    const at = (index: number): Entry => found[index] as Entry;
    const findShort: ReadMoment['entries']['findShort'] = (bytes, keyOffset, keyBytes, valueBytesMax) => {
      const entry = this.entries.get(bytes.toString('utf8', keyOffset, keyOffset + keyBytes));
      if (entry === undefined) return NOT_FOUND;
      return entry.value.length > valueBytesMax ? TOO_LONG : found.push(entry) - 1;
    };
    return {
      asOf: this.#at(this.lsn),
      stalenessMs: 0,
      includes: () => true,
      entries: {
        find: (bytes, keyOffset, keyBytes) => findShort(bytes, keyOffset, keyBytes, Number.POSITIVE_INFINITY),
        findShort,
        prefetch: () => {},
        valueBytesOf: (index) => at(index).value.length,
        expireAtMsOf: (index) => at(index).expireAtMs,
        epochOf: (index) => at(index).version.epoch,
        storedBytes: (bytes, offset, length) =>
          this.entries.get(bytes.toString('utf8', offset, offset + length))?.value.length ?? 0,
        lsnOf: (index) => at(index).version.lsn,
        contentTypeOf: (index) => at(index).contentType ?? '',
        copyValue: (index, target, to) => new Uint8Array(target.buffer, to).set(at(index).value),
      },
    };
  }

  #bulk(): BulkPort {
    return {
      moment: () => {
        this.#note('moment', undefined);
        return this.#moment();
      },
      sets: (sets) => {
        const operations = operationsOf(sets);
        this.#note('sets', operations);
        const results = this.#record(operations);
        const first = results[0];
        return { answer: first?.kind === 'set' ? first.answer : undefined, refused: new Map() };
      },
      mixed: (batch, read) => this.#mixed(batch as OperationColumns, read),
      setSoon: (command) => this.#noted('set', command, () => this.#set(command)),
      deleteSoon: (command) => this.#noted('delete', command, () => this.#delete(command)),
      incrementSoon: (command) => this.#noted('increment', command, () => this.#increment(command)),
      touchSoon: (command) => this.#noted('touch', command, () => this.#touch(command)),
    };
  }

  #noted<T>(name: string, command: unknown, run: () => T): T {
    this.#note(name, command);
    return run();
  }

  /** Every Get is told what there is, as if the batch had written it. */
  #mixed(columns: OperationColumns, read: Parameters<BulkPort['mixed']>[1]): MixedAnswer {
    const operations = columns.operations();
    this.#note('mixed', operations);
    const others = new Map<number, WriteAnswer>();
    let answer: WriteAnswer | undefined;
    this.#recordLsn = this.lsn + 1;
    for (const [i, operation] of operations.entries()) {
      if (operation.kind === 'get') {
        read(i, this.#get(operation.command));
        continue;
      }
      const written = (this.#run(operation) as { answer: WriteAnswer }).answer;
      if (written.applied) answer = written;
      else others.set(i, written);
    }
    this.#recordLsn = undefined;
    return { answer, others };
  }

  #keyValue(): KeyValuePort {
    return {
      get: (command, signal) => {
        this.#note('get', command);
        if (this.hold === undefined) return this.#get(command);
        return this.hold(signal).then(() => this.#get(command));
      },
      set: (command) => this.#noted('set', command, () => this.#set(command)),
      delete: (command) => this.#noted('delete', command, () => this.#delete(command)),
      increment: (command) => this.#noted('increment', command, () => this.#increment(command)),
      touch: (command) => this.#noted('touch', command, () => this.#touch(command)),
      batch: (operations) => {
        this.#note('batch', operations);
        return this.#record(operations);
      },
      namedBatch: (writes, id) => {
        // Its checksum is of the bytes that came, which may be spelled in several ways.
        this.#note('namedBatch', writes, { name: id.name, since: id.since });
        return this.#names.repeated(this.#record(writes), id);
      },
      atomicBatch: async (command, signal) => {
        this.#note('atomicBatch', command, signal);
        const answer = runAtomically(this, command, (operations) => this.#record(operations), this.#at);
        return { ...answer, ...this.#names.repeatOf(command.id) };
      },
      ...this.#keyReads(),
    };
  }

  #keyReads(): Pick<
    KeyValuePort,
    'scan' | 'deletePrefix' | 'awaitDurable' | 'getUpdates' | 'watch' | 'explain'
  > {
    return {
      scan: (command) => {
        this.#note('scan', command);
        const entries = [...this.entries.values()].filter(({ key }) => key.startsWith(command.prefix));
        if (command.countOnly === true) {
          return {
            entries: [],
            count: entries.length,
            nextCursor: '',
            asOf: this.#at(this.lsn),
            stalenessMs: 0,
          };
        }
        const shown = entries.map((entry) => this.#dated(entry, command));
        return { entries: shown, nextCursor: '', asOf: this.#at(this.lsn), stalenessMs: 1.5 };
      },
      explain: async (command, signal) => {
        this.#note('explain', command, signal);
        return explained(this.#at);
      },
      watch: (command, signal, outlet) => {
        this.#note('watch', command, signal);
        return this.watched(command, signal, outlet);
      },
      deletePrefix: async (command) => {
        this.#note('deletePrefix', command);
        const keys = [...this.entries.keys()].filter((key) => key.startsWith(command.prefix));
        for (const key of keys) this.entries.delete(key);
        if (keys.length > 0) this.lsn++;
        const { durability = 'accepted', minAcks } = command;
        return {
          deleted: keys.length,
          nextCursor: '',
          position: this.#at(this.lsn),
          durabilityReached: durability,
          replicasAcked: minAcks,
        };
      },
      awaitDurable: async (command, signal) => {
        this.#note('awaitDurable', command, signal);
        const { durability, minAcks } = command;
        return { durabilityReached: durability, replicasAcked: minAcks, durable: this.#at(this.lsn) };
      },
      getUpdates: async (command) => {
        this.#note('getUpdates', command);
        const at = this.#at(1);
        const update = {
          position: at,
          timestampMs: 7,
          op: 'set' as const,
          cause: 'restored' as const,
          key: 'k',
          value: new Uint8Array([9]),
          expireAtMs: 0,
        };
        return {
          updates: command.format === 'entries' ? [update] : [],
          frames: command.format === 'frames' ? new Uint8Array([7, 7]) : new Uint8Array(0),
          last: at,
          latest: at,
          earliest: at,
        };
      },
    };
  }

  /** Writes of one batch are one record. */
  #record(operations: readonly BatchOperation[]): BatchResult[] {
    this.#recordLsn = this.lsn + 1;
    const results = operations.map((operation): BatchResult => {
      try {
        return this.#run(operation);
      } catch (error) {
        if (error instanceof WalnutError) return { kind: 'error', error };
        throw error;
      }
    });
    this.#recordLsn = undefined;
    return results;
  }

  #run(operation: BatchOperation): BatchResult {
    switch (operation.kind) {
      case 'get':
        return { kind: 'get', answer: this.#get(operation.command) };
      case 'set':
        return { kind: 'set', answer: this.#set(operation.command) };
      case 'delete':
        return { kind: 'delete', answer: this.#delete(operation.command) };
      case 'increment':
        return { kind: 'increment', answer: this.#increment(operation.command) };
      case 'touch':
        return { kind: 'touch', answer: this.#touch(operation.command) };
    }
  }

  #replication(): ReplicationPort {
    return {
      register: async (request, remoteAddress, retired) => {
        this.#note('register', request, remoteAddress);
        this.retired = retired;
        return {
          masterNodeId: NODE_ID,
          logId: LOG_ID,
          term: 1,
          epochs: [{ epoch: EPOCH, firstLsn: toLsn(1) }],
          latest: { ...this.#at(9), crc: 0xdead_beef },
          logClockMs: 1_234,
          verdict: { kind: 'snapshot', reason: 'the log begins at 5' },
          address: '10.0.0.1:8081',
          group: { replicas: ['10.0.0.1:8081', 'b:2'], removed: ['c:3'], nodes: [] },
          formatLevel: 1,
        };
      },
      replicate: async (request) => {
        this.#note('replicate', request);
        return {
          verdict: { kind: 'need', tail: { ...this.#at(3), crc: 17 } },
          durable: this.#at(3),
          appliedLsn: toLsn(3),
        };
      },
      observe: async (request, remoteAddress, signal) => {
        this.#note('observe', request, remoteAddress);
        await this.hold?.(signal);
        return FAKE_PUSH;
      },
      fetchSnapshot: (request, signal) => this.#chunks(request, signal),
      claim: async (request) => {
        this.#note('claim', request);
        return {
          isGranted: false,
          hasNoVote: false,
          term: 7,
          reason: 'it is the master',
          tail: this.#at(4),
        };
      },
      announce: async (request, remoteAddress) => {
        this.#note('announce', request, remoteAddress);
        return { fencedBy: 9 };
      },
      takeOver: async (request) => {
        this.#note('takeOver', request);
        return { isAccepted: false, reason: 'its tail is another' };
      },
    };
  }

  async *#chunks(request: SnapshotRequest, signal: AbortSignal): AsyncIterable<SnapshotChunk> {
    this.#note('fetchSnapshot', request, signal);
    let offset = 0;
    const totalBytes = this.snapshot.reduce((sum, chunk) => sum + chunk.length, 0);
    for (const bytes of this.snapshot) {
      yield { position: this.#at(4), offset, totalBytes, bytes };
      offset += bytes.length;
    }
  }

  #admin(): AdminPort {
    return {
      status: () => this.status(),
      promote: async (isForced) => {
        this.#note('promote', isForced);
        return { term: 2, position: this.#at(5), isPromoted: true };
      },
      failover: async (to, timeoutMs) => {
        this.#note('failover', to, timeoutMs);
        return { term: 3, position: this.#at(6), pausedMs: 12.5 };
      },
      divergedList: async () => {
        this.#note('divergedList', undefined);
        const why = { reason: 'another history', sinceMs: 7, upstream: 'b:2', files: ['aside/1/x.wal'] };
        return [{ ...why, bytes: 90, id: 1, fromLsn: toLsn(5), last: this.#at(6), segments: [1, 2] }];
      },
      divergedShow: async (id, afterLsn, bytesMax) => {
        this.#note('divergedShow', { id, afterLsn, bytesMax });
        return { updates: [], lastLsn: toLsn(6), isEnd: true, damage: '' };
      },
      divergedSeen: async (id) => this.#note('divergedSeen', id),
      ...hotKeys((command) => this.#note('hotKeys', command)),
      digest: () => ({ position: this.#at(this.lsn), entries: this.entries.size, digest: 'ab'.repeat(16) }),
      mendClock: async (command) => {
        this.#note('mendClock', command);
        const clock = { logMs: 1_000, aheadMs: -500, wallOffsetMs: 20, shiftMs: 520 };
        return { clock, wallOffsetMs: 520, isApplied: command.shouldApply, position: this.#at(this.lsn) };
      },
      scrub: async function* () {
        const progress = { entriesTotal: 4, bytes: 100, elapsedMs: 12.5, altered: 0, findings: [] };
        yield { ...progress, entries: 2, isDone: false };
        yield {
          ...progress,
          entries: 4,
          isDone: true,
          altered: 1,
          findings: ['"a" of version 1-1: altered'],
        };
      },
      digestAt: async (position, waitMs) => {
        this.#note('digestAt', position, waitMs);
        return { position, entries: this.entries.size, digest: 'cd'.repeat(16) };
      },
      addReplica: async (address) => this.#note('addReplica', address) ?? '',
      removeReplica: async (address) => this.#note('removeReplica', address),
      checkpoint: async () => {
        this.#note('checkpoint', undefined);
        return { position: this.#at(this.lsn), entries: 2, snapshotBytes: 300, deletedSegments: 1 };
      },
      rotateWal: async () => {
        this.#note('rotateWal', undefined);
        return { segmentSeq: 3, firstLsn: toLsn(12) };
      },
      slotSizes: async (from) => slotSizesAt(from, positionOf(this.lsn)),
      quarantineList: () => [],
      quarantineRelease: async (how) => this.#note('quarantineRelease', how),
      controlDelay: async (control) => {
        this.#note('controlDelay', control);
        const isHeld = control.kind === 'pause';
        const delay = { delayMs: 60_000, isHeld, waitingRecords: 3, nextDueInMs: 7 };
        return { position: this.#at(this.lsn), durableLsn: toLsn(this.lsn), delay };
      },
      restore: async (operations) => {
        this.#note('restore', operations);
        return operations.map((operation) => this.#run(operation));
      },
    };
  }
}

function isMet(command: SetCommand | DeleteCommand, entry: Entry | undefined): boolean {
  const { condition } = command;
  switch (condition?.kind) {
    case undefined:
      return true;
    case 'absent':
      return entry === undefined;
    case 'present':
      return entry !== undefined;
    case 'fill_lease':
      return entry === undefined && condition.token === `lease of ${command.key}`;
    case 'version':
      return entry !== undefined && isSamePosition(entry.version, condition.version);
  }
}
