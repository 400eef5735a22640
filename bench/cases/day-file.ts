import { createWriteStream } from 'node:fs'
import { rm } from 'node:fs/promises'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGzip } from 'node:zlib'
import { DuckDBInstance } from '@duckdb/node-api'
import type { Figures } from '../harness/child.ts'

const HEADER = 'ticker,volume,open,close,high,low,window_start,transactions\n'
/** 2025-06-02, 09:30 in New York. */
const OPEN_MS = Date.parse('2025-06-02T13:30:00Z')
const MINUTES = 390
const LINES_AT_ONCE = 2000

interface DayFileParams {
  readonly path: string
  readonly tickers: number
}

/**
 * Writes a day file of minute bars in the vendor's layout, gzipped: `tickers` stocks from busy to thin, 171 bars each
 * on average; synthetic, the same every time.
 */
export async function prepareDayFile({ path, tickers }: DayFileParams): Promise<Figures> {
  let rows = 0
  function* chunks(): Generator<string> {
    let text = HEADER
    let lines = 0
    for (let ticker = 0; ticker < tickers; ticker++) {
      const name = nameOf(ticker)
      const every = 1 + ((ticker * 7) % 5)
      for (let minute = ticker % every; minute < MINUTES; minute += every) {
        text += line(name, ticker, minute)
        rows++
        if (++lines % LINES_AT_ONCE !== 0) continue
        yield text
        text = ''
      }
    }
    yield text
  }
  await pipeline(Readable.from(chunks()), createGzip({ level: 4 }), createWriteStream(path))
  return { rows }
}

/** `AAAA`, `AAAB`, …: in the order of the alphabet, as the vendor sorts. */
function nameOf(ticker: number): string {
  const letters = [17_576, 676, 26, 1].map((unit) =>
    String.fromCharCode(65 + (Math.floor(ticker / unit) % 26)),
  )
  return letters.join('')
}

function line(name: string, ticker: number, minute: number): string {
  const cents = 1000 + ((ticker * 37 + minute * 13) % 5000)
  const [open, close] = [cents / 100, (cents + (minute % 7) - 3) / 100]
  const [high, low] = [Math.max(open, close) + 0.01, Math.min(open, close) - 0.01]
  const volume = 100 + ((ticker + minute) % 900)
  return `${name},${volume}.5,${open},${close},${high.toFixed(2)},${low.toFixed(2)},${OPEN_MS + minute * 60_000}000000,${1 + (minute % 90)}\n`
}

/** What DuckDB takes to make one Parquet file of the same CSV: no rules, no ledger, no series, no fsync. */
export async function csvToParquet({ path, to }: { path: string; to: string }): Promise<Figures> {
  const instance = await DuckDBInstance.create(':memory:')
  const connection = await instance.connect()
  const startMs = performance.now()
  await connection.run(
    `COPY (SELECT * FROM read_csv('${path}')) TO '${to}' (FORMAT parquet, COMPRESSION zstd)`,
  )
  const wallMs = performance.now() - startMs
  const { maxRSS, userCPUTime, systemCPUTime } = process.resourceUsage()
  connection.closeSync()
  instance.closeSync()
  await rm(to)
  return { wallMs, rssBytes: maxRSS * 1024, cpuMs: (userCPUTime + systemCPUTime) / 1000 }
}
