import type { Command } from 'commander'
import type { FlagValue } from '../core/config/index.ts'
import { EXIT, UsageError, type ExitCode } from '../core/errors.ts'
import { preferThroughput } from '../core/throughput.ts'
import {
  createBareContext,
  createRunContext,
  type BareContext,
  type GlobalFlags,
  type RunContext,
} from './context.ts'
import { asPipelineError, exitCodeOf } from './failure.ts'
import type { Terminal } from './output.ts'
import { reload } from './reload.ts'
import { createSignals, type SignalOptions, type Signals } from './signals.ts'

/** What a command does: returns its exit code (nothing = 0) or throws one of the errors of core/errors.ts. */
export type Handler<Context, Options, Args extends readonly unknown[]> = (
  context: Context,
  /** Flags of the command itself, as commander names them. */
  options: Options,
  /** Arguments: a string each, undefined where optional and not given, a list where variadic. */
  ...args: Args
) => Promise<ExitCode | undefined | void>

/** What commander calls. */
export type CommanderAction = (...args: unknown[]) => Promise<void>

export interface CommandTraits {
  /** True: the first Ctrl-C aborts only `signals.graceful`, so that the item in hand can be finished. */
  readonly graceful?: boolean
  /** True: SIGHUP makes it read its configuration again; else it ends it like SIGTERM. */
  readonly reloads?: boolean
  /** True: batch work, where nobody waits for the next line: throughput before pauses. */
  readonly batch?: boolean
  /** True: a signal is the normal end of it, and the handler's own exit code stands. */
  readonly endsBySignal?: boolean
  /** Options that stand for settings: dotted path of the setting → name of the option (`engine` for `--engine`). */
  readonly settings?: Readonly<Record<string, string>>
  /** Name of the option that says of which run this is a part. */
  readonly partOf?: string
}

/** What a file in commands/ exports: adds its command to the program. */
export type Register = (program: Command, cli: Cli) => void

/** Turns what commands do into actions of commander. */
export interface Cli {
  /** A command that works with the configuration; it is loaded and checked first. */
  action<Options, Args extends readonly unknown[]>(
    handler: Handler<RunContext, Options, Args>,
    traits?: CommandTraits,
  ): CommanderAction
  /** A command that can do without the configuration, or must survive a broken one. */
  bareAction<Options, Args extends readonly unknown[]>(
    handler: Handler<BareContext, Options, Args>,
    traits?: CommandTraits,
  ): CommanderAction
  /** Of the run that is in progress or was the last; undefined before there is one. */
  readonly current: BareContext | undefined
  /** What the command returned, or the signal that ended it. */
  readonly exitCode: ExitCode
}

export interface CliOptions {
  readonly terminal: Terminal
  /** Called when a command does not end although it was told to: ends the process. */
  readonly onStuck: (exitCode: ExitCode) => void
}

/** What goes on around a handler. */
interface Life<Context> {
  readonly complete: (bare: BareContext) => Promise<Context>
  readonly onEnd: (context: Context, exitCode: ExitCode, error?: unknown) => Promise<void>
  readonly onReload: (context: Context) => Promise<void>
}

export function createCli({ terminal, onStuck }: CliOptions): Cli {
  let current: BareContext | undefined
  let exitCode: ExitCode = EXIT.ok

  const wrap =
    <Context, Options, Args extends readonly unknown[]>(
      handler: Handler<Context, Options, Args>,
      traits: CommandTraits,
      { complete, onEnd, onReload }: Life<Context>,
    ): CommanderAction =>
    async (...given) => {
      const command = given.at(-1) as Command
      refuseExcess(command)
      if (traits.batch) preferThroughput()
      const flags = command.optsWithGlobals<GlobalFlags>()
      let readAgain: () => void = () => undefined
      const signals = listen(terminal, flags, traits, { onStuck, onReload: () => readAgain() })
      const runId = traits.partOf && (command.getOptionValue(traits.partOf) as string | undefined)
      current = createBareContext({
        ...{ terminal, flags, signals, settingFlags: settingFlags(command, traits), runId },
      })
      try {
        const args = given.slice(0, -2) as unknown as Args
        const context = await complete(current)
        readAgain = () => void onReload(context)
        try {
          const code = await handler(context, command.opts() as Options, ...args)
          const ended = traits.endsBySignal ? undefined : signals.exitCode
          exitCode = ended ?? code ?? EXIT.ok
          await onEnd(context, exitCode)
        } catch (error) {
          await onEnd(context, exitCodeOf(asPipelineError(error, command.name()), signals.exitCode), error)
          throw error
        }
      } finally {
        signals.dispose()
      }
    }

  return {
    action: (handler, traits = {}) =>
      wrap(handler, traits, {
        complete: createRunContext,
        onEnd: ({ telemetry }, code, error) => telemetry.end(code, error),
        onReload: reload,
      }),
    bareAction: (handler, traits = {}) =>
      wrap(handler, traits, {
        complete: (bare) => Promise.resolve(bare),
        onEnd: () => Promise.resolve(),
        onReload: () => Promise.resolve(),
      }),
    get current() {
      return current
    },
    get exitCode() {
      return exitCode
    },
  }
}

function listen(
  { stderr }: Terminal,
  flags: GlobalFlags,
  traits: CommandTraits,
  { onStuck, onReload }: Pick<SignalOptions, 'onStuck' | 'onReload'>,
): Signals {
  return createSignals({
    graceful: traits.graceful ?? false,
    onStuck,
    onReload: traits.reloads ? onReload : undefined,
    onFirst: () => {
      if (!flags.quiet) stderr.write('\nFinishing the item in hand; once more to stop at once.\n')
    },
  })
}

/** Commander's own refusal does not name the word. */
function refuseExcess(command: Command): void {
  const { registeredArguments, args } = command
  if (registeredArguments.at(-1)?.variadic) return
  const word = args[registeredArguments.length]
  if (word !== undefined) throw new UsageError(`unexpected argument '${word}'`)
}

function settingFlags(command: Command, { settings = {} }: CommandTraits): Record<string, FlagValue> {
  const flags: Record<string, FlagValue> = {}
  for (const [path, name] of Object.entries(settings)) {
    const option = command.options.find((candidate) => candidate.attributeName() === name)
    flags[path] = { flag: option?.long ?? `--${name}`, value: command.getOptionValue(name) }
  }
  return flags
}
