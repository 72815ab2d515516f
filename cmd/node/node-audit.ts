/**
 * The audit log: who did what from where, on which node, with which outcome, one JSON
 * object a line. Every admin call is in it; refusals have a pace, because anyone can cause
 * them.
 */
import type { AuditPort } from '#model/access.ts';
import type { Clock } from '#platform/clock.ts';
import type { CloserStack } from '#platform/closer-stack.ts';
import { openLineFile } from '#platform/line-file.ts';
import { LinePaces } from '#platform/line-pace.ts';
import type { Logger } from '#platform/logger.ts';
import type { Metrics } from '#platform/metrics.ts';
import { SecretFileError } from '#platform/secret-file.ts';

export interface AuditParts {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly closers: CloserStack;
}

/** `node`: how lines call this node. Throws `SecretFileError` where the file cannot be opened. */
export function openAudit(path: string, node: string, parts: AuditParts): AuditPort {
  const { clock, metrics, closers } = parts;
  const file = open(path, parts);
  closers.push('audit log', () => file.close());
  metrics.counterFrom(
    'walnut_audit_lines_dropped_total',
    'Lines of the audit log that could not be written, or went to its renamed file.',
    () => file.lostLines,
  );
  const paces = new LinePaces(clock);
  return {
    note: ({ user, via, from, operation, outcome, by, isRefusal, isAdmin }) => {
      // What one user is refused must not hide that of others, nor refused reads refused admin calls.
      const pace = isRefusal ? paces.take([isAdmin, user, outcome].join(' ')) : {};
      if (pace === undefined) return;
      const time = new Date(clock.wallMs()).toISOString();
      file.write({ time, node, user, via, from, operation, outcome, by, ...pace });
    },
  };
}

function open(path: string, { clock, logger }: AuditParts): ReturnType<typeof openLineFile> {
  const onTrouble = (reason: string): void =>
    logger.error({ file: path, reason }, 'the audit log cannot be written');
  try {
    return openLineFile(path, clock, onTrouble);
  } catch (error) {
    throw new SecretFileError(`auth.audit_file: ${(error as Error).message}`);
  }
}
