/**
 * JSON Schemas of protobuf messages, as their JSON mapping has them: for callers that know
 * no protobuf. Descriptions are the comments of the proto files. Pure.
 */
import { type DescEnum, type DescField, type DescMessage, fromBinary, ScalarType } from '@bufbuild/protobuf';
import { SourceCodeInfoSchema } from '@bufbuild/protobuf/wkt';
import { COMMENTS } from '#gen/comments.ts';
import { ownValue } from '#platform/own-value.ts';
import type { JsonSchema } from '#rpc/openapi/operation.ts';

/** Field numbers of protobuf's descriptors, which the paths of comments are made of. */
const MESSAGES_OF_FILE = 4;
const SERVICES_OF_FILE = 6;
const FIELDS_OF_MESSAGE = 2;
const METHODS_OF_SERVICE = 2;

export function schemaRef({ typeName }: { readonly typeName: string }): JsonSchema {
  return { $ref: `#/components/schemas/${typeName}` };
}

/** The schemas of `messages` and of all that they contain, by type name. */
export function schemasOf(
  messages: readonly DescMessage[],
  comments: ProtoComments,
): Record<string, JsonSchema> {
  const schemas: Record<string, JsonSchema> = {};
  const add = (type: DescMessage | DescEnum): void => {
    if (Object.hasOwn(schemas, type.typeName)) return;
    if (type.kind === 'enum') {
      schemas[type.typeName] = { type: 'string', enum: type.values.map(({ name }) => name) };
      return;
    }
    // Noted first, because a message may contain itself.
    schemas[type.typeName] = {};
    schemas[type.typeName] = messageSchema(type, comments.of(type.file.proto.name));
    for (const field of type.fields) {
      if (field.message !== undefined) add(field.message);
      if (field.enum !== undefined) add(field.enum);
    }
  };
  for (const message of messages) add(message);
  return schemas;
}

function messageSchema(message: DescMessage, comments: ReadonlyMap<string, string>): JsonSchema {
  const at = message.file.messages.indexOf(message);
  const properties = message.fields.map((field, i): [string, JsonSchema] => [
    field.jsonName,
    {
      ...described(comments.get(`${MESSAGES_OF_FILE},${at},${FIELDS_OF_MESSAGE},${i}`)),
      ...fieldSchema(field),
    },
  ]);
  return {
    ...described(comments.get(`${MESSAGES_OF_FILE},${at}`)),
    type: 'object',
    properties: Object.fromEntries(properties),
    additionalProperties: false,
  };
}

/** What the proto says of a method. */
export function methodComment(method: DescMessageMethod, comments: ProtoComments): string | undefined {
  const { parent } = method;
  const at = [SERVICES_OF_FILE, parent.file.services.indexOf(parent as never)];
  const path = [...at, METHODS_OF_SERVICE, parent.methods.indexOf(method as never)];
  return comments.of(parent.file.proto.name).get(path.join());
}

interface DescMessageMethod {
  readonly parent: {
    readonly file: DescMessage['file'];
    readonly methods: readonly unknown[];
  };
}

function described(comment: string | undefined): JsonSchema {
  return comment === undefined ? {} : { description: comment };
}

function fieldSchema(field: DescField): JsonSchema {
  switch (field.fieldKind) {
    case 'message':
      return schemaRef(field.message);
    case 'enum':
      return schemaRef(field.enum);
    case 'scalar':
      return scalarSchema(field.scalar);
    case 'list': {
      const { listKind } = field;
      if (listKind === 'scalar') return { type: 'array', items: scalarSchema(field.scalar) };
      return { type: 'array', items: schemaRef(listKind === 'enum' ? field.enum : field.message) };
    }
    case 'map':
      return { type: 'object' };
  }
}

/** Numbers of 64 bits are strings in JSON, which would round them. */
function scalarSchema(scalar: ScalarType): JsonSchema {
  switch (scalar) {
    case ScalarType.BOOL:
      return { type: 'boolean' };
    case ScalarType.STRING:
      return { type: 'string' };
    case ScalarType.BYTES:
      return { type: 'string', contentEncoding: 'base64' };
    case ScalarType.UINT64:
    case ScalarType.FIXED64:
      return { type: 'string', pattern: '^\\d{1,20}$' };
    case ScalarType.INT64:
    case ScalarType.SINT64:
    case ScalarType.SFIXED64:
      return { type: 'string', pattern: '^-?\\d{1,19}$' };
    case ScalarType.UINT32:
    case ScalarType.FIXED32:
      return { type: 'integer', minimum: 0, maximum: 0xffff_ffff };
    case ScalarType.DOUBLE:
    case ScalarType.FLOAT:
      return { type: 'number' };
    default:
      return { type: 'integer', minimum: -0x8000_0000, maximum: 0x7fff_ffff };
  }
}

/** The comments of proto files. Each file is decoded once; let go of it when the document is made. */
export class ProtoComments {
  readonly #files = new Map<string, ReadonlyMap<string, string>>();

  /** By the path of what they stand above. */
  of(file: string): ReadonlyMap<string, string> {
    let comments = this.#files.get(file);
    if (comments === undefined) {
      comments = readComments(file);
      this.#files.set(file, comments);
    }
    return comments;
  }
}

function readComments(file: string): ReadonlyMap<string, string> {
  const info = ownValue(COMMENTS, file);
  if (info === undefined) return new Map();
  const { location } = fromBinary(SourceCodeInfoSchema, Buffer.from(info, 'base64'));
  return new Map(location.map(({ path, leadingComments }) => [path.join(), textOf(leadingComments)]));
}

/** One line: the lines of a comment are broken where the proto file ends. */
function textOf(comment: string): string {
  return comment.trim().replace(/\s*\n\s*/g, ' ');
}
