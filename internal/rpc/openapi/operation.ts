/** The parts of an OpenAPI operation, as the routes describe themselves with. Pure. */

export type JsonSchema = { readonly [key: string]: unknown };

/** What a route answers to one method of HTTP: an Operation Object of OpenAPI. */
export interface ApiOperation {
  readonly summary: string;
  readonly description?: string;
  readonly parameters?: readonly ApiParameter[];
  readonly requestBody?: JsonSchema;
  readonly responses: Readonly<Record<string, JsonSchema>>;
}

/** The operations of one path, by lower-case method. */
export type PathApi = Readonly<Record<string, ApiOperation>>;

export interface ApiParameter {
  readonly name: string;
  readonly in: 'path' | 'query' | 'header';
  readonly description: string;
  readonly required?: boolean;
  /** One of both. */
  readonly schema?: JsonSchema;
  readonly content?: JsonSchema;
}

/** The place in the document of the schema that answers to every refused request of a plain route have. */
const PROBLEM = { $ref: '#/components/schemas/Problem' };

export function answer(description: string, types: Readonly<Record<string, JsonSchema>> = {}): JsonSchema {
  const content = Object.fromEntries(Object.entries(types).map(([type, schema]) => [type, { schema }]));
  return Object.keys(content).length === 0 ? { description } : { description, content };
}

/** Refusals of plain routes: problems of RFC 9457, or plain JSON for a caller that accepts only that. */
export function problem(description: string): JsonSchema {
  return answer(description, { 'application/problem+json': PROBLEM, 'application/json': PROBLEM });
}

/** What an operation answers besides. */
export const OTHER = { default: problem('Refused: the code and the message say why') };

export const TEXT: JsonSchema = { type: 'string' };
