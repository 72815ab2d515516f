/** The headers of calls with keys that OpenAPI lists, as the process takes them. Pure. */

import { READ_POLICIES } from '#model/wish.ts';
import type { ApiParameter, PathApi } from '#rpc/openapi/operation.ts';
import { POSITIONS_CHARACTERS_MAX, POSITIONS_HEADER, READ_FROM_HEADER } from '#wire/call-headers.ts';

const POSITION = '[A-Za-z0-9-]{1,64}=\\d{1,16}-\\d{1,16}';
const POSITIONS: ApiParameter = {
  name: POSITIONS_HEADER,
  in: 'header',
  description:
    'What the session has seen of each group: the header of the same name of its last answer; empty: it begins',
  schema: {
    type: 'string',
    pattern: `^(${POSITION}(,${POSITION})*)?$`,
    maxLength: POSITIONS_CHARACTERS_MAX,
  },
};
const READ_FROM: ApiParameter = {
  name: READ_FROM_HEADER,
  in: 'header',
  description: 'Who answers the reads of this call, instead of gateway.read_from',
  schema: { enum: READ_POLICIES },
};

export interface WishHeaders {
  /** What calls with one answer take. */
  readonly calls: readonly ApiParameter[];
  readonly watches: readonly ApiParameter[];
}

/** A node of no cluster refuses both by name, a node of a cluster the second. */
export function wishHeaders(server: 'gateway' | 'member' | 'node'): WishHeaders {
  if (server === 'node') return { calls: [], watches: [] };
  if (server === 'member') return { calls: [POSITIONS], watches: [] };
  return { calls: [POSITIONS, READ_FROM], watches: [READ_FROM] };
}

/** Every operation but OPTIONS takes these headers, too. */
export function withHeaders(api: PathApi, headers: readonly ApiParameter[]): PathApi {
  return Object.fromEntries(
    Object.entries(api).map(([method, operation]) => {
      const parameters = [...(operation.parameters ?? []), ...headers];
      return [method, method === 'options' ? operation : { ...operation, parameters }];
    }),
  );
}
