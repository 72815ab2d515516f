/**
 * Failures of the command line tool, with advice for the operator.
 *
 * Exit codes: 0 done; 1 key not found or check failed; 2 usage; 5 unreachable or server
 * error; 6 a file or a stream could not be read or written; 70 a bug; 130 interrupted. The
 * codes of answers (0, 1) never mean that the tool failed.
 */
import { isOfWrongTime, tlsFailure } from '#dial/why-lost.ts';
import { CallError, InterruptedCallError } from './call/call-error.ts';
import { describeInterruption } from './call/describe-interruption.ts';
import { escapeLine } from './output/terminal.ts';

export const EXIT = {
  ok: 0,
  negative: 1,
  usage: 2,
  server: 5,
  inputOutput: 6,
  bug: 70,
  interrupted: 130,
} as const;
export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** Ends the command with `exitCode`; `advice` says what to do next. */
export class CliError extends Error {
  override readonly name = 'CliError';
  readonly exitCode: ExitCode;
  readonly advice: string | undefined;

  constructor(exitCode: ExitCode, message: string, advice?: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.exitCode = exitCode;
    this.advice = advice;
  }
}

/** `host:port` of the master, if the answering node refused a write and knows the master. */
export function leaderHintOf(error: unknown): string | undefined {
  return error instanceof CallError ? error.leaderHint : undefined;
}

/** `host:port` of the master of the group that owns the key, if the answering node is of another group and knows it. */
export function ownerHintOf(error: unknown): string | undefined {
  const told = error instanceof CliError ? error.cause : error;
  return told instanceof CallError ? told.ownerHint : undefined;
}

/** For commands whose keys belong to all groups, where a node of a cluster serves those of its own. */
export const ADVICE_ALL_GROUPS =
  'The keys belong to several groups of a cluster. Name a gateway, which serves all of them: --address GATEWAY';

const ADVICE_LOST =
  'Is it running? Start a group with: npm start (a member of a cluster: npm run node -- --config FILE)\n' +
  'Or name another node: --address HOST:PORT (or WALNUT_ADDRESS).';
const ADVICE_TLS =
  'Name the authority of its certificate: --ca-file FILE, and the name in it: --server-name NAME.\n' +
  'A node that demands a certificate: --cert-file FILE --key-file FILE. One without TLS: --address HOST:PORT.';
const ADVICE_WRONG_TIME =
  'If the clock here is right (date -u), renew the certificate there by replacing its files; a restart is not needed: ' +
  'docs/operations.md, "Files of credentials and certificates"';

/** Describes the failure of a command that called `address`, as `--address` takes it. Rethrows a bug. */
export function describeFailure(error: unknown, address: string): CliError {
  if (error instanceof CliError) return error;
  if (error instanceof CallError) return describeCallFailure(error, address);
  if (error instanceof InterruptedCallError) {
    const { message, advice } = describeInterruption(error);
    return new CliError(EXIT.interrupted, message, advice, error);
  }
  if (isSystemError(error)) return new CliError(EXIT.inputOutput, error.message, undefined, error);
  throw error;
}

/** True where nothing answered at all: neither a node that refused, nor one whose certificate did not do. */
export function isUnanswered({ cause }: CliError): boolean {
  if (!(cause instanceof CallError)) return false;
  return (
    cause.code === 'deadline_exceeded' || (cause.code === 'lost' && tlsFailure(cause.cause) === undefined)
  );
}

function describeCallFailure(error: CallError, address: string): CliError {
  if (error.code === 'lost') {
    return new CliError(EXIT.server, escapeLine(error.message), adviceForLost(error.cause), error);
  }
  // An argument that a node rejects is wrong usage, like one that the tool rejects.
  const exitCode = error.code === 'invalid_argument' ? EXIT.usage : EXIT.server;
  const message = `${address} answered ${error.code.toUpperCase()}: ${escapeLine(error.message)}`;
  return new CliError(exitCode, message, adviceFor(error, address), error);
}

function adviceForLost(cause: unknown): string {
  if (isOfWrongTime(cause)) return ADVICE_WRONG_TIME;
  return tlsFailure(cause) === undefined ? ADVICE_LOST : ADVICE_TLS;
}

/** True for an error of the operating system: a file, a directory or a stream. */
export function isSystemError(error: unknown): error is NodeJS.ErrnoException {
  const { code, syscall } = error as NodeJS.ErrnoException;
  return error instanceof Error && typeof code === 'string' && typeof syscall === 'string';
}

/** A file or directory that cannot be read: the system's fault or the path's. */
export function inputFailure(message: string, cause: unknown, advice?: string): CliError {
  return new CliError(EXIT.inputOutput, message, advice, cause);
}

/** The failure to write the whole output. Its exit code says so, whatever the command found. */
export function outputFailure(error: Error): CliError {
  return new CliError(
    EXIT.inputOutput,
    `cannot write the output: ${error.message}`,
    'The output is incomplete; what the command changed stands.',
    error,
  );
}

/** For any rpc, so it names no option. OUT_OF_RANGE says what is out of which range in its message. */
function adviceFor({ code, message, leaderHint, ownerHint }: CallError, address: string): string | undefined {
  const scheme = /^https:\/\//.exec(address)?.[0] ?? '';
  if (ownerHint !== undefined)
    return `Ask the owner of the key: --address ${scheme}${escapeLine(ownerHint)}, or a gateway`;
  if (leaderHint !== undefined) return `Ask the master instead: --address ${scheme}${escapeLine(leaderHint)}`;
  switch (code) {
    case 'unavailable':
      return `It is up but cannot answer now; see why with: walnut status --address ${address} (a gateway or coordinator: its /readyz?verbose)`;
    case 'unimplemented':
      return 'Is that a Walnut node, and as new as this tool? Check with: walnut status; a coordinator: walnut cluster status; a gateway serves keys, walnut status and what walnut cluster reads';
    case 'unauthenticated':
      return (
        'Send a token: --token-file FILE, or WALNUT_TOKEN. Without TLS it goes only to nodes that you name, so ' +
        'name each one. Without auth.mode: required a node serves private addresses only.'
      );
    case 'permission_denied':
      // A refused host name says itself what to do.
      if (message.includes('server.allowed_hosts')) return undefined;
      return 'Use the token of a user whose roles grant it, or give this user such a role in auth.file or auth.users of the node: docs/security.md, "Users and roles"';
    case 'resource_exhausted':
      return (
        `Nothing was written; the message says which limit was reached. See its state (no_space: the disk is full), entries and bytes with: walnut status --address ${address}\n` +
        'What to do: docs/operations.md, "Calls are refused", "The disk is full"'
      );
    case 'deadline_exceeded':
      return `It took too long; see what it is doing with: walnut status --address ${address} (a gateway or coordinator: its /readyz?verbose)`;
    case 'data_loss':
      return 'The position belongs to a discarded history: begin again from what the node has now.';
    default:
      return undefined;
  }
}
