import pino, { type Logger as PinoLogger, type StreamEntry } from 'pino'
import { LogFile } from './log-file.ts'
import { createRedactor, type Redactor } from './redact.ts'

export type Logger = PinoLogger
const LEVELS = ['debug', 'info', 'warn', 'error', 'silent'] as const
export type LogLevel = (typeof LEVELS)[number]

/** What is severe enough. Read at every line: it may change. */
interface LogLevels {
  /** Least severe line that reaches `stream`. */
  readonly level: LogLevel
  /** Least severe line that reaches the file; default info. */
  readonly fileLevel?: LogLevel
  /** Levels of components (child loggers with the field `component`) that differ from the others'. */
  readonly components?: Readonly<Record<string, LogLevel>> | undefined
}

export interface LoggerOptions extends LogLevels {
  /** True: lines for people; false: JSON lines. */
  readonly pretty: boolean
  /** Colours in lines for people. */
  readonly color?: boolean
  /** File that gets every line too, as JSON; its folder is made. */
  readonly file?: string | undefined
  /** The file is put aside when it reaches this size, MiB; 0: never. */
  readonly maxFileMb?: number
  /** Files put aside that are kept. */
  readonly keepFiles?: number
  /** Takes secrets out of every line. */
  readonly redactor?: Redactor
  /** Fields of every line, e.g. `run`. */
  readonly bindings?: Readonly<Record<string, string>>
  /** Default stderr. */
  readonly stream?: { write(text: string): unknown }
}

/**
 * A logger whose lines hold no secret, wherever it stood: in the message, a field, an error or its
 * causes, a URL. Every line is written at once, so none is lost when the process ends.
 *
 * @throws {ConfigError} when the file cannot be opened
 */
export async function createLogger(options: LoggerOptions): Promise<Logger> {
  const { file, redactor = createRedactor([]), bindings = {} } = options
  const { maxFileMb = 0, keepFiles = 1 } = options
  const streams: StreamEntry[] = [levelled(await lineStream(options), options, () => options.level)]
  if (file !== undefined) {
    const logFile = new LogFile({ path: file, maxBytes: maxFileMb * 2 ** 20, keep: keepFiles })
    streams.push(levelled(logFile, options, () => options.fileLevel ?? 'info'))
  }
  return pino(
    {
      level: 'debug',
      base: bindings,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: {
        level: (label) => ({ level: label }),
        log: (fields) => redactor.value(fields) as Record<string, unknown>,
      },
      // pino's own would fold the causes into one message
      serializers: { err: (error: unknown) => redactor.value(error) },
      hooks: { streamWrite: (line) => redactor.text(line) },
    },
    pino.multistream(streams),
  )
}

interface LineStream {
  write(line: string): void
}

/** `stream` for the lines that are severe enough; a component's own level goes before the general one. */
function levelled(stream: LineStream, levels: LogLevels, general: () => LogLevel): StreamEntry {
  const wants = (line: string): boolean => {
    const component = levels.components && /"component":"([a-z]+)"/.exec(line)?.[1]
    const least = (component && levels.components?.[component]) || general()
    const given = /^\{"level":"([a-z]+)"/.exec(line)?.[1] as LogLevel | undefined
    return given === undefined || LEVELS.indexOf(given) >= LEVELS.indexOf(least)
  }
  return { level: 'debug', stream: { write: (line: string) => void (wants(line) && stream.write(line)) } }
}

async function lineStream({ pretty, color = false, stream = process.stderr }: LoggerOptions) {
  if (!pretty) return { write: (line: string) => void stream.write(line) }
  const { prettyFactory } = await import('pino-pretty')
  const prettify = prettyFactory({
    colorize: color,
    translateTime: 'UTC:HH:MM:ss.l',
    ignore: 'run,component,session',
    singleLine: true,
  })
  return { write: (line: string) => void stream.write(prettify(line) ?? line) }
}
