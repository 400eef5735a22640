import type { Writable } from 'node:stream'

/** A stream that may be a terminal. */
export type TerminalStream = Writable & { readonly isTTY?: boolean; readonly columns?: number }

/** The world outside the program; tests bring their own. */
export interface Terminal {
  /** Arguments after the program's name. */
  readonly argv: readonly string[]
  readonly env: NodeJS.ProcessEnv
  readonly cwd: string
  readonly stdout: TerminalStream
  readonly stderr: TerminalStream
}

export interface TableOptions {
  /** Columns to align to the right, by index. */
  readonly right?: readonly number[]
}

/** ANSI codes. Node's own styleText asks its own stdout whether it may, not ours. */
const STYLES = { bold: [1, 22], dim: [2, 22], red: [31, 39], green: [32, 39], yellow: [33, 39] } as const
export type Style = keyof typeof STYLES

function styled(style: Style, text: string): string {
  const [on, off] = STYLES[style]
  return `\u001b[${on}m${text}\u001b[${off}m`
}

/** Where a command writes: data to stdout, everything about the work to stderr. */
export interface Output {
  /** stdout itself, for large results; respect its back-pressure. */
  readonly stream: TerminalStream
  /** One document on stdout, beginning with `schema: {name, version}`. Bigints beyond 2^53 become strings. */
  json(name: string, version: number, document: object): void
  /** Like `json`, for one long list: `write` puts the JSON of `key` on stdout, in its own time. */
  jsonAround(name: string, version: number, key: string, write: () => Promise<void>): Promise<void>
  /** A table for people on stdout. */
  table(head: readonly string[], rows: readonly (readonly string[])[], options?: TableOptions): Promise<void>
  /** One line of data on stdout. */
  line(text?: string): void
  /** One line about the work on stderr; silent with --quiet. */
  note(text: string): void
  /** `text` in a style where stdout shows colours, else as it is. */
  style(style: Style, text: string): string
  /** Whether a JSON document was printed already. */
  readonly hasJson: boolean
}

export interface OutputOptions {
  readonly terminal: Terminal
  readonly quiet: boolean
  /** False: `--no-color` was given. */
  readonly color: boolean
}

/** Whether to colour what goes to `stream`: a terminal, and neither NO_COLOR nor --no-color; FORCE_COLOR forces. */
export function wantsColor(stream: TerminalStream, env: NodeJS.ProcessEnv, flag: boolean): boolean {
  if (!flag || env['NO_COLOR']) return false
  if (env['FORCE_COLOR'] && env['FORCE_COLOR'] !== '0') return true
  return stream.isTTY === true && env['TERM'] !== 'dumb'
}

export function createOutput({ terminal, quiet, color }: OutputOptions): Output {
  const { stdout, stderr, env } = terminal
  const colored = wantsColor(stdout, env, color)
  let hasJson = false
  return {
    stream: stdout,
    get hasJson() {
      return hasJson
    },
    json(name, version, document) {
      hasJson = true
      const whole = { schema: { name, version }, ...document }
      stdout.write(`${JSON.stringify(whole, plainNumber, 2)}\n`)
    },
    async jsonAround(name, version, key, write) {
      hasJson = true
      stdout.write(`${JSON.stringify({ schema: { name, version } }).slice(0, -1)},${JSON.stringify(key)}:`)
      await write()
      stdout.write('}\n')
    },
    async table(head, rows, { right = [] } = {}) {
      const { default: Table } = await import('cli-table3')
      const table = new Table({
        head: head.map((title) => (colored ? styled('bold', title) : title)),
        colAligns: head.map((_, column) => (right.includes(column) ? 'right' : 'left')),
        chars: BARE,
        style: { head: [], border: [], 'padding-left': 0, 'padding-right': 2 },
      })
      table.push(...rows.map((row) => [...row]))
      const lines = table.toString().split('\n')
      stdout.write(`${lines.map((line) => line.trimEnd()).join('\n')}\n`)
    },
    line(text = '') {
      stdout.write(`${text}\n`)
    },
    note(text) {
      if (!quiet) stderr.write(`${text}\n`)
    },
    style: (style, text) => (colored ? styled(style, text) : text),
  }
}

/** No rules between cells: the table can be read, grepped and cut. */
const BARE = {
  ...{ top: '', 'top-mid': '', 'top-left': '', 'top-right': '' },
  ...{ bottom: '', 'bottom-mid': '', 'bottom-left': '', 'bottom-right': '' },
  ...{ left: '', 'left-mid': '', right: '', 'right-mid': '' },
  ...{ mid: '', 'mid-mid': '', middle: '' },
}

function plainNumber(_key: string, value: unknown): unknown {
  if (typeof value !== 'bigint') return value
  const number = Number(value)
  return Number.isSafeInteger(number) ? number : value.toString()
}

/** Resolves once everything written to `stream` has left, or can no longer leave. */
export function flushed(stream: Writable): Promise<void> {
  return new Promise((resolve) => {
    if (stream.destroyed || stream.writableLength === 0) return resolve()
    stream.once('error', () => resolve())
    stream.once('close', () => resolve())
    stream.write('', () => resolve())
  })
}
