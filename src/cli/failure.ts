import { CommanderError } from 'commander'
import {
  EXIT,
  InterruptedError,
  isDiskErrno,
  isPipelineError,
  messageOf,
  DiskError,
  PipelineError,
  UsageError,
  VendorError,
  type ExitCode,
} from '../core/errors.ts'
import type { Redactor } from '../core/redact.ts'

/** Ends of commander that are no failures: it printed what was asked for. */
const ANSWERED = new Set(['commander.helpDisplayed', 'commander.version'])

/** True when commander has printed help or the version, and all is well. */
export function isAnswered(error: unknown): boolean {
  return error instanceof CommanderError && ANSWERED.has(error.code)
}

/** True when commander has printed the help on stderr because a command was missing. */
export function isHelpInstead(error: unknown): boolean {
  return error instanceof CommanderError && error.code === 'commander.help'
}

/**
 * Anything thrown, as one of our errors.
 *
 * @param usage the command to ask for --help, e.g. `tapelake backfill`
 */
export function asPipelineError(error: unknown, usage: string): PipelineError {
  if (error instanceof CommanderError) return usageErrorOf(error, usage)
  if (isPipelineError(error)) {
    if (!(error instanceof UsageError) || error.hint) return error
    return new UsageError(error.message, { hint: seeHelp(usage), cause: error })
  }
  if (isDiskErrno(error)) return new DiskError(error.message, { cause: error, hint: 'See tapelake doctor.' })
  if (error instanceof Error && error.name === 'AbortError')
    return new InterruptedError('interrupted', { cause: error })
  return new PipelineError(`internal error: ${messageOf(error)}`, {
    cause: error,
    hint: 'This is a fault in tapelake. Run it again with -vv and report what it shows.',
  })
}

const seeHelp = (usage: string) => `See ${usage} --help.`

function usageErrorOf(error: CommanderError, usage: string): UsageError {
  const [first = '', ...rest] = error.message.split('\n')
  const meant = rest.join(' ').replace(/^\((.*)\)$/, '$1')
  const message = first.replace(/^error: /, '')
  return new UsageError(message, { hint: [meant, seeHelp(usage)].filter(Boolean).join(' ') })
}

/** What failed, for `--json`; the fields of `error` after `schema`. */
export function failureDocument(error: PipelineError, exitCode: ExitCode, redactor: Redactor): object {
  const { code, category, message, hint } = error
  const vendor = error instanceof VendorError ? vendorFields(error) : {}
  return redactor.value({
    error: { code, category, message, ...(hint && { hint }), exitCode, ...vendor },
  }) as object
}

function vendorFields(error: VendorError): object {
  const { status, requestId, request, retryAfterSeconds, vendorMessage } = error
  return { status, requestId, request, retryAfterSeconds, vendorMessage }
}

export interface FailureTextOptions {
  readonly redactor: Redactor
  /** Also where in the program it happened, and the causes. */
  readonly stack: boolean
}

/** What failed, for people: the message, what to do next, the vendor's request id. */
export function failureText(error: PipelineError, { redactor, stack }: FailureTextOptions): string {
  const lines = [`tapelake: ${error.message}`]
  if (error.hint) lines.push(`  ${error.hint}`)
  if (error instanceof VendorError && error.requestId) lines.push(`  request id: ${error.requestId}`)
  if (stack) lines.push(...stacksOf(error))
  return redactor.text(`${lines.join('\n')}\n`)
}

function stacksOf(error: unknown, depth = 0): string[] {
  if (!(error instanceof Error) || depth > 5) return []
  return [error.stack ?? error.message, ...stacksOf(error.cause, depth + 1)]
}

/** The exit code: that of the signal, if one came and the work ended for it; else that of the error. */
export function exitCodeOf(error: PipelineError, signalCode: ExitCode | undefined): ExitCode {
  if (error.category === 'interrupted') return signalCode ?? EXIT.sigint
  return error.exitCode
}
