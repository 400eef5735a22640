import { WireError } from './cursor.ts'

/**
 * A small answer that is one JSON object, such as a ticker's details.
 *
 * @throws {SyntaxError} when it is not JSON
 * @throws {WireError} when it is JSON but no object
 */
export function parseObject(body: Buffer): Record<string, unknown> {
  const parsed: unknown = JSON.parse(body.toString())
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed))
    throw new WireError('expected an object')
  return parsed as Record<string, unknown>
}
