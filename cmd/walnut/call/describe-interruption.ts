/** What is known of a call that was given up before its answer, and how to look what became of it. Pure. */
import type { DescMethodUnary } from '@bufbuild/protobuf';
import type { MethodOptions_IdempotencyLevel } from '@bufbuild/protobuf/wkt';
import type { InterruptedCallError } from './call-error.ts';

/** What the schema says of methods that may change something. The enum itself takes long to load. */
const MAY_CHANGE = 0 satisfies MethodOptions_IdempotencyLevel.IDEMPOTENCY_UNKNOWN;

/** The command that shows what a call changed, by method; other changes are of keys. */
const LOOKS: Readonly<Record<string, string>> = {
  AddReplica: 'walnut status',
  RemoveReplica: 'walnut status',
  Checkpoint: 'walnut status',
  RotateWal: 'walnut status',
  Promote: 'walnut status',
  Failover: 'walnut status',
  QuarantineRelease: 'walnut quarantine list',
  ControlDelay: 'walnut status',
  MendClock: 'walnut clock',
  DivergedSeen: 'walnut diverged list',
  SetConfig: 'walnut config',
  InitCluster: 'walnut cluster status',
  AddGroup: 'walnut cluster map',
  RecoverCluster: 'walnut cluster status',
  FailoverGroup: 'walnut cluster status',
  SetNodeStatus: 'walnut cluster nodes',
};
/** Methods that only ask where their request does not say what to change. */
const CHANGES: Readonly<Record<string, (request: { apply?: boolean }) => boolean>> = {
  MendClock: ({ apply }) => apply !== false,
  RecoverCluster: ({ apply }) => apply !== false,
};
const LOOK_AT_KEY = 'walnut explain KEY';

export function describeInterruption({ message, method, wasSent, request }: InterruptedCallError): {
  readonly message: string;
  readonly advice: string | undefined;
} {
  if (!mayChange(method, request)) return { message, advice: undefined };
  if (!wasSent) return { message: `${message}: nothing was sent, so nothing was changed`, advice: undefined };
  return {
    message: `${message}, which was sent: it may be carried out all the same`,
    advice: `See what became of it with: ${LOOKS[method.name] ?? LOOK_AT_KEY}`,
  };
}

function mayChange({ idempotency, name }: DescMethodUnary, request: object): boolean {
  return idempotency === MAY_CHANGE && CHANGES[name]?.(request) !== false;
}
