/** Is told what the log's writer does, for metrics. The writer calls it for each batch, so it only adds numbers. */
export interface LogMeter {
  /** A batch is in the file: `records` of them, `bytes` of frames. */
  written(records: number, bytes: number): void;
  /** The disk had no room for these records; their callers are told so. */
  refused(records: number): void;
  /** An fdatasync of a segment ended. */
  synced(seconds: number): void;
}
