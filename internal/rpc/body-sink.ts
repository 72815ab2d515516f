/** Where the body of a request goes, chunk by chunk. */
export interface BodySink {
  onChunk(chunk: Uint8Array): void;
  /** Called at the end of the body; `isWhole` is false if it ended early. Some bodies that end early never call it. */
  onEnd(isWhole: boolean): void;
}
