import type { DuckDBValue } from '@duckdb/node-api'
import type { CellWriter } from './cells.ts'
import type { QueryResult } from './result.ts'

/**
 * CSV with a header line, quoted as RFC 4180 says, lines ending in LF. Null is nothing between the commas, an empty
 * text is `""`. Doubles are the shortest text that reads back as the same number.
 */
export async function* csvText(result: QueryResult, cells: CellWriter): AsyncIterable<string> {
  const field = (value: DuckDBValue): string => (value === null ? '' : quoted(cells.text(value)))
  yield line(result.columns.map(({ name }) => quoted(name)))
  for await (const chunk of result.chunks()) {
    let text = ''
    for (const row of chunk.getRows()) text += line(row.map(field))
    yield text
  }
}

/** A row of one null column would be an empty line, which readers skip: it is written as an empty quoted text. */
const line = (fields: readonly string[]): string => `${fields.join(',') || '""'}\n`

const quoted = (text: string): string =>
  text === '' || /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
