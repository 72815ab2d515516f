/** The largest messages that a schema allows. */
import { create, type DescField, type DescMessage, type MessageShape, ScalarType } from '@bufbuild/protobuf';

export interface Size {
  /** Elements of a list of messages at the top level. */
  readonly elements: number;
  /** Bytes of all values together. */
  readonly valueBytes: number;
}

const TEXT = 'k'.repeat(40);
const SHORT_LIST = 4;
const DEPTH_MAX = 4;

/** Every field set, and of a oneof the one that may contain a value. */
export function largestOf(schema: DescMessage, { elements, valueBytes }: Size): MessageShape<DescMessage> {
  const hasList = schema.fields.some(isMessageList);
  const hasValue = schema.fields.some((field) => hasBytes(field));
  const value = Buffer.alloc(hasValue ? Math.floor(valueBytes / (hasList ? elements : 1)) : 0, 0x5a);
  return create(schema, fieldsOf(schema, value, hasList ? elements : SHORT_LIST, 0) as never);
}

function isMessageList(field: DescField): boolean {
  return field.fieldKind === 'list' && field.listKind === 'message';
}

function fieldsOf(
  schema: DescMessage,
  value: Buffer,
  elements: number,
  depth: number,
): Record<string, unknown> {
  const fields: Record<string, unknown> = {};
  let isValueUsed = false;
  for (const field of schema.fields) {
    if (field.fieldKind === 'map' || (field.message !== undefined && depth >= DEPTH_MAX)) continue;
    const given = isValueUsed ? Buffer.alloc(0) : value;
    const one = valueFor(field, given, depth);
    const isHolder = hasBytes(field);
    if (field.fieldKind === 'list') {
      const count = isMessageList(field) ? elements : SHORT_LIST;
      fields[field.localName] = Array.from({ length: count }, () => one);
    } else if (field.oneof === undefined) fields[field.localName] = one;
    else if (fields[field.oneof.localName] === undefined || isHolder) {
      fields[field.oneof.localName] = { case: field.localName, value: one };
    }
    isValueUsed ||= isHolder;
  }
  return fields;
}

function valueFor(field: DescField, value: Buffer, depth: number): unknown {
  if (field.message !== undefined) return fieldsOf(field.message, value, SHORT_LIST, depth + 1);
  if (field.enum !== undefined) return field.enum.values.at(-1)?.number;
  switch (field.scalar) {
    case ScalarType.STRING:
      return TEXT;
    case ScalarType.BYTES:
      return value;
    case ScalarType.BOOL:
      return true;
    case ScalarType.UINT64:
    case ScalarType.INT64:
    case ScalarType.FIXED64:
    case ScalarType.SFIXED64:
    case ScalarType.SINT64:
      return 1_000_000n;
    default:
      return 1_000;
  }
}

/** True if the field may contain a value, at any depth. */
function hasBytes(field: DescField, depth = 0): boolean {
  if (field.scalar === ScalarType.BYTES) return true;
  return (
    depth < DEPTH_MAX &&
    field.message !== undefined &&
    field.message.fields.some((each) => hasBytes(each, depth + 1))
  );
}
