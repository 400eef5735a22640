import type { FlagValue, LoadedConfig } from '../core/config/index.ts'
import type { Logger, LogLevel } from '../core/logger.ts'
import type { Redactor } from '../core/redact.ts'
import { createOutput, wantsColor, type Output, type Terminal } from './output.ts'
import { createProgress, type Progress } from './progress.ts'
import { Reloads } from './reloads.ts'
import type { RunTelemetry } from './run-telemetry.ts'
import type { Signals } from './signals.ts'

/** Flags that every command accepts, before or after its name. */
export interface GlobalFlags {
  readonly config?: string
  readonly dataDir?: string
  readonly json: boolean
  readonly quiet: boolean
  readonly progress: boolean
  /** How often -v was given. */
  readonly verbose: number
  readonly color: boolean
}

/** What every command gets. */
export interface BareContext {
  /** Given where this is part of a run that has a name already. */
  readonly givenRunId: string | undefined
  readonly terminal: Terminal
  readonly flags: GlobalFlags
  readonly out: Output
  readonly signals: Signals
  /** The configuration; loaded at the first call. @throws {ConfigError} */
  readonly loadConfig: () => Promise<LoadedConfig>
  /** The configuration as its places say now. @throws {ConfigError} */
  readonly readConfig: () => Promise<LoadedConfig>
}

/** What a command gets that works with the configuration. */
export interface RunContext extends BareContext {
  readonly config: LoadedConfig
  /** Logs to stderr (and `logging.file`), never a secret. */
  readonly logger: Logger
  readonly redactor: Redactor
  /** Names this run in logs, ledgers and segments, e.g. `20250602T200000Z-1a2b3c`. */
  readonly runId: string
  /** Tells when settings of this run have changed under way. */
  readonly reloads: Reloads
  /** Follows this run, once it begins to record something. */
  readonly telemetry: RunTelemetry
  /** The present instant, UTC epoch milliseconds; what TAPELAKE_NOW says, where it is set. */
  readonly now: () => number
  /** Progress on stderr, unless --no-progress or --quiet. */
  readonly progress: (options: { readonly total: number; readonly label: string }) => Promise<Progress>
}

export interface BareContextOptions {
  readonly terminal: Terminal
  readonly flags: GlobalFlags
  readonly signals: Signals
  /** Settings that flags of the command stand for, by dotted path. */
  readonly settingFlags: Readonly<Record<string, FlagValue>>
  /** Of a part of a run: the name of the whole; default a new one. */
  readonly runId?: string | undefined
}

export function createBareContext(options: BareContextOptions): BareContext {
  const { terminal, flags, signals, settingFlags, runId: givenRunId } = options
  let config: Promise<LoadedConfig> | undefined
  const readConfig = (): Promise<LoadedConfig> => load(terminal, flags, settingFlags)
  return {
    terminal,
    flags,
    signals,
    givenRunId,
    out: createOutput({ terminal, quiet: flags.quiet, color: flags.color }),
    loadConfig: () => (config ??= readConfig()),
    readConfig,
  }
}

async function load(
  { env, cwd }: Terminal,
  flags: GlobalFlags,
  settingFlags: Readonly<Record<string, FlagValue>>,
): Promise<LoadedConfig> {
  const { loadConfig } = await import('../core/config/index.ts')
  return loadConfig({
    configDir: flags.config,
    env,
    cwd,
    flags: {
      'paths.data': { flag: '--data-dir', value: flags.dataDir },
      ...levelFlag(flags),
      ...settingFlags,
    },
  })
}

function levelFlag({ quiet, verbose }: GlobalFlags): Record<string, FlagValue> {
  if (quiet) return { 'logging.level': { flag: '--quiet', value: 'error' } }
  if (verbose === 0) return {}
  const [flag, value] = verbose === 1 ? ['-v', 'info'] : ['-vv', 'debug']
  return { 'logging.level': { flag, value: value satisfies string } }
}

/** @throws {ConfigError} when the configuration does not fit, or the log file cannot be opened */
export async function createRunContext(bare: BareContext): Promise<RunContext> {
  const config = await bare.loadConfig()
  const { createRedactor } = await import('../core/redact.ts')
  const redactor = createRedactor(config.secrets.all())
  const now = () => config.pretendNowMs ?? Date.now()
  const runId = bare.givenRunId ?? newRunId(now())
  const { stderr } = bare.terminal
  const logger = await loggerFor(bare, config, redactor, runId)
  const { RunTelemetry: Telemetry } = await import('./run-telemetry.ts')
  return {
    ...bare,
    config,
    redactor,
    runId,
    now,
    logger,
    reloads: new Reloads(),
    telemetry: new Telemetry({ ...bare, config, redactor, runId, logger, now }),
    progress: ({ total, label }) =>
      createProgress({ enabled: bare.flags.progress && !bare.flags.quiet, total, label, stream: stderr }),
  }
}

/** The next run of the same command in the same process: with a name, a log and a record of its own. */
export async function nextRun(context: RunContext): Promise<RunContext> {
  const { config, redactor, now } = context
  const runId = newRunId(now())
  const logger = await loggerFor(context, config, redactor, runId)
  const { RunTelemetry: Telemetry } = await import('./run-telemetry.ts')
  return {
    ...context,
    runId,
    logger,
    telemetry: new Telemetry({ ...context, runId, logger, whole: context.telemetry }),
  }
}

async function loggerFor(
  { terminal: { env, stderr }, flags }: BareContext,
  { settings: { logging }, logFile }: LoadedConfig,
  redactor: Redactor,
  run: string,
): Promise<Logger> {
  const { createLogger } = await import('../core/logger.ts')
  return createLogger({
    // Read at every line: the settings may be read again.
    get level() {
      return logging.level
    },
    get fileLevel() {
      return logging.fileLevel
    },
    get components() {
      return componentLevels(logging.components)
    },
    ...{ maxFileMb: logging.maxFileMb, keepFiles: logging.keepFiles },
    file: logFile,
    pretty: logging.pretty === 'always' || (logging.pretty === 'auto' && stderr.isTTY === true),
    color: wantsColor(stderr, env, flags.color),
    redactor,
    bindings: { run },
    stream: stderr,
  })
}

/** What {@link componentLevels} made of a text before: it is asked at every line. */
const LEVELS_OF = new Map<string, Readonly<Record<string, LogLevel>>>()

/** `source=debug,stream=info` by component; the settings have checked it. */
function componentLevels(text: string | undefined): Readonly<Record<string, LogLevel>> | undefined {
  if (text === undefined) return undefined
  const known = LEVELS_OF.get(text)
  if (known) return known
  const pairs = text.split(',').flatMap((part) => {
    const [component = '', level] = part.trim().split('=')
    return level === undefined ? [] : [[component, level]]
  })
  const levels = Object.fromEntries(pairs) as Record<string, LogLevel>
  LEVELS_OF.set(text, levels)
  return levels
}

/** The instant, to the second, and a few random letters: unique, and sorts by time. */
function newRunId(nowMs: number): string {
  const stamp = new Date(nowMs).toISOString().replace(/[-:]|\.\d+/g, '')
  const chance = Math.floor(Math.random() * 36 ** 6)
  return `${stamp}-${chance.toString(36).padStart(6, '0')}`
}
