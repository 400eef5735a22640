import { dateOfRow, editPage, keepRows, type Page, type PageRow, rowsOf, setRows } from './document.ts'
import type { FaultContext, FaultKind } from './kind.ts'

/** Ways to break a row; which one a row gets under `mixed` depends on its place. */
const BREAKS: Readonly<Record<string, (row: PageRow) => void>> = {
  'high-below-low': (row) => {
    if ('h' in row) [row['h'], row['l']] = [Number(row['l']) - 0.01, Number(row['h']) + 0.01]
    else row['price'] = -1
  },
  'negative-price': (row) => void (row['o' in row ? 'o' : 'price'] = -1),
  'null-close': (row) => void (row['c' in row ? 'c' : 'price'] = null),
}

function breakRows(
  page: Page,
  { options, random }: FaultContext & { options: Record<string, unknown> },
): boolean {
  const ways = options['kind'] === 'mixed' ? Object.values(BREAKS) : [BREAKS[String(options['kind'])]!]
  let broken = 0
  for (const row of rowsOf(page)) {
    const chosen =
      options['day'] === undefined ? random() < Number(options['rows']) : dateOfRow(row) === options['day']
    if (chosen) ways[broken++ % ways.length]!(row)
  }
  return broken > 0
}

const DRIFTS: Readonly<Record<string, (row: PageRow) => void>> = {
  rename: (row) => {
    const [from, to] = 'v' in row ? ['v', 'volume'] : ['price', 'trade_price']
    row[to] = row[from]
    delete row[from]
  },
  extra: (row) => void (row['new_field'] = 'added by the vendor'),
  null: (row) => void (row['v' in row ? 'v' : 'price'] = null),
  type: (row) => {
    const name = 'v' in row ? 'v' : 'price'
    row[name] = String(row[name])
  },
}

/** Changes a few rows as a vendor does that learned of late trades. */
function restate(page: Page): boolean {
  const rows = rowsOf(page)
  rows.forEach((row, i) => {
    if (i % 10 !== 0 || typeof row['v'] !== 'number') return
    row['v'] += 100
    if (typeof row['n'] === 'number') row['n'] += 1
    if (typeof row['vw'] === 'number') row['vw'] = Math.round(row['vw'] * 10_000 + 1) / 10_000
  })
  return rows.length > 0
}

/** Faults of content. */
export const ROW_KINDS: readonly FaultKind[] = [
  {
    name: 'broken-json',
    does: 'answers 200 with JSON that stops in the middle, and a Content-Length that fits it',
    options: {},
    edit: (_options, answer) => ({ ...answer, body: answer.body.subarray(0, answer.body.length >> 1) }),
  },
  {
    name: 'reorder-rows',
    does: 'shuffles the rows of a page',
    options: {},
    edit: (_options, answer, { random }) =>
      editPage(answer, (page) => {
        const rows = rowsOf(page)
        for (let i = rows.length - 1; i > 0; i--) {
          const j = Math.floor(random() * (i + 1))
          ;[rows[i], rows[j]] = [rows[j]!, rows[i]!]
        }
        return rows.length > 1
      }),
  },
  {
    name: 'duplicate-rows',
    does: 'repeats rows within a page',
    options: { rows: { type: 'ratio', does: 'share of the rows', fallback: 0.05 } },
    edit: (options, answer, { random }) =>
      editPage(answer, (page) => {
        const rows = rowsOf(page).flatMap((row) => (random() < Number(options['rows']) ? [row, row] : [row]))
        setRows(page, rows)
        return rows.length > 0
      }),
  },
  {
    name: 'wrong-ticker',
    does: 'answers with the name of another ticker',
    options: { ticker: { type: 'text', does: 'the other ticker', fallback: 'WRNG' } },
    edit: ({ ticker }, answer) =>
      editPage(answer, (page) => {
        const rows = rowsOf(page).filter((row) => 'T' in row || 'ticker' in row)
        for (const row of rows) row['T' in row ? 'T' : 'ticker'] = ticker
        if ('ticker' in page) page['ticker'] = ticker
        return 'ticker' in page || rows.length > 0
      }),
  },
  {
    name: 'invalid-rows',
    does: 'breaks rows: high below low, a negative price, a close that is null',
    options: {
      rows: { type: 'ratio', does: 'share of the rows', fallback: 0.01 },
      day: { type: 'date', does: 'all rows of this New York date instead' },
      kind: { type: ['mixed', ...Object.keys(BREAKS)], does: 'how they are broken', fallback: 'mixed' },
    },
    edit: (options, answer, context) => editPage(answer, (page) => breakRows(page, { ...context, options })),
  },
  {
    name: 'missing-day',
    does: 'leaves out every row of one day',
    options: { day: { type: 'date', does: 'the New York date (required)' } },
    edit: ({ day }, answer) => editPage(answer, (page) => keepRows(page, (row) => dateOfRow(row) !== day)),
  },
  {
    name: 'delayed',
    does: 'answers with the status DELAYED',
    options: {},
    edit: (_options, answer) =>
      editPage(answer, (page) => {
        page['status'] = 'DELAYED'
        return true
      }),
  },
  {
    name: 'restate',
    does: 'changes volume, count and vwap of every tenth bar; use ask=2 or after=N to change its mind later',
    options: {},
    edit: (_options, answer) => editPage(answer, restate),
  },
  {
    name: 'drift',
    does: 'changes the shape of rows: a field renamed, added, null or of another type',
    options: { field: { type: Object.keys(DRIFTS), does: 'what happens to it', fallback: 'rename' } },
    edit: ({ field }, answer) =>
      editPage(answer, (page) => {
        rowsOf(page).forEach(DRIFTS[String(field)]!)
        return rowsOf(page).length > 0
      }),
  },
]
