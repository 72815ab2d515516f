/** Options that all calls of the unary path share. */
import type { Clock } from '#platform/clock.ts';
import type { SlicePace } from '#platform/slices.ts';
import type { BodyBudget } from '#rpc/body-budget.ts';
import type { ObserveCall } from '#rpc/call-observer.ts';
import type { ErrorMapper } from '#rpc/error-mapping.ts';
import type { GzipCompression } from '#rpc/gzip-compression.ts';
import type { SlowLog } from '#rpc/slow-log.ts';
import type { Http2Bounds } from '#rpc/unary/exchange.ts';
import type { JsonOptions } from '#rpc/unary/message-codec.ts';

export interface UnaryPathOptions extends Http2Bounds {
  readonly clock: Clock;
  /** One for all calls of an edge: see `SliceQueue`. */
  readonly slices: SlicePace;
  readonly errors: ErrorMapper;
  readonly budget: BodyBudget;
  readonly compression: GzipCompression;
  /** Answers of this many bytes are compressed where the caller takes it. */
  readonly compressMinBytes: number;
  readonly jsonOptions: JsonOptions;
  readonly shutdownSignal: AbortSignal;
  /** Called once per call, with its path, the Connect code (`ok` included) and its time. */
  readonly observe: ObserveCall;
  readonly slowLog: SlowLog;
}
