/** What a connection of HTTP/1.1 has to write: gathered in order, written at once, one write at a time. */
import type { Socket } from 'node:net';
import { asBuffer } from '#platform/bytes.ts';
import { patienceMs } from '#rpc/answer-pace.ts';
import { isWritten, type OnceWriter, writeOnce } from '#rpc/write-once.ts';

/** So many bytes become text, and leave with what is before them in one piece; copying pays up to about this. */
const TEXT_BYTES_MAX = 16_384;

export class SocketOutput implements OnceWriter {
  readonly #socket: Socket;
  readonly #owner: OnceWriter;
  /** Behind the pieces; one octet a character. */
  #text = '';
  #pieces: Uint8Array[] | undefined;
  #pieceBytes = 0;
  #isWriting = false;
  #writeSinceMs = 0;
  #lastBytes = 0;

  constructor(socket: Socket, owner: OnceWriter) {
    this.#socket = socket;
    this.#owner = owner;
  }

  get isWriting(): boolean {
    return this.#isWriting;
  }

  /** Nothing is gathered, and nothing is being written. */
  get isEmpty(): boolean {
    return !this.#isWriting && this.#text === '' && this.#pieces === undefined;
  }

  /** So little is gathered that it may be written later. */
  mayWait(bytesMax: number): boolean {
    return (
      !this.#isWriting && this.#pieces === undefined && this.#text !== '' && this.#text.length < bytesMax
    );
  }

  /** Bytes of the last write. */
  get lastBytes(): number {
    return this.#lastBytes;
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
    this.#addPiece(bytes);
  }

  /** Writes what is gathered, unless a write is under way. Returns how many bytes. */
  write(nowMs: number): number {
    const bytes = this.gatheredBytes;
    if (this.#isWriting || bytes === 0) return 0;
    this.#lastBytes = bytes;
    this.#writeSinceMs = nowMs;
    this.#isWriting = !(this.#pieces === undefined ? this.#writeText() : this.#writePieces(this.#pieces));
    return bytes;
  }

  /** The write under way is done. */
  onWritten(): void {
    this.#isWriting = false;
    this.#owner.onWritten();
  }

  /** The peer has left what is being written for longer than so much may take. */
  isStalled(nowMs: number): boolean {
    return this.#isWriting && nowMs - this.#writeSinceMs >= patienceMs(this.#socket.writableLength);
  }

  #writeText(): boolean {
    const text = this.#text;
    this.#text = '';
    return writeOnce(this.#socket, text, this);
  }

  #writePieces(pieces: Uint8Array[]): boolean {
    this.#endText();
    this.#pieces = undefined;
    this.#pieceBytes = 0;
    this.#socket.cork();
    for (const piece of pieces) this.#socket.write(piece);
    this.#socket.uncork();
    return isWritten(this.#socket, this);
  }

  #endText(): void {
    if (this.#text === '') return;
    this.#addPiece(Buffer.from(this.#text, 'latin1'));
    this.#text = '';
  }

  #addPiece(bytes: Uint8Array): void {
    if (this.#pieces === undefined) this.#pieces = [bytes];
    else this.#pieces.push(bytes);
    this.#pieceBytes += bytes.length;
  }
}
