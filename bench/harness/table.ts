/** A table of the report; the first column is text, the others are right-aligned. */
export interface Table {
  readonly title: string
  readonly head: readonly string[]
  readonly rows: readonly (readonly string[])[]
  /** Sentences below the table. */
  readonly notes?: readonly string[]
}

/** `table` as Markdown whose columns also line up in a terminal. */
export function formatTable({ title, head, rows, notes = [] }: Table): string {
  const widths = head.map((_, column) =>
    Math.max(3, ...[head, ...rows].map((row) => (row[column] ?? '').length)),
  )
  const line = (cells: readonly string[]): string =>
    `| ${widths.map((width, i) => (i === 0 ? (cells[i] ?? '').padEnd(width) : (cells[i] ?? '').padStart(width))).join(' | ')} |`
  const rule = `| ${widths.map((width, i) => (i === 0 ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`)).join(' | ')} |`
  const body = [line(head), rule, ...rows.map(line)]
  return [`## ${title}`, '', ...body, ...(notes.length > 0 ? ['', ...notes] : []), ''].join('\n')
}

/** `value` with three significant digits, thousands separated. */
export function number(value: number): string {
  if (!Number.isFinite(value)) return '–'
  const digits = Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value) || 1)))
  return value.toLocaleString('en-US', {
    minimumFractionDigits: Math.min(digits, 2),
    maximumFractionDigits: Math.min(digits, 2),
  })
}

export const ms = (value: number): string => `${number(value)} ms`
export const times = (ratio: number): string => `${number(ratio)}×`
export const count = (value: number): string => Math.round(value).toLocaleString('en-US')
export const megabytes = (bytes: number): string => `${number(bytes / 1e6)} MB`

/** Says beside a figure whether it meets its target. */
export const verdict = (met: boolean): string => (met ? 'met' : 'MISSED')
