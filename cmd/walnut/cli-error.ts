/**
 * Failures of the command line tool, and what an operator can do about each.
 * Exit codes: 0 done; 1 key not found or check failed; 2 usage; 5 unreachable
 * or server error; 130 interrupted.
 */
import { Code, ConnectError } from '@connectrpc/connect';

export const EXIT = { ok: 0, negative: 1, usage: 2, server: 5, interrupted: 130 } as const;
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

const LEADER_HINT = 'x-leader-hint';
/** System errors that mean that no server was there. */
const UNREACHABLE =
  /^(ECONNREFUSED|ECONNRESET|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH|ETIMEDOUT|EPIPE)$/;

/** `host:port` of the master, where the answering node refused a write and knows it. */
export function leaderHintOf(error: unknown): string | undefined {
  if (!(error instanceof ConnectError)) return undefined;
  return error.metadata.get(LEADER_HINT) ?? undefined;
}

/** The system error code at the bottom of a chain of causes. */
export function systemCodeOf(error: unknown): string | undefined {
  for (let at: unknown = error, depth = 0; at instanceof Error && depth < 8; at = at.cause, depth++) {
    const { code } = at as NodeJS.ErrnoException;
    if (typeof code === 'string') return code;
    if (at instanceof AggregateError) return systemCodeOf(at.errors[0]);
  }
  return undefined;
}

/** Words a failure of a call to `address`. */
export function describeFailure(error: unknown, address: string): CliError {
  if (error instanceof CliError) return error;
  const systemCode = systemCodeOf(error);
  if (systemCode !== undefined && UNREACHABLE.test(systemCode)) {
    return new CliError(
      EXIT.server,
      `no answer from ${address} (${systemCode})`,
      'Is it running? Start a group with: npm start\n' +
        'Or name another node: --address HOST:PORT (or WALNUT_ADDRESS).',
      error,
    );
  }
  if (!(error instanceof ConnectError)) throw error;
  const message = `${address} answered ${codeName(error.code)}: ${error.rawMessage}`;
  return new CliError(EXIT.server, message, adviceFor(error), error);
}

function codeName(code: Code): string {
  return (Code[code] ?? 'Unknown').replace(/(?!^)([A-Z])/g, '_$1').toUpperCase();
}

function adviceFor(error: ConnectError): string | undefined {
  const hint = leaderHintOf(error);
  if (hint !== undefined) return `Ask the master instead: --address ${hint}`;
  switch (error.code) {
    case Code.Unavailable:
      return 'The node is up but cannot answer now; see why with: walnut status';
    case Code.Unimplemented:
      return 'Is that a Walnut node, and as new as this tool? Check with: walnut status';
    case Code.Unauthenticated:
      return 'The node serves private addresses only; run the tool on its host or network.';
    case Code.ResourceExhausted:
      return 'A limit was reached and nothing was written; see entries and bytes with: walnut status';
    case Code.DeadlineExceeded:
      return 'The node took too long; see what it is doing with: walnut status';
    case Code.DataLoss:
      return 'The position belongs to a discarded history: read without --at-least and start from there.';
    case Code.OutOfRange:
      return 'The log no longer holds that position; see the earliest with: walnut status';
    default:
      return undefined;
  }
}
