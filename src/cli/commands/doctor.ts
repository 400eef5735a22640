import type { Command } from 'commander'
import { EXIT, isPipelineError, messageOf, type ExitCode } from '../../core/errors.ts'
import type { LoadedConfig } from '../../core/config/index.ts'
import type { Cli } from '../cli.ts'
import type { BareContext } from '../context.ts'
import type { Check } from '../doctor/check.ts'
import { plural } from '../format.ts'
import { examples } from '../program-text.ts'

interface DoctorFlags {
  readonly offline: boolean
}

export function register(program: Command, cli: Cli): void {
  const command = program
    .command('doctor')
    .description('check the machine, the configuration, the key and the plan; says what to do')
    .option('--offline', 'do not ask the vendor', false)
    .action(cli.bareAction(doctor))
  examples(
    command,
    ['doctor', 'everything; sends five requests'],
    ['doctor --offline --json', 'machine and configuration only, as JSON'],
  )
}

async function doctor(context: BareContext, { offline }: DoctorFlags): Promise<ExitCode> {
  const { exitCodeOfChecks } = await import('../doctor/check.ts')
  const { createRedactor } = await import('../../core/redact.ts')
  const { out, flags } = context
  const checks: Check[] = []
  let redactor = createRedactor([])
  const onConfig = (config: LoadedConfig) => void (redactor = createRedactor(config.secrets.all()))
  for await (const check of examine(context, offline, onConfig)) {
    const clean = { ...check, message: redactor.text(check.message) }
    checks.push(clean)
    if (!flags.json) print(context, clean)
  }
  const exitCode = exitCodeOfChecks(checks)
  if (flags.json) out.json('tapelake.doctor', 1, { ok: exitCode === EXIT.ok, exitCode, checks })
  return exitCode
}

async function* examine(
  { loadConfig, signals }: BareContext,
  offline: boolean,
  onConfig: (config: LoadedConfig) => void,
): AsyncGenerator<Check> {
  const machine = await import('../doctor/machine.ts')
  yield machine.checkNode(process.versions.node)
  yield machine.checkTimeZones()
  const config = await loadConfig().catch(asError)
  if (config instanceof Error) {
    yield configFailure(config)
    return
  }
  onConfig(config)
  yield {
    name: 'config',
    level: 'ok',
    message: `the configuration is in order (${plural(config.configFiles.length, 'config file')})`,
  }

  const lake = await import('../doctor/lake.ts')
  yield machine.checkWritable(config.dataDir)
  yield machine.checkOneFileSystem(config.dataDir)
  const { attempt } = await import('../doctor/check.ts')
  yield attempt('disk-space', 'Choose another place with --data-dir.', async () =>
    machine.checkSpace(await machine.readDiskSpace(config.dataDir), config.settings.disk.minFreeMb),
  )
  yield lake.checkLake(config.dataDir)
  yield lake.checkEngine(config)

  const vendor = await import('../doctor/vendor.ts')
  const key = vendor.checkKey(config)
  yield key
  if (key.level === 'ok') yield await vendor.checkBudget(config)
  if (key.level === 'ok' && !offline) yield* await vendor.checkVendor(config, signals.immediate)
}

const asError = (error: unknown): Error => (error instanceof Error ? error : new Error(String(error)))

function configFailure(error: Error): Check {
  const hint = isPipelineError(error) ? error.hint : undefined
  return {
    ...{ name: 'config', level: 'fail', message: messageOf(error) },
    ...{ hint: hint ?? 'See tapelake config check.', exitCode: EXIT.usage },
  }
}

const STYLES = { ok: 'green', warn: 'yellow', fail: 'red' } as const

function print({ out }: BareContext, { level, name, message, hint }: Check): void {
  out.line(`${out.style(STYLES[level], level.padEnd(4))}  ${name}: ${message}`)
  if (hint !== undefined) out.line(`      ${hint}`)
}
