import type { ExitCode } from '../core/errors.ts'
import type { Register } from './cli.ts'
import { flushed, type Terminal } from './output.ts'
import { isBrokenPipe, reportFault, runCli } from './run.ts'

/** What of `process` the program uses. */
export type Host = Pick<NodeJS.Process, 'argv' | 'env' | 'cwd' | 'stdout' | 'stderr' | 'on' | 'exit'>

/**
 * Runs the program in `host` (normally `process`) and ends the process with its exit code, once
 * everything that it printed has left.
 *
 * @param commands default: those of commands/
 */
export async function startProgram(host: Host, commands?: readonly Register[]): Promise<never> {
  const { stdout, stderr, env } = host
  const terminal: Terminal = { argv: host.argv.slice(2), env, cwd: host.cwd(), stdout, stderr }
  const end = async (code: ExitCode): Promise<never> => {
    await flushed(stdout)
    await flushed(stderr)
    // Not left to the event loop: an idle keep-alive socket must not hold the program.
    return host.exit(code)
  }
  // A reader that goes away (`| head`) changes neither what is done nor how it ends: what is printed goes nowhere.
  stdout.on('error', (error) => {
    if (stdout.isTTY && hasHungUp(error)) return // SIGHUP ends the command, which still has to save what it did
    if (!isBrokenPipe(error)) throw error
  })
  stderr.on('error', () => undefined)
  const onFault = (error: unknown) => void end(reportFault(error, terminal))
  host.on('uncaughtException', onFault)
  host.on('unhandledRejection', onFault)

  return end(await runCli({ terminal, onStuck: (code) => void end(code), ...(commands && { commands }) }))
}

/** The terminal was closed. */
const hasHungUp = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && error.code === 'EIO'
