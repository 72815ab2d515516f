/** The query parameters of plain HTTP routes, by route. */
export const READ_PARAMETERS = ['at_least', 'wait', 'max_staleness', 'explain'] as const;
const WRITE_PARAMETERS = ['durability', 'min_acks', 'timeout', 'request_id'] as const;
export const SET_PARAMETERS = ['ttl', ...WRITE_PARAMETERS] as const;
export const INCREMENT_PARAMETERS = ['increment', 'initial', 'ttl', ...WRITE_PARAMETERS] as const;
export const DELETE_PARAMETERS = WRITE_PARAMETERS;
export const LIST_PARAMETERS = ['prefix', 'cursor', 'limit', 'keys_only', 'with_modified'] as const;
/** Where a watch begins: one of them at most. */
export const WATCH_STARTS = ['after', 'resume', 'since'] as const;
export const WATCH_PARAMETERS = [
  'prefix',
  'key',
  ...WATCH_STARTS,
  'ops',
  'previous',
  'keys_only',
  'progress',
  'initial',
] as const;
