/**
 * Calls of the process that the page came from. The token is kept in this variable and nowhere
 * else, so that loading the page again, or closing it, forgets it.
 */
import { EventReader } from './events.js';
import { isToken } from './format.js';

let token = '';

/** Returns false, and keeps the token there was, where no header can carry this one. */
export function setToken(given) {
  const trimmed = given.trim();
  if (!isToken(trimmed)) return false;
  token = trimmed;
  return true;
}

export function hasToken() {
  return token !== '';
}

/** An answer that is a refusal. `status`: of HTTP. */
export class Refusal extends Error {
  constructor(status, code, message) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

/** Nobody answers, or the answer broke off. */
export class Lost extends Error {
  constructor() {
    super('The server does not answer');
  }
}

/** Rejects with a `Refusal`, or with `Lost`. */
async function request(path, { method = 'GET', headers = {}, body, signal } = {}) {
  const own = token === '' ? {} : { authorization: `Bearer ${token}` };
  const answering = fetch(path, {
    method,
    // The last one keeps the browser from asking for a password by itself.
    headers: { accept: 'application/json', ...own, ...headers, 'x-requested-with': 'walnut-page' },
    cache: 'no-store',
    body,
    signal,
  });
  const response = await unlessLost(answering, signal);
  if (response.ok) return response;
  const { code = 'unknown', message = response.statusText } = await response.json().catch(() => ({}));
  throw new Refusal(response.status, code, message);
}

/** A unary rpc in JSON, such as `KVStore/Get`. */
export async function call(method, message, signal) {
  const headers = { 'content-type': 'application/json' };
  const body = JSON.stringify(message);
  const response = await request(`walnut.v1.${method}`, { method: 'POST', headers, body, signal });
  return response.json();
}

/** JSON of a GET. */
export async function read(path, signal) {
  return (await request(path, { signal })).json();
}

/**
 * Server-sent events with the credential, which EventSource cannot send. Resolves when the server
 * ends the stream, with what its last event says, if it says something. `onOpen`: the answer begins.
 */
export async function follow(path, signal, onData, onOpen = () => {}) {
  const response = await request(path, { headers: { accept: 'text/event-stream' }, signal });
  onOpen();
  const events = new EventReader();
  const pieces = response.body.pipeThrough(new TextDecoderStream()).getReader();
  for (;;) {
    const { done, value } = await unlessLost(pieces.read(), signal);
    if (done) return undefined;
    for (const { type, data } of events.push(value)) {
      if (type === 'end') return JSON.parse(data);
      onData(JSON.parse(data));
    }
  }
}

/** What a browser says of a lost connection differs, and is of no use to a reader. */
async function unlessLost(awaited, signal) {
  try {
    return await awaited;
  } catch (error) {
    throw signal?.aborted ? error : new Lost();
  }
}

/** What went wrong, in one sentence. */
export function describe(error) {
  return error instanceof Refusal ? `${error.message} (${error.code})` : String(error.message ?? error);
}
