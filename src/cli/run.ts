import type { Command } from 'commander'
import { KEY_NAMES } from '../core/config/key-names.ts'
import { EXIT, type ExitCode } from '../core/errors.ts'
import { createRedactor, type Redactor } from '../core/redact.ts'
import { createCli, type Cli, type Register } from './cli.ts'
import { COMMANDS } from './commands/index.ts'
import {
  asPipelineError,
  exitCodeOf,
  failureDocument,
  failureText,
  isAnswered,
  isHelpInstead,
} from './failure.ts'
import { createOutput, type Terminal } from './output.ts'
import { usageOf } from './program-text.ts'
import { createProgram } from './program.ts'

export interface RunCliOptions {
  readonly terminal: Terminal
  /** Ends the process when a command does not. */
  readonly onStuck: (exitCode: ExitCode) => void
  /** Default: those of commands/. */
  readonly commands?: readonly Register[]
}

/** Runs one command line to its end and tells its exit code. Never throws. */
export async function runCli({ terminal, onStuck, commands = COMMANDS }: RunCliOptions): Promise<ExitCode> {
  const cli = createCli({ terminal, onStuck })
  const program = createProgram(cli, terminal, commands)
  try {
    await program.parseAsync([...terminal.argv], { from: 'user' })
    return cli.exitCode
  } catch (error) {
    return report(error, { terminal, cli, program })
  }
}

interface World {
  readonly terminal: Terminal
  readonly cli: Cli
  readonly program: Command
}

async function report(error: unknown, { terminal, cli, program }: World): Promise<ExitCode> {
  if (isAnswered(error) || isBrokenPipe(error)) return EXIT.ok
  if (isHelpInstead(error)) return EXIT.usage
  const { argv } = terminal
  const failure = asPipelineError(error, usageOf(program, argv))
  const exitCode = exitCodeOf(failure, cli.current?.signals.exitCode)
  const redactor = await redactorFor(terminal, cli)
  const flags = flagsIn(argv)
  terminal.stderr.write(failureText(failure, { redactor, stack: flags.verbose > 1 }))
  const out = cli.current?.out ?? createOutput({ terminal, quiet: false, color: false })
  if (flags.json && !out.hasJson) out.json('tapelake.error', 1, failureDocument(failure, exitCode, redactor))
  return exitCode
}

/** Tells of an error that nobody waited for. */
export function reportFault(error: unknown, { argv, env, stderr }: Terminal): ExitCode {
  const failure = asPipelineError(error, 'tapelake')
  const redactor = createRedactor(KEY_NAMES.map((name) => env[name]))
  stderr.write(failureText(failure, { redactor, stack: flagsIn(argv).verbose > 1 }))
  return failure.exitCode
}

/** The reader of our output has gone (`tapelake query … | head`): nothing to complain about. */
export function isBrokenPipe(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'EPIPE'
}

/** Knows the keys of the configuration, or, where that is broken, those of the environment. */
async function redactorFor({ env }: Terminal, cli: Cli): Promise<Redactor> {
  const keys = KEY_NAMES.map((name) => env[name])
  const config = await cli.current?.loadConfig().catch(() => undefined)
  return createRedactor([...keys, ...(config?.secrets.all() ?? [])])
}

/** Flags that matter even where the command line could not be parsed. */
function flagsIn(argv: readonly string[]): { json: boolean; verbose: number } {
  const end = argv.indexOf('--')
  const words = end < 0 ? argv : argv.slice(0, end)
  const verbose = words.map((word) => (word === '--verbose' ? 1 : /^-v+$/.test(word) ? word.length - 1 : 0))
  return { json: words.includes('--json'), verbose: verbose.reduce((sum, times) => sum + times, 0) }
}
