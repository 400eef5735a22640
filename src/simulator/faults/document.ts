import { newYorkDate } from '../../market/time.ts'
import type { Answer } from '../call.ts'

/** A parsed page. Nanoseconds stand as `ns:1700000000000000001`, because a double cannot hold them. */
export interface Page {
  [field: string]: unknown
  results?: unknown
  next_url?: string
}
export type PageRow = Record<string, unknown>

/** `answer` with its page changed by `edit`; undefined where it is no page or `edit` returns false. */
export function editPage(answer: Answer, edit: (page: Page) => boolean): Answer | undefined {
  const page = readPage(answer)
  if (!page || !edit(page)) return undefined
  const text = JSON.stringify(page).replace(/"ns:(-?\d+)"/g, '$1')
  return { ...answer, body: Buffer.from(text) }
}

/** The page of an answer of status 200, or undefined. */
export function readPage(answer: Answer): Page | undefined {
  if (answer.status !== 200 || answer.contentType !== 'application/json') return undefined
  const value = parsed(answer.body.toString().replace(/:(\d{17,})(?=[,}])/g, ':"ns:$1"'))
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Page) : undefined
}

/** Undefined for what another fault has cut. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** The rows of a page; none where its results are absent or one object. */
export function rowsOf(page: Page): PageRow[] {
  return Array.isArray(page.results) ? (page.results as PageRow[]) : []
}

/** Leaves the rows that `keep` accepts, with counts that fit; false where all were kept. */
export function keepRows(page: Page, keep: (row: PageRow) => boolean): boolean {
  const rows = rowsOf(page)
  const kept = rows.filter(keep)
  if (kept.length === rows.length) return false
  setRows(page, kept)
  return true
}

/** Replaces the rows and the counts; without rows the key goes, as at the vendor. */
export function setRows(page: Page, rows: readonly PageRow[]): void {
  if (rows.length > 0) page.results = rows
  else delete page.results
  for (const count of ['queryCount', 'resultsCount', 'count']) if (count in page) page[count] = rows.length
}

/** The New York date that a row is about, or undefined. */
export function dateOfRow(row: PageRow): string | undefined {
  if (typeof row['t'] === 'number') return newYorkDate(row['t'])
  const ns = /^ns:(\d+)$/.exec(String(row['sip_timestamp']))?.[1]
  if (ns !== undefined) return newYorkDate(Number(ns) / 1e6)
  const date = row['execution_date'] ?? row['ex_dividend_date']
  return typeof date === 'string' ? date : undefined
}
