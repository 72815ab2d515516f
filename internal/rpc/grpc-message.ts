/**
 * `grpc-message` as the gRPC protocol percent-encodes it: printable ASCII but
 * `%` stands for itself. Connect escapes what a URL would want escaped, which
 * readers that show the header as it comes (grpc-js among them) do not undo.
 */

const HEADER = 'grpc-message';
/** The flag of the frame that contains trailers in gRPC-Web. */
const TRAILERS_FLAG = 0x80;
const FRAME_BYTES = 5;
/** The line of the trailers that contains `grpc-message`. */
const LINE = /^(grpc-message: *)(.*)$/im;
const ESCAPED = /(?:%[0-9a-f]{2})+/gi;
/** Spaces at the ends, which parsers of headers remove, so they are escaped. */
const OUTER_BLANKS = /^ +| +$/g;

export function encodeGrpcMessage(message: string): string {
  return encodeURIComponent(message.toWellFormed())
    .replace(ESCAPED, (run) =>
      Array.from(Buffer.from(run.replaceAll('%', ''), 'hex'), (byte) =>
        byte < 0x20 || byte > 0x7e || byte === 0x25
          ? `%${byte.toString(16).toUpperCase().padStart(2, '0')}`
          : String.fromCharCode(byte),
      ).join(''),
    )
    .replace(OUTER_BLANKS, (blanks) => '%20'.repeat(blanks.length));
}

/** The same text, encoded as little as gRPC asks. */
function sparse(encoded: string): string {
  return encoded.includes('%') ? encodeGrpcMessage(decodeURIComponent(encoded)) : encoded;
}

/** Changes the message that Connect wrote, in place. */
export function relaxGrpcTrailers(trailers: Headers): Headers {
  const message = trailers.get(HEADER);
  if (message !== null) trailers.set(HEADER, sparse(message));
  return trailers;
}

/** Changes one frame of a gRPC-Web answer; messages stay as they are. */
export function relaxGrpcWebFrame(frame: Uint8Array): Uint8Array {
  if (frame.length < FRAME_BYTES || ((frame[0] as number) & TRAILERS_FLAG) === 0) return frame;
  const text = Buffer.from(frame.subarray(FRAME_BYTES)).toString('latin1');
  const relaxed = text.replace(LINE, (_line, name: string, value: string) => name + sparse(value));
  const bytes = Buffer.alloc(FRAME_BYTES + relaxed.length);
  bytes[0] = frame[0] as number;
  bytes.writeUInt32BE(relaxed.length, 1);
  bytes.write(relaxed, FRAME_BYTES, 'latin1');
  return bytes;
}
