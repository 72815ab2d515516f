/** What a connection of HTTP/1.1 has to write: gathered in order, written at once, one write at a time. */
import type { Socket } from 'node:net';
import { patienceMs } from '#rpc/answer-pace.ts';

/** So many bytes become text, and leave with what is before them in one piece; copying pays up to about this. */
const TEXT_BYTES_MAX = 16_384;

export class SocketOutput {
  readonly #socket: Socket;
  readonly #onWritten: () => void;
  /** Behind the pieces; one octet a character. */
  #text = '';
  #pieces: Uint8Array[] = [];
  #pieceBytes = 0;
  #isWriting = false;
  #writeSinceMs = 0;

  constructor(socket: Socket, onWritten: () => void) {
    this.#socket = socket;
    this.#onWritten = onWritten;
  }

  get isWriting(): boolean {
    return this.#isWriting;
  }

  /** Bytes that no write has taken yet. */
  get gatheredBytes(): number {
    return this.#text.length + this.#pieceBytes;
  }

  /** Bytes that are not the kernel's yet. */
  get heldBytes(): number {
    return this.#socket.destroyed ? 0 : this.#socket.writableLength + this.gatheredBytes;
  }

  addText(text: string): void {
    this.#text += text;
  }

  /** They may be kept by reference until they are written. */
  addBytes(bytes: Uint8Array): void {
    if (bytes.length <= TEXT_BYTES_MAX) {
      this.#text += asBuffer(bytes).toString('latin1');
      return;
    }
    this.#endText();
    this.#pieces.push(bytes);
    this.#pieceBytes += bytes.length;
  }

  /** Writes what is gathered, unless a write is under way. Returns how many bytes. */
  write(nowMs: number): number {
    const bytes = this.gatheredBytes;
    if (this.#isWriting || bytes === 0) return 0;
    this.#isWriting = true;
    this.#writeSinceMs = nowMs;
    if (this.#pieces.length > 0) this.#writePieces();
    else {
      const text = this.#text;
      this.#text = '';
      this.#socket.write(text, 'latin1', this.#onDone);
    }
    return bytes;
  }

  /** The peer has left what is being written for longer than so much may take. */
  isStalled(nowMs: number): boolean {
    return this.#isWriting && nowMs - this.#writeSinceMs >= patienceMs(this.#socket.writableLength);
  }

  #writePieces(): void {
    this.#endText();
    const pieces = this.#pieces;
    this.#pieces = [];
    this.#pieceBytes = 0;
    const last = pieces.length - 1;
    this.#socket.cork();
    for (let i = 0; i < last; i++) this.#socket.write(pieces[i] as Uint8Array);
    this.#socket.write(pieces[last] as Uint8Array, this.#onDone);
    this.#socket.uncork();
  }

  #endText(): void {
    if (this.#text === '') return;
    this.#pieces.push(Buffer.from(this.#text, 'latin1'));
    this.#pieceBytes += this.#text.length;
    this.#text = '';
  }

  readonly #onDone = (): void => {
    this.#isWriting = false;
    this.#onWritten();
  };
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
}
