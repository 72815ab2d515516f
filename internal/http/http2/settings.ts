/** SETTINGS: what this side announces, what the peer has announced, and what of it is an error. */
import {
  ErrorCode,
  PAYLOAD_BYTES_MAX,
  readUint32,
  SettingId,
  STREAM_ID_MAX,
  WINDOW_DEFAULT,
  WINDOW_MAX,
  writeUint32,
} from './frame.ts';
import { SETTINGS_ENTRIES_MAX } from './limits.ts';

export interface OwnSettings {
  /** Octets of our dynamic table for decoding. */
  readonly headerTableBytes: number;
  /** Octets that the peer may send on a stream before it is credited. */
  readonly streamWindowBytes: number;
}

export interface SettingsFault {
  readonly code: number;
  readonly why: string;
}

/** The payload of our SETTINGS frame. `streamsMax` 0 announces none: a client takes no pushes either way. */
export function encodeSettings(own: OwnSettings, streamsMax: number, headBytesMax: number): Uint8Array {
  const entries: [number, number][] = [
    [SettingId.headerTableSize, own.headerTableBytes],
    streamsMax === 0 ? [SettingId.enablePush, 0] : [SettingId.maxConcurrentStreams, streamsMax],
    [SettingId.initialWindowSize, own.streamWindowBytes],
    [SettingId.maxHeaderListSize, headBytesMax],
  ];
  const payload = Buffer.alloc(entries.length * 6);
  entries.forEach(([id, value], i) => {
    payload[i * 6 + 1] = id;
    writeUint32(payload, i * 6 + 2, value);
  });
  return payload;
}

/** What the peer's settings are; those we make no use of are checked and dropped. */
export class PeerSettings {
  /** Until the peer says otherwise, as many as there are numbers. */
  streamsMax = STREAM_ID_MAX;
  streamWindowBytes = WINDOW_DEFAULT;
  readonly #isServer: boolean;

  /** `isServer`: the peer is one, and may not ask for pushes. */
  constructor(isServer: boolean) {
    this.#isServer = isServer;
  }

  /** Takes the entries of a payload in their order, up to the first that is wrong. */
  apply(
    bytes: Uint8Array,
    from: number,
    to: number,
    onTableSize: (bytes: number) => void,
  ): SettingsFault | undefined {
    if ((to - from) % 6 !== 0) return { code: ErrorCode.frameSizeError, why: 'SETTINGS of broken length' };
    if ((to - from) / 6 > SETTINGS_ENTRIES_MAX) {
      return {
        code: ErrorCode.enhanceYourCalm,
        why: `more than ${SETTINGS_ENTRIES_MAX} settings in a frame`,
      };
    }
    for (let at = from; at < to; at += 6) {
      const id = ((bytes[at] as number) << 8) | (bytes[at + 1] as number);
      const value = readUint32(bytes, at + 2);
      const fault = this.#set(id, value);
      if (fault !== undefined) return fault;
      // Each value counts, not the last alone: the table must shrink to the lowest between two blocks.
      if (id === SettingId.headerTableSize) onTableSize(value);
    }
    return undefined;
  }

  #set(id: number, value: number): SettingsFault | undefined {
    switch (id) {
      case SettingId.enablePush:
        if (value === 0 || (value === 1 && !this.#isServer)) return undefined;
        return { code: ErrorCode.protocolError, why: `ENABLE_PUSH of ${value}` };
      case SettingId.maxConcurrentStreams:
        this.streamsMax = value;
        return undefined;
      case SettingId.initialWindowSize:
        if (value > WINDOW_MAX)
          return { code: ErrorCode.flowControlError, why: `INITIAL_WINDOW_SIZE of ${value}` };
        this.streamWindowBytes = value;
        return undefined;
      case SettingId.maxFrameSize:
        if (value >= PAYLOAD_BYTES_MAX && value < 2 ** 24) return undefined;
        return { code: ErrorCode.protocolError, why: `MAX_FRAME_SIZE of ${value}` };
      // MAX_HEADER_LIST_SIZE is advice, and what we send is small; the unknown is to be ignored.
      default:
        return undefined;
    }
  }
}
