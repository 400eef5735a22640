import type { DuckDBValue } from '@duckdb/node-api'
import type { CellWriter } from './cells.ts'
import type { QueryResult } from './result.ts'

/**
 * One JSON array of objects, a row on a line. Integers are exact digits of any size (JSON has no limit; a reader
 * that makes doubles of them, as JavaScript does, loses those beyond 2^53). A name that comes twice gets `_2`, `_3`, ….
 */
export async function* jsonText(result: QueryResult, cells: CellWriter): AsyncIterable<string> {
  const names = uniqueNames(result.columns.map(({ name }) => name)).map((name) => JSON.stringify(name))
  const object = (row: readonly DuckDBValue[]): string =>
    `{${row.map((value, i) => `${names[i]}:${cells.json(value)}`).join(',')}}`
  let separator = '[\n'
  for await (const chunk of result.chunks()) {
    let text = ''
    for (const row of chunk.getRows()) {
      text += separator + object(row)
      separator = ',\n'
    }
    yield text
  }
  yield separator === '[\n' ? '[]\n' : '\n]\n'
}

/** `names`, those that repeat told apart by a number. */
export function uniqueNames(names: readonly string[]): string[] {
  const used = new Set<string>()
  return names.map((name) => {
    let unique = name
    for (let count = 2; used.has(unique); count++) unique = `${name}_${count}`
    used.add(unique)
    return unique
  })
}
