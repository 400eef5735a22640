import { afterAll } from 'vitest'
import { type Simulator, type SimulatorOptions, startSimulator } from '../../src/simulator/index.ts'

/** Tuesday 2026-03-10 17:00 in New York: after the close, within the extended hours. */
export const NOW_MS = Date.parse('2026-03-10T21:00:00Z')

/** An answer, with its body as text and parsed. */
export interface Got {
  readonly status: number
  readonly headers: Headers
  readonly text: string
  readonly body: Body
}

export interface Row extends Record<string, unknown> {
  readonly t: number
  readonly o: number
  readonly h: number
  readonly l: number
  readonly c: number
  readonly v: number
  readonly vw?: number
  readonly n?: number
}

export interface Body extends Record<string, unknown> {
  readonly results?: readonly Row[]
  readonly next_url?: string
  readonly status?: string
}

/** Starts a simulator whose clock stands at {@link NOW_MS}; it is closed after the file's tests. */
export async function simulate(options: SimulatorOptions = {}): Promise<Simulator> {
  const simulator = await startSimulator({ now: () => NOW_MS, ...options })
  open.push(simulator)
  return simulator
}

const open: Simulator[] = []
afterAll(async () => {
  await Promise.all(open.map((simulator) => simulator.close()))
})

/** GETs a path (or a whole URL) with a key in the header. */
export async function get(
  simulator: Simulator,
  path: string,
  headers: Record<string, string> = {},
): Promise<Got> {
  const url = path.startsWith('http') ? path : simulator.url + path
  const response = await fetch(url, { headers: { authorization: 'Bearer a-key', ...headers } })
  const text = await response.text()
  return { status: response.status, headers: response.headers, text, body: parse(text) }
}

function parse(text: string): Body {
  try {
    return JSON.parse(text) as Body
  } catch {
    return {}
  }
}

/** Rows of all pages, in the order of arrival. */
export async function getAll(simulator: Simulator, path: string): Promise<Row[]> {
  const rows: Row[] = []
  for (let next: string | undefined = path; next !== undefined;) {
    const { body } = await get(simulator, next)
    rows.push(...(body.results ?? []))
    next = body.next_url
  }
  return rows
}

/** Path of minute bars of a ticker, dates inclusive. */
export const minutes = (
  ticker: string,
  from: string,
  to = from,
  query = 'adjusted=false&limit=50000',
): string => bars(ticker, '1/minute', from, to, query)

/** Path of bars, e.g. `bars('SPY', '5/minute', '2025-01-02', '2025-01-03')`. */
export const bars = (
  ticker: string,
  span: string,
  from: string,
  to = from,
  query = 'adjusted=false&limit=50000',
): string => `/v2/aggs/ticker/${ticker}/range/${span}/${from}/${to}?${query}`
