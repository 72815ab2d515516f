import { type DescFile, fromBinary } from '@bufbuild/protobuf';
import { nestedTypes } from '@bufbuild/protobuf/reflect';
import { type FileDescriptorProto, FileDescriptorProtoSchema } from '@bufbuild/protobuf/wkt';
import { describe, expect, it } from 'vitest';
import { Health } from '#gen/grpc/health/v1/health_pb.ts';
import { Admin, file_walnut_v1_admin } from '#gen/walnut/v1/admin_pb.ts';
import { file_walnut_v1_errors } from '#gen/walnut/v1/errors_pb.ts';
import { file_walnut_v1_kv_store, KVStore } from '#gen/walnut/v1/kv_store_pb.ts';
import { file_walnut_v1_replication, Replication } from '#gen/walnut/v1/replication_pb.ts';
import { file_walnut_v1_types } from '#gen/walnut/v1/types_pb.ts';
import { createReflector } from '#rpc/reflection-service.ts';

const ask = createReflector([KVStore, Replication, Admin, Health]);

function filesOf(symbol: string): FileDescriptorProto[] {
  const answer = ask({ case: 'fileContainingSymbol', value: symbol });
  if (answer.case !== 'fileDescriptorResponse') return expect.unreachable(`${symbol}: ${answer.case}`);
  return answer.value.fileDescriptorProto.map((bytes) => fromBinary(FileDescriptorProtoSchema, bytes));
}

/** Paths, in the descriptor of a file, of everything that its readers ask about. */
function declared(file: DescFile): string[] {
  const paths: string[] = [];
  file.proto.messageType.forEach((message, m) => {
    paths.push(`4.${m}`, ...message.field.map((_, f) => `4.${m}.2.${f}`));
  });
  file.proto.enumType.forEach((one, e) => {
    paths.push(`5.${e}`, ...one.value.map((_, v) => `5.${e}.2.${v}`));
  });
  file.proto.service.forEach((service, s) => {
    paths.push(`6.${s}`, ...service.method.map((_, m) => `6.${s}.2.${m}`));
  });
  return paths;
}

describe('reflection', () => {
  it.each([
    file_walnut_v1_kv_store,
    file_walnut_v1_admin,
    file_walnut_v1_replication,
    file_walnut_v1_types,
    file_walnut_v1_errors,
  ])('has the comment of everything in $proto.name', (file) => {
    const [symbol] = [...nestedTypes(file)].map(({ typeName }) => typeName);
    const [sent] = filesOf(symbol ?? '');
    expect(sent?.name).toBe(file.proto.name);
    const commented = new Set(
      sent?.sourceCodeInfo?.location
        .filter(({ leadingComments, trailingComments }) => `${leadingComments}${trailingComments}` !== '')
        .map(({ path }) => path.join('.')),
    );
    expect(declared(file).filter((path) => !commented.has(path))).toEqual([]);
  });

  it('sends descriptors as they are, beside the comments', () => {
    const [sent, ...dependencies] = filesOf('walnut.v1.KVStore.Get');
    expect({ ...sent, sourceCodeInfo: undefined }).toEqual({
      ...file_walnut_v1_kv_store.proto,
      sourceCodeInfo: undefined,
    });
    expect(dependencies.map(({ name }) => name)).toEqual(['walnut/v1/types.proto']);
  });

  it('knows the details of errors, which no rpc names', () => {
    expect(filesOf('walnut.v1.Refusal').map(({ name }) => name)).toEqual([
      'walnut/v1/errors.proto',
      'walnut/v1/types.proto',
    ]);
  });
});
