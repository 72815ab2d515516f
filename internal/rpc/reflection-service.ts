/**
 * The standard gRPC server reflection (v1; v1alpha is the same on the wire and
 * comes here by its path), so that grpcurl and the like work without .proto files,
 * comments included; the messages of error details, which no rpc names, too.
 * What cannot be answered is an error response; the stream goes on.
 */
import { create, type DescFile, type DescService, fromBinary, toBinary } from '@bufbuild/protobuf';
import { nestedTypes } from '@bufbuild/protobuf/reflect';
import { FileDescriptorProtoSchema, SourceCodeInfoSchema } from '@bufbuild/protobuf/wkt';
import { Code } from '@connectrpc/connect';
import { COMMENTS } from '#gen/comments.ts';
import {
  ServerReflection,
  type ServerReflectionRequest,
  type ServerReflectionResponse,
} from '#gen/grpc/reflection/v1/reflection_pb.ts';
import { file_walnut_v1_errors } from '#gen/walnut/v1/errors_pb.ts';
import { ownValue } from '#platform/own-value.ts';
import { createRpcModule, FEW, type RpcModule } from '#rpc/rpc-routes.ts';

type Answer = ServerReflectionResponse['messageResponse'];

export function createReflectionModule(services: readonly DescService[]): RpcModule {
  const answer = createReflector(services);
  return createRpcModule(ServerReflection, {
    serverReflectionInfo: {
      limits: FEW,
      impl: async function* (requests: AsyncIterable<ServerReflectionRequest>) {
        for await (const request of requests) {
          yield {
            $typeName: 'grpc.reflection.v1.ServerReflectionResponse' as const,
            validHost: request.host,
            originalRequest: request,
            messageResponse: answer(request.messageRequest),
          };
        }
      },
    },
  });
}

/** Answers one question; pure. */
export function createReflector(
  services: readonly DescService[],
): (question: ServerReflectionRequest['messageRequest']) => Answer {
  const files = new Map<string, DescFile>();
  for (const service of services) collect(service.file, files);
  collect(file_walnut_v1_errors, files);
  const symbols = new Map<string, DescFile>();
  for (const file of files.values()) {
    for (const type of nestedTypes(file)) symbols.set(type.typeName, file);
  }
  return (question) => {
    switch (question.case) {
      case 'listServices':
        return listServices(services);
      case 'fileByFilename':
        return fileAnswer(files.get(question.value), question.value);
      case 'fileContainingSymbol':
        return fileAnswer(findSymbol(symbols, question.value), question.value);
      case 'fileContainingExtension':
        return errorAnswer(Code.NotFound, 'there are no extensions');
      case 'allExtensionNumbersOfType':
        return symbols.has(question.value)
          ? {
              case: 'allExtensionNumbersResponse',
              value: {
                $typeName: 'grpc.reflection.v1.ExtensionNumberResponse',
                baseTypeName: question.value,
                extensionNumber: [],
              },
            }
          : errorAnswer(Code.NotFound, 'no such message');
      case undefined:
        return errorAnswer(Code.InvalidArgument, 'the question is empty');
    }
  };
}

/** Dependencies first, each file once. */
function collect(file: DescFile, into: Map<string, DescFile>): void {
  if (into.has(file.proto.name)) return;
  for (const dependency of file.dependencies) collect(dependency, into);
  into.set(file.proto.name, file);
}

/** A method, field or enum value is found by the type that declares it. */
function findSymbol(symbols: ReadonlyMap<string, DescFile>, name: string): DescFile | undefined {
  const found = symbols.get(name);
  if (found !== undefined) return found;
  const dot = name.lastIndexOf('.');
  return dot === -1 ? undefined : symbols.get(name.slice(0, dot));
}

function listServices(services: readonly DescService[]): Answer {
  return {
    case: 'listServicesResponse',
    value: {
      $typeName: 'grpc.reflection.v1.ListServiceResponse',
      service: services.map(({ typeName }) => ({
        $typeName: 'grpc.reflection.v1.ServiceResponse' as const,
        name: typeName,
      })),
    },
  };
}

function fileAnswer(file: DescFile | undefined, name: string): Answer {
  if (file === undefined) {
    return errorAnswer(Code.NotFound, `no such file or symbol: ${JSON.stringify(name.slice(0, 200))}`);
  }
  const closure = new Map<string, DescFile>();
  collect(file, closure);
  const bytes = [...closure.values()].reverse().map(withComments);
  return {
    case: 'fileDescriptorResponse',
    value: { $typeName: 'grpc.reflection.v1.FileDescriptorResponse', fileDescriptorProto: bytes },
  };
}

/** The descriptor's bytes; its comments are kept apart from it. */
function withComments({ proto }: DescFile): Uint8Array<ArrayBuffer> {
  const comments = ownValue(COMMENTS, proto.name);
  if (comments === undefined) return toBinary(FileDescriptorProtoSchema, proto);
  const sourceCodeInfo = fromBinary(SourceCodeInfoSchema, Buffer.from(comments, 'base64'));
  return toBinary(FileDescriptorProtoSchema, create(FileDescriptorProtoSchema, { ...proto, sourceCodeInfo }));
}

function errorAnswer(errorCode: Code, errorMessage: string): Answer {
  return {
    case: 'errorResponse',
    value: { $typeName: 'grpc.reflection.v1.ErrorResponse', errorCode, errorMessage },
  };
}
