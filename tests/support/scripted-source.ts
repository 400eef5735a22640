import { constantString, type Batch } from '../../src/core/batch.ts'
import { throwIfAborted } from '../../src/core/abort.ts'
import type { Batches } from '../../src/core/flow.ts'
import { calendarOf } from '../../src/market/calendar/index.ts'
import type { HistoryRequest, HistorySource, RequestLimits } from '../../src/sources/history.ts'

/** What {@link ScriptedSource} is told; every function may throw what a real source would. */
export interface SourceScript {
  readonly limits?: Partial<RequestLimits>
  /** Bars of a session in the answer to `request`; `n` is the number of such requests before. None: silence. */
  readonly bars: (date: string, request: HistoryRequest, n: number) => 'none' | 'good' | 'bad'
  /** Called first with every request. */
  readonly onRequest?: (request: HistoryRequest) => void
}

/** A history source whose answers a test decides session by session: one bar per session. */
export class ScriptedSource implements HistorySource {
  readonly name = 'scripted'
  readonly provenance = 'real'
  calls = 0
  readonly #script: SourceScript
  readonly #asked = new Map<string, number>()

  constructor(script: SourceScript) {
    this.#script = script
  }

  limits(): RequestLimits {
    return { pageRows: 50_000, baseSeconds: 60, anyRange: false, ...this.#script.limits }
  }

  async *read(request: HistoryRequest, signal: AbortSignal): Batches {
    throwIfAborted(signal)
    this.calls++
    this.#script.onRequest?.(request)
    await Promise.resolve()
    for (const { date, openMs } of calendarOf('XNYS').between(request.from, request.to)) {
      const key = `${request.dataset.name} ${date}`
      const n = this.#asked.get(key) ?? 0
      this.#asked.set(key, n + 1)
      const bars = this.#script.bars(date, request, n)
      if (bars !== 'none') yield oneBar(request, date, openMs, bars)
    }
  }

  knowsTicker(): Promise<boolean> {
    this.calls++
    return Promise.resolve(true)
  }

  close(): Promise<void> {
    return Promise.resolve()
  }
}

function oneBar(
  { dataset, ticker }: HistoryRequest,
  date: string,
  openMs: number,
  kind: 'good' | 'bad',
): Batch {
  const midnightMs = openMs - 9.5 * 3_600_000
  const value = (number: number) => Float64Array.of(number)
  return {
    dataset: dataset.name,
    length: 1,
    schema: dataset.columns,
    columns: {
      ticker: constantString(ticker, 1),
      timestamp: value((dataset.eventKind === 'day' ? midnightMs : openMs) * 1000),
      open: value(10),
      high: value(kind === 'good' ? 11 : 1),
      low: value(9),
      close: value(10),
      volume: value(Date.parse(date) / 86_400_000),
      vwap: value(10),
      trade_count: value(1),
    },
    origin: { source: 'scripted', request: `/bars?of=${date}` },
  }
}
