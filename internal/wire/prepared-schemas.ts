/**
 * What encoders of messages have in common: they are prepared from schemas, once, field
 * by field, and leave a schema with a field that they do not support to protobuf-es.
 */
import { type DescField, type DescMessage, ScalarType } from '@bufbuild/protobuf';

/** A message, read by the local names of its fields. */
export type Values = Readonly<Record<string, unknown>>;

export interface PreparedSchema<Field> {
  readonly typeName: string;
  /** By ascending field numbers; undefined if the schema contains what is not supported. */
  fields: readonly Field[] | undefined;
}

/** The prepared schemas of one encoder. */
export class PreparedSchemas<Field> {
  readonly #prepareField: (field: DescField) => Field | undefined;
  readonly #prepared = new WeakMap<DescMessage, PreparedSchema<Field>>();

  /** `prepareField` gives undefined for a field that is not supported. */
  constructor(prepareField: (field: DescField) => Field | undefined) {
    this.#prepareField = prepareField;
  }

  of(schema: DescMessage): PreparedSchema<Field> {
    let prepared = this.#prepared.get(schema);
    if (prepared === undefined) {
      prepared = { typeName: schema.typeName, fields: undefined };
      // Stored before its fields are, because a message type may contain itself.
      this.#prepared.set(schema, prepared);
      const sorted = schema.fields.toSorted((a, b) => a.number - b.number);
      const fields = sorted.map(this.#prepareField);
      const isSupported = !isWellKnown(schema) && fields.every((field) => field !== undefined);
      if (isSupported) prepared.fields = fields;
    }
    return prepared;
  }
}

/** True if the message is one of protobuf's own, which have forms of their own in JSON. */
export function isWellKnown(schema: DescMessage): boolean {
  return schema.typeName.startsWith('google.protobuf.');
}

/** The value of a field without presence that is absent. */
export function zeroOf(field: DescField): unknown {
  if (field.fieldKind === 'enum') return field.enum.values[0]?.number;
  switch (field.scalar) {
    case ScalarType.STRING:
      return '';
    case ScalarType.BOOL:
      return false;
    case ScalarType.UINT64:
    case ScalarType.INT64:
    case ScalarType.FIXED64:
    case ScalarType.SINT64:
    case ScalarType.SFIXED64:
      return 0n;
    default:
      return 0;
  }
}
