import pino, { type Logger as PinoLogger, type StreamEntry } from 'pino'
import { ConfigError, messageOf } from './errors.ts'
import { createRedactor, type Redactor } from './redact.ts'

export type Logger = PinoLogger
export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'silent'

export interface LoggerOptions {
  /** Least severe line that reaches `stream`. */
  readonly level: LogLevel
  /** True: lines for people; false: JSON lines. */
  readonly pretty: boolean
  /** Colours in lines for people. */
  readonly color?: boolean
  /** File that gets every line too, as JSON; its folder is made. */
  readonly file?: string | undefined
  /** Least severe line that reaches the file; default info. */
  readonly fileLevel?: LogLevel
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
  const { level, file, fileLevel = 'info', redactor = createRedactor([]), bindings = {} } = options
  const streams: StreamEntry[] = []
  if (level !== 'silent') streams.push({ level, stream: await lineStream(options) })
  if (file !== undefined && fileLevel !== 'silent') streams.push({ level: fileLevel, stream: openFile(file) })
  return pino(
    {
      level: streams.length > 0 ? 'debug' : 'silent',
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

async function lineStream({ pretty, color = false, stream = process.stderr }: LoggerOptions) {
  if (!pretty) return { write: (line: string) => void stream.write(line) }
  const { prettyFactory } = await import('pino-pretty')
  const prettify = prettyFactory({
    colorize: color,
    translateTime: 'UTC:HH:MM:ss.l',
    ignore: 'run',
    singleLine: true,
  })
  return { write: (line: string) => void stream.write(prettify(line) ?? line) }
}

function openFile(file: string) {
  try {
    return pino.destination({ dest: file, mkdir: true, sync: true })
  } catch (cause) {
    throw new ConfigError(`logging.file: cannot write ${file}: ${messageOf(cause)}`, { cause })
  }
}
