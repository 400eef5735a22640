import { progressText, type ProgressFields } from './progress.ts'
import { formatNumber } from './format.ts'
import type { TerminalStream } from './output.ts'

/** Without a terminal, the totals are written this often. */
const TOTALS_EVERY_MS = 10_000

/** One line of the board. */
export interface BoardRow {
  readonly label: string
  readonly done: number
  readonly total: number
  readonly fields: ProgressFields
  /** True when nothing more happens in it. */
  readonly finished: boolean
}

/** Progress of many things side by side: a row for each, and the totals. */
export interface ProgressBoard {
  row(key: number, row: BoardRow): void
  totals(row: BoardRow): void
  /** A line above the rows. */
  note(line: string): void
  /** Draws the last state and lets go of the terminal. May be called twice. */
  stop(): void
}

export interface BoardOptions {
  /** False: shows nothing at all but notes. */
  readonly enabled: boolean
  /** Normally stderr. A terminal gets rows that move, anything else a line now and then. */
  readonly stream: TerminalStream & { readonly rows?: number }
  /** Milliseconds, monotonic; for tests. */
  readonly now?: () => number
}

export async function createBoard(options: BoardOptions): Promise<ProgressBoard> {
  const { enabled, stream } = options
  if (!enabled) return { ...SILENT, note: (line) => void stream.write(`${line}\n`) }
  return stream.isTTY ? await bars(options) : lines(options)
}

const SILENT = { row: () => undefined, totals: () => undefined, stop: () => undefined }

/** Rows of a small terminal that the board leaves to others. */
const MARGIN = 4
const FEWEST_ROWS = 3

async function bars({ stream }: BoardOptions): Promise<ProgressBoard> {
  const { default: cliProgress } = await import('cli-progress')
  const all = new cliProgress.MultiBar({
    format: '{label} {bar} {value}/{total} {text}',
    stream,
    hideCursor: true,
    linewrap: false,
    barsize: 20,
    barCompleteChar: '█',
    barIncompleteChar: '░',
    gracefulExit: false,
    emptyOnZero: true,
  })
  const most = Math.max(FEWEST_ROWS, (stream.rows ?? 24) - MARGIN)
  const totals = all.create(0, 0, { label: '', text: '' })
  const shown = new Map<number, { readonly bar: typeof totals; finished: boolean }>()
  const draw = (bar: typeof totals, { label, done, total, fields }: BoardRow): void => {
    bar.setTotal(total)
    bar.update(done, { label: label.padEnd(14), text: progressText(fields) })
  }
  /** Makes room for a row that moves: one that is finished goes. */
  const hasRoom = (): boolean => {
    if (shown.size < most) return true
    const over = [...shown].find(([, { finished }]) => finished)
    if (!over) return false
    all.remove(over[1].bar)
    return shown.delete(over[0])
  }
  return {
    row(key, row) {
      if (!shown.has(key) && (row.finished || !hasRoom())) return
      const kept = shown.get(key) ?? { bar: all.create(0, 0, { label: '', text: '' }), finished: false }
      kept.finished = row.finished
      shown.set(key, kept)
      draw(kept.bar, row)
    },
    totals: (row) => draw(totals, row),
    note(line) {
      all.log(`${line}\n`)
      all.update()
    },
    stop: () => all.stop(),
  }
}

function lines({ stream, now = () => performance.now() }: BoardOptions): ProgressBoard {
  const told = new Set<number>()
  let lastMs = now()
  let latest: string | undefined
  let shown: string | undefined
  const textOf = ({ label, done, total, fields }: BoardRow): string =>
    `${label}: ${formatNumber(done)} of ${formatNumber(total)}  ${progressText(fields)}`.trimEnd()
  const show = (): void => {
    if (latest === undefined || latest === shown) return
    shown = latest
    lastMs = now()
    stream.write(`${latest}\n`)
  }
  return {
    row(key, row) {
      if (!row.finished || told.has(key)) return
      told.add(key)
      stream.write(`${textOf(row)}\n`)
    },
    totals(row) {
      latest = textOf(row)
      if (now() - lastMs >= TOTALS_EVERY_MS) show()
    },
    note: (line) => void stream.write(`${line}\n`),
    stop: show,
  }
}
