/** How Connect, gRPC and gRPC-Web put a stream of messages into an answer, and its end. */
import type { ConnectError } from '@connectrpc/connect';
import { createEndStreamSerialization } from '@connectrpc/connect/protocol-connect';
import { setTrailerStatus } from '@connectrpc/connect/protocol-grpc';
import { trailerSerialize } from '@connectrpc/connect/protocol-grpc-web';
import { relaxGrpcTrailers } from '#rpc/grpc-message.ts';
import { type AnswerHeaders, OK_TRAILERS } from '#rpc/unary/answer.ts';
import type { JsonOptions } from '#rpc/unary/message-codec.ts';
import { TRAILERS, toNodeHeaders } from '#rpc/unary/protocols.ts';
import type { ProtocolName } from '#rpc/unary/request-shape.ts';

/** The end of an answer. */
export interface StreamEnd {
  /** The last envelope, where the protocol has one. */
  readonly envelope: { readonly flags: number; readonly content: Uint8Array } | undefined;
  /** HTTP/2 only. */
  readonly trailers: AnswerHeaders | undefined;
}

export interface StreamForm {
  /** The flag of an envelope of the request that is no message; 0: there is none. */
  readonly endFlag: number;
  /** `acceptsGzip`: large messages are compressed. */
  head(acceptsGzip: boolean): AnswerHeaders;
  end(error: ConnectError | undefined, json: JsonOptions): StreamEnd;
}

const CONNECT_END = 2;

const connect: StreamForm = {
  endFlag: CONNECT_END,
  head: headsOf('application/connect+proto', 'connect-content-encoding'),
  end: (error, json) => {
    const end = { metadata: new Headers(), ...(error === undefined ? {} : { error }) };
    const content = createEndStreamSerialization(json).serialize(end);
    return { envelope: { flags: CONNECT_END, content }, trailers: undefined };
  },
};

const grpc: StreamForm = {
  endFlag: 0,
  head: headsOf('application/grpc+proto', 'grpc-encoding'),
  end: (error) => ({
    envelope: undefined,
    trailers: error === undefined ? OK_TRAILERS : toNodeHeaders(trailersOf(error)),
  }),
};

const grpcWeb: StreamForm = {
  endFlag: TRAILERS,
  head: headsOf('application/grpc-web+proto', 'grpc-encoding'),
  end: (error) => {
    const content = trailerSerialize(error === undefined ? new Headers(NO_ERROR) : trailersOf(error));
    return { envelope: { flags: TRAILERS, content }, trailers: undefined };
  },
};

const NO_ERROR = { 'grpc-status': '0' };

function trailersOf(error: ConnectError): Headers {
  const trailers = new Headers(NO_ERROR);
  setTrailerStatus(trailers, error);
  return relaxGrpcTrailers(trailers);
}

function headsOf(type: string, encoding: string): StreamForm['head'] {
  const plain: AnswerHeaders = { 'content-type': type };
  const gzip: AnswerHeaders = { [encoding]: 'gzip', 'content-type': type };
  return (acceptsGzip) => (acceptsGzip ? gzip : plain);
}

export const STREAM_FORMS: Readonly<Record<ProtocolName, StreamForm>> = {
  connect,
  grpc,
  'grpc-web': grpcWeb,
};
