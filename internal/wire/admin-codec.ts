/** Converts Admin between protobuf and the model; Status in both directions, for peers and the command line. */
import type {
  CheckpointResponse,
  ControlDelayRequest,
  ControlDelayResponse,
  DigestResponse,
  QuarantineListResponse,
  Quarantine as QuarantineMessage,
  QuarantineReleaseRequest,
  RotateWalResponse,
  ScrubResponse,
} from '#gen/walnut/v1/admin_pb.ts';
import type { DigestAnswer } from '#model/entry.ts';
import { invalidArgument } from '#model/errors.ts';
import type {
  CheckpointAnswer,
  DelayAnswer,
  DelayControl,
  Quarantine,
  QuarantineRelease,
  RotateAnswer,
  ScrubProgress,
} from '#model/status.ts';
import { requireTrue } from '#wire/kv-codec.ts';
import { fromPosition, toLsnField } from '#wire/position-codec.ts';
import { fromDelay } from '#wire/status-codec.ts';

export function fromDigest(answer: DigestAnswer): DigestResponse {
  return {
    $typeName: 'walnut.v1.DigestResponse',
    position: fromPosition(answer.position),
    entries: BigInt(answer.entries),
    digest: answer.digest,
  };
}

export function fromScrub(progress: ScrubProgress): ScrubResponse {
  return {
    $typeName: 'walnut.v1.ScrubResponse',
    entries: BigInt(progress.entries),
    entriesTotal: BigInt(progress.entriesTotal),
    bytes: BigInt(progress.bytes),
    elapsedMs: BigInt(Math.floor(progress.elapsedMs)),
    done: progress.isDone,
    altered: BigInt(progress.altered),
    findings: [...progress.findings],
  };
}

export function fromCheckpoint(answer: CheckpointAnswer): CheckpointResponse {
  return {
    $typeName: 'walnut.v1.CheckpointResponse',
    position: fromPosition(answer.position),
    entries: BigInt(answer.entries),
    snapshotBytes: BigInt(answer.snapshotBytes),
    deletedSegments: answer.deletedSegments,
  };
}

export function fromRotate(answer: RotateAnswer): RotateWalResponse {
  return {
    $typeName: 'walnut.v1.RotateWalResponse',
    segmentSeq: BigInt(answer.segmentSeq),
    firstLsn: BigInt(answer.firstLsn),
  };
}

export function fromQuarantines(quarantines: readonly Quarantine[]): QuarantineListResponse {
  return {
    $typeName: 'walnut.v1.QuarantineListResponse',
    quarantines: quarantines.map(fromQuarantine),
  };
}

function fromQuarantine(quarantine: Quarantine): QuarantineMessage {
  return {
    $typeName: 'walnut.v1.Quarantine',
    reason: quarantine.reason,
    sinceMs: BigInt(quarantine.sinceMs),
    upstream: quarantine.upstream,
    upstreamLogId: quarantine.upstreamLogId,
    upstreamPosition: fromPosition(quarantine.upstreamPosition),
    localLogId: quarantine.localLogId,
    localPosition: fromPosition(quarantine.localPosition),
  };
}

export function toQuarantineRelease(request: QuarantineReleaseRequest): QuarantineRelease {
  const { action } = request;
  switch (action.case) {
    case 'discardLocal':
      requireTrue(action.value, 'discard_local');
      return 'discard_local';
    case 'keep':
      requireTrue(action.value, 'keep');
      return 'keep';
    case undefined:
      throw invalidArgument('action is empty: expected discard_local or keep');
  }
}

export function toDelayControl(request: ControlDelayRequest): DelayControl {
  const { action } = request;
  switch (action.case) {
    case 'releaseTo': {
      const { lsn, goOn } = action.value;
      if (lsn === 0n) throw invalidArgument('release_to.lsn is missing: expected the last LSN to apply');
      return { kind: 'release_to', lsn: toLsnField(lsn, 'release_to.lsn'), goesOn: goOn };
    }
    case 'releaseAll':
      requireTrue(action.value, 'release_all');
      return { kind: 'release_all' };
    case 'pause':
      requireTrue(action.value, 'pause');
      return { kind: 'pause' };
    case 'resume':
      requireTrue(action.value, 'resume');
      return { kind: 'resume' };
    case undefined:
      throw invalidArgument('action is empty: expected release_to, release_all, pause or resume');
  }
}

export function fromDelayAnswer(answer: DelayAnswer): ControlDelayResponse {
  return {
    $typeName: 'walnut.v1.ControlDelayResponse',
    position: fromPosition(answer.position),
    durableLsn: BigInt(answer.durableLsn),
    delay: fromDelay(answer.delay),
  };
}
