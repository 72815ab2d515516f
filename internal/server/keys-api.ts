/** What OpenAPI says of `/v1/keys/{key}`, `/v1/keys` and `/v1/watch`. The parsers take the parameters that stand here. */
import { KEY_BYTES_MAX } from '#model/limits.ts';
import {
  type ApiOperation,
  type ApiParameter,
  answer,
  type JsonSchema,
  OTHER,
  type PathApi,
  problem,
  TEXT,
} from '#rpc/openapi/operation.ts';
import type {
  INCREMENT_PARAMETERS,
  LIST_PARAMETERS,
  READ_PARAMETERS,
  SET_PARAMETERS,
  WATCH_PARAMETERS,
} from '#server/parameters.ts';
import * as names from '#server/parameters.ts';

type Name = (
  | typeof READ_PARAMETERS
  | typeof SET_PARAMETERS
  | typeof INCREMENT_PARAMETERS
  | typeof LIST_PARAMETERS
  | typeof WATCH_PARAMETERS
)[number];

const POSITION: JsonSchema = { type: 'string', pattern: '^\\d{1,16}-\\d{1,16}$' };
const DURATION: JsonSchema = { type: 'string', pattern: '^\\d{1,9}(\\.\\d{1,3})?(ms|s|m|h|d)$' };
/** At most 60 s, as every wait. */
const WAIT: JsonSchema = { type: 'string', pattern: '^[1-5]?\\d(\\.\\d{1,3})?s$|^\\d{1,4}ms$' };
const NUMBER: JsonSchema = { type: 'string', pattern: '^(0|-?[1-9]\\d{0,17})$' };
const FLAG: JsonSchema = { enum: ['true', 'false', ''] };
const TTL: JsonSchema = { type: 'string', pattern: '^[1-9]\\d{0,8}(ms|s|m|h|d)$|^never$' };
const KEY: JsonSchema = { type: 'string', minLength: 1, maxLength: KEY_BYTES_MAX };

const PARAMETERS: Readonly<Record<Name, readonly [string, JsonSchema]>> = {
  at_least: ['Answer only from a state that includes this position', POSITION],
  wait: ['How long to wait for at_least; at most 60s', WAIT],
  explain: ['Answer what became of the key, as JSON; true goes with no other parameter', { enum: ['false'] }],
  max_staleness: ['Refuse an answer that would be staler', DURATION],
  ttl: [
    'When the entry expires: a duration from now, never, or on PUT keep; also as the header x-walnut-ttl',
    TTL,
  ],
  durability: ['What the answer waits for', { enum: ['accepted', 'local', 'quorum'] }],
  min_acks: [
    'How many replicas must have it on disk, at most 64',
    { type: 'string', pattern: '^([1-5]?\\d|6[0-4])$' },
  ],
  timeout: ['How long to wait for durability and min_acks; at most 60s', WAIT],
  request_id: [
    'Names the write, so that a repeat is carried out once',
    { type: 'string', minLength: 1, maxLength: 128 },
  ],
  increment: ['What is added; 1 where it is empty', { anyOf: [NUMBER, { const: '' }] }],
  initial: ['What a missing key counts as', NUMBER],
  prefix: ['Only keys that begin with it; empty: every key', { type: 'string', maxLength: KEY_BYTES_MAX }],
  key: ['This one key, instead of a prefix', KEY],
  cursor: ['x-walnut-next-cursor of the page before, from the same node', TEXT],
  limit: [
    'Entries in the page, at most 10000; 100 where it is left out',
    { type: 'integer', minimum: 0, maximum: 10_000 },
  ],
  keys_only: ['Leave the values out', FLAG],
  with_modified: ['Also answer modified_ms', FLAG],
  after: ['Begin after this record; 0-0: with the first of the log', POSITION],
  resume: ['Go on after the message that had it', TEXT],
  since: [
    'Begin with the first record at or after a time: milliseconds since 1970, or as 2027-01-31T12:00:00Z',
    TEXT,
  ],
  ops: [
    'Only these changes: set, delete, touch, with commas between',
    { type: 'string', pattern: '^(set|delete|touch)(,(set|delete|touch)){0,2}$' },
  ],
  previous: ['Also tell the entry before each change', FLAG],
  progress: ['A message comes at least so often: 100ms to 10m', DURATION],
};

function query(given: readonly Name[]): ApiParameter[] {
  return given.map((name) => {
    const [description, schema] = PARAMETERS[name];
    return { name, in: 'query', description, schema };
  });
}

function header(name: string, description: string, schema: JsonSchema = TEXT): ApiParameter {
  return { name, in: 'header', description, schema };
}

const KEY_IN_PATH: ApiParameter = {
  name: 'key',
  in: 'path',
  required: true,
  description: 'The rest of the path, slashes included, percent-encoded as UTF-8: 1 to 1,024 bytes',
  schema: KEY,
};
/** The `initial` of a POST is a number. */
const FIRST_WHAT_IS_THERE: ApiParameter = {
  name: 'initial',
  in: 'query',
  description: 'First the entries that are there',
  schema: FLAG,
};
const TTL_HEADER = header('x-walnut-ttl', 'See ttl, from which it must not differ', TTL);
/** One ETag, or all: lists are read, too. */
const TAGS: JsonSchema = { anyOf: [{ const: '*' }, { type: 'string', pattern: '^"\\d{1,15}-\\d{1,15}"$' }] };
const IF_MATCH = header('if-match', 'ETags with commas between, or *', TAGS);
const IF_NONE_MATCH = header('if-none-match', 'ETags with commas between, or *', TAGS);
const UNMET = { '412': problem('A condition was not met') };
const ANY: JsonSchema = {};
const VALUE = answer('The value, with its ETag', { '*/*': ANY });

const get: ApiOperation = {
  summary: 'The value of a key, or with ?explain what became of it',
  parameters: [
    KEY_IN_PATH,
    ...query(names.READ_PARAMETERS),
    IF_MATCH,
    IF_NONE_MATCH,
    header('if-modified-since', 'A date of HTTP'),
    header('if-unmodified-since', 'A date of HTTP'),
    header('range', 'One range of bytes'),
    header('if-range', 'An ETag'),
  ],
  responses: {
    '200': VALUE,
    '206': answer('The part of the value that Range asks for', { '*/*': ANY }),
    '304': answer('Not modified'),
    '404': problem('There is no such key'),
    ...UNMET,
    '416': problem('Range has no byte of the value'),
    ...OTHER,
  },
};

export const KEY_API: PathApi = {
  get,
  head: {
    ...get,
    summary: 'The headers of the value',
    responses: { ...get.responses, '200': answer('As GET') },
  },
  put: {
    summary: 'Writes the value of a key',
    parameters: [KEY_IN_PATH, ...query(names.SET_PARAMETERS), TTL_HEADER, IF_MATCH, IF_NONE_MATCH],
    requestBody: { description: 'The value; none: an empty one', content: { '*/*': { schema: ANY } } },
    responses: { '201': answer('The key was missing'), '204': answer('It was there'), ...UNMET, ...OTHER },
  },
  post: {
    summary: 'Adds to the number that the value is, and answers the sum',
    parameters: [
      KEY_IN_PATH,
      ...query(names.INCREMENT_PARAMETERS).map((one) =>
        one.name === 'increment' ? { ...one, required: true } : one,
      ),
      TTL_HEADER,
      IF_MATCH,
      IF_NONE_MATCH,
    ],
    responses: {
      '200': answer('The sum', { 'text/plain; charset=utf-8': TEXT }),
      '409': problem('The value is no number, or the sum does not fit 64 bits'),
      ...UNMET,
      ...OTHER,
    },
  },
  delete: {
    summary: 'Deletes a key',
    parameters: [KEY_IN_PATH, ...query(names.DELETE_PARAMETERS), IF_MATCH],
    responses: {
      '204': answer('It was there'),
      '404': problem('There is no such key'),
      ...UNMET,
      ...OTHER,
    },
  },
  options: {
    summary: 'The methods of a key',
    parameters: [KEY_IN_PATH],
    responses: { '204': answer('See the header Allow'), ...OTHER },
  },
};

const list: ApiOperation = {
  summary: 'A page of entries by prefix, in no order',
  parameters: [...query(names.LIST_PARAMETERS)],
  responses: {
    '200': answer('Entries; the header x-walnut-next-cursor asks for the next page', {
      'application/json': { $ref: '#/components/schemas/walnut.v1.ScanResponse' },
      'application/x-ndjson': TEXT,
    }),
    ...OTHER,
  },
};

export const LIST_API: PathApi = {
  get: list,
  head: { ...list, summary: 'The headers of the page', responses: { '200': answer('As GET'), ...OTHER } },
  options: { summary: 'The methods', responses: { '204': answer('See the header Allow'), ...OTHER } },
};

export const WATCH_API: PathApi = {
  get: {
    summary: 'Changes as they happen, as server-sent events; it does not end by itself',
    parameters: [
      ...query(names.WATCH_PARAMETERS).map((one) => (one.name === 'initial' ? FIRST_WHAT_IS_THERE : one)),
      header('last-event-id', 'Go on after this event, as browsers send it'),
    ],
    responses: {
      '200': answer('Each message of Watch as one event, and why it is over as one of the type end', {
        'text/event-stream': TEXT,
      }),
      ...OTHER,
    },
  },
  options: { summary: 'The methods', responses: { '204': answer('See the header Allow'), ...OTHER } },
};
