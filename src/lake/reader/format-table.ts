import type { DuckDBValue } from '@duckdb/node-api'
import type { CellWriter } from './cells.ts'
import type { QueryResult } from './result.ts'

export const DEFAULT_MAX_ROWS = 40

/** Type ids of DuckDB whose values are numbers, which people read aligned to the right. */
const NUMERIC = new Set([2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 16, 19, 32, 35])

const CELL_CHARACTERS = 60

/**
 * A table for people: columns aligned, numbers to the right, at most `maxRows` rows, then a line that says how many
 * there are in all. Texts are cut after 60 characters, except those of an EXPLAIN and other texts of several lines.
 */
export async function* tableText(
  result: QueryResult,
  cells: CellWriter,
  maxRows: number = DEFAULT_MAX_ROWS,
): AsyncIterable<string> {
  const rows: string[][] = []
  let count = 0
  for await (const chunk of result.chunks()) {
    const room = Math.max(0, maxRows - rows.length)
    if (room > 0)
      rows.push(
        ...chunk
          .getRows()
          .slice(0, room)
          .map((row) => row.map((value) => cellText(value, cells))),
      )
    count += chunk.rowCount
  }
  if (rows.some((row) => row.some((text) => text.includes('\n')))) {
    yield rows.map((row) => `${row.join('\n')}\n`).join('')
  } else {
    yield alignedText(result, rows)
  }
  yield rows.length === count ? countText(count) : `${countText(count).trimEnd()}, ${rows.length} shown\n`
}

const countText = (count: number): string => (count === 1 ? '1 row\n' : `${count} rows\n`)

function cellText(value: DuckDBValue, cells: CellWriter): string {
  if (value === null) return ''
  const text = cells.text(value)
  if (text.includes('\n') || text.length <= CELL_CHARACTERS) return text
  return `${text.slice(0, CELL_CHARACTERS - 1)}…`
}

function alignedText(result: QueryResult, rows: readonly string[][]): string {
  const names = result.columns.map(({ name }) => name)
  const widths = names.map((name, i) =>
    rows.reduce((most, row) => Math.max(most, displayWidth(row[i]!)), displayWidth(name)),
  )
  const right = result.columns.map(({ type }) => NUMERIC.has(type.typeId))
  const line = (fields: readonly string[]): string =>
    `${fields
      .map((field, i) => padded(field, widths[i]!, right[i]!))
      .join('  ')
      .trimEnd()}\n`
  return line(names) + line(widths.map((width) => '─'.repeat(width))) + rows.map(line).join('')
}

function padded(text: string, width: number, right: boolean): string {
  const space = ' '.repeat(Math.max(0, width - displayWidth(text)))
  return right ? space + text : text + space
}

/** Columns that `text` takes on a terminal, near enough: marks take none, East Asian and emoji take two. */
function displayWidth(text: string): number {
  let width = 0
  for (const character of text) {
    if (/\p{Mark}/u.test(character)) continue
    width +=
      /[\u1100-\u115F\u2E80-\uA4CF\uAC00-\uD7A3\uF900-\uFAFF\uFF00-\uFF60]|\p{Emoji_Presentation}/u.test(
        character,
      )
        ? 2
        : 1
  }
  return width
}
