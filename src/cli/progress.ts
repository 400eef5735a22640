import { formatDuration, formatNumber, plural } from './format.ts'
import type { TerminalStream } from './output.ts'

/** Without a terminal, a line is written this often. */
const LINE_EVERY_MS = 10_000

/** What a run has to tell about itself; what is undefined is not shown. */
export interface ProgressFields {
  readonly rows?: number | undefined
  readonly sessions?: number | undefined
  readonly calls?: number | undefined
  /** Time left, by the call limiter; milliseconds. */
  readonly etaMs?: number | undefined
  /** What is being worked on, e.g. `SPY 2025-01`. */
  readonly at?: string | undefined
}

export interface Progress {
  /** `done` of `total` steps are finished. Cheap: may be called for every batch. */
  update(done: number, fields?: ProgressFields): void
  /** Changes the number of steps. */
  setTotal(total: number): void
  /** A line above the bar. */
  note(line: string): void
  /** Draws the last state and lets go of the terminal. May be called twice. */
  stop(): void
}

export interface ProgressOptions {
  /** False: shows nothing at all. */
  readonly enabled: boolean
  /** Number of steps; the unit is the caller's. */
  readonly total: number
  /** What is being done: `backfill SPY`. */
  readonly label: string
  /** Where to; normally stderr. A terminal gets a bar, anything else a line now and then. */
  readonly stream: TerminalStream
  /** Milliseconds, monotonic; for tests. */
  readonly now?: () => number
}

/** Progress of a longer piece of work. */
export async function createProgress(options: ProgressOptions): Promise<Progress> {
  if (!options.enabled) return silent(options.stream, false)
  return options.stream.isTTY ? bar(options) : lines(options)
}

function silent(stream: TerminalStream, notes: boolean): Progress {
  return {
    update: () => undefined,
    setTotal: () => undefined,
    note: (line) => void (notes && stream.write(`${line}\n`)),
    stop: () => undefined,
  }
}

/** `12,345 rows · 3 calls · 1 min 5 s left · SPY 2025-01` */
export function progressText({ rows, sessions, calls, etaMs, at }: ProgressFields): string {
  const parts = [
    rows === undefined ? '' : plural(rows, 'row'),
    sessions === undefined ? '' : plural(sessions, 'session'),
    calls === undefined ? '' : plural(calls, 'call'),
    etaMs === undefined ? '' : `${formatDuration(etaMs)} left`,
    at ?? '',
  ]
  return parts.filter(Boolean).join(' · ')
}

async function bar({ total, label, stream }: ProgressOptions): Promise<Progress> {
  const { default: cliProgress } = await import('cli-progress')
  const bars = new cliProgress.MultiBar({
    format: '{label} {bar} {value}/{total} {text}',
    stream,
    hideCursor: true,
    linewrap: false,
    barsize: 24,
    barCompleteChar: '█',
    barIncompleteChar: '░',
    gracefulExit: false,
    emptyOnZero: true,
  })
  const line = bars.create(total, 0, { label, text: '' })
  return {
    update: (done, fields = {}) => line.update(done, { text: progressText(fields) }),
    setTotal: (next) => line.setTotal(next),
    note(text) {
      bars.log(`${text}\n`)
      bars.update() // else it waits for the next one, which may never come
    },
    stop: () => bars.stop(),
  }
}

function lines({ total, label, stream, now = () => performance.now() }: ProgressOptions): Progress {
  let steps = total
  let lastMs = now()
  let shown = ''
  let latest: string | undefined
  const show = () => {
    if (latest === undefined || latest === shown) return
    shown = latest
    lastMs = now()
    stream.write(`${latest}\n`)
  }
  return {
    update(done, fields = {}) {
      latest = `${label}: ${formatNumber(done)} of ${formatNumber(steps)}  ${progressText(fields)}`.trimEnd()
      if (now() - lastMs >= LINE_EVERY_MS) show()
    },
    setTotal: (next) => void (steps = next),
    note: (text) => void stream.write(`${text}\n`),
    stop: show,
  }
}
