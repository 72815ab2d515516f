/** The position that an answer tells. Pure. */
import type { BatchResult } from '#model/commands.ts';
import type { Position } from '#model/position.ts';

/** The result with another form of the position that it tells. */
export function mapPosition(result: BatchResult, change: (position: Position) => Position): BatchResult {
  if (result.kind === 'error') return result;
  if (result.kind === 'get')
    return { kind: 'get', answer: { ...result.answer, asOf: change(result.answer.asOf) } };
  const answer = { ...result.answer, position: change(result.answer.position) };
  return { kind: result.kind, answer } as BatchResult;
}
