import { EXIT, messageOf, type ExitCode } from '../../core/errors.ts'

/** One thing that was looked at. */
export interface Check {
  /** Stable name, e.g. `disk-space`. */
  readonly name: string
  readonly level: 'ok' | 'warn' | 'fail'
  /** What was found, one sentence. */
  readonly message: string
  /** What to do, where something is to be done. */
  readonly hint?: string
  /** What a failure makes the program exit with. */
  readonly exitCode?: ExitCode
}

export const ok = (name: string, message: string): Check => ({ name, level: 'ok', message })

export const warn = (name: string, message: string, hint: string): Check => ({
  ...{ name, level: 'warn', message, hint },
})

export const fail = (name: string, message: string, hint: string, exitCode: ExitCode): Check => ({
  ...{ name, level: 'fail', message, hint, exitCode },
})

/** Runs `look`; whatever it throws is a failure with `hint`, or with what that makes of it. */
export async function attempt(
  name: string,
  hint: string | ((error: unknown) => string),
  look: () => Promise<Check> | Check,
): Promise<Check> {
  try {
    return await look()
  } catch (error) {
    return fail(name, messageOf(error), typeof hint === 'string' ? hint : hint(error), EXIT.failed)
  }
}

/** The code that tells most: a broken configuration hides the rest, a key is more precise than a disk. */
export function exitCodeOfChecks(checks: readonly Check[]): ExitCode {
  const codes = checks.flatMap(({ level, exitCode }) => (level === 'fail' ? [exitCode ?? EXIT.failed] : []))
  return [EXIT.usage, EXIT.auth, EXIT.failed].find((code) => codes.includes(code)) ?? EXIT.ok
}
