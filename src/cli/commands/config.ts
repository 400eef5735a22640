import type { Command } from 'commander'
import type { LoadedConfig } from '../../core/config/index.ts'
import type { Cli } from '../cli.ts'
import type { BareContext } from '../context.ts'
import { examples } from '../program-text.ts'

/** What stands for a key that is set. */
const MASKED = '***'

export function register(program: Command, cli: Cli): void {
  const config = program.command('config').description('show and check the settings').helpCommand(false)
  examples(
    config,
    ['config show --origin', 'every setting, and where its value came from'],
    ['config check --config ./config', 'is this directory in order?'],
  )
  const show = config
    .command('show')
    .description('every setting with its value')
    .option('--origin', 'also where each value came from: default, file and line, environment, flag', false)
    .action(cli.bareAction(showConfig))
  examples(show, ['config show --origin', 'values with their origins'])
  const check = config
    .command('check')
    .description('check all config files, the environment and .env; exit 2 names what is wrong')
    .action(cli.bareAction(checkConfig))
  examples(check, ['config check --config /etc/tapelake', 'is this directory in order?'])
  const schema = config
    .command('schema')
    .description('JSON Schema of the config files, for editors')
    .action(cli.bareAction(printSchema))
  examples(schema, ['config schema > tapelake.schema.json', 'completion and checks in an editor'])
}

async function showConfig(context: BareContext, { origin }: { readonly origin: boolean }): Promise<void> {
  const config = await context.loadConfig()
  const { API_KEY_PATH, REDIS_URL_PATH, settingAt, settingOptions } =
    await import('../../core/config/index.ts')
  const { out, flags } = context
  if (flags.json) {
    const origins = Object.fromEntries([...config.origins].map(([path, { place }]) => [path, place]))
    const { configFiles, dataDir } = config
    out.json('tapelake.config', 1, {
      configFiles,
      dataDir,
      settings: withMaskedSecrets(config),
      ...(origin && { origins }),
    })
    return
  }
  const values: [string, unknown][] = settingOptions().map(({ path }) => [
    path,
    settingAt(config.settings, path),
  ])
  const { polygonApiKey, budgetRedisUrl } = config.secrets
  values.push([API_KEY_PATH, masked(polygonApiKey) ?? undefined])
  values.push([REDIS_URL_PATH, masked(budgetRedisUrl) ?? undefined])
  const rows = values
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([path, value]) => [path, shown(value), config.origins.get(path)?.place ?? 'not set'])
  if (origin) await out.table(['setting', 'value', 'origin'], rows)
  else
    await out.table(
      ['setting', 'value'],
      rows.map((row) => row.slice(0, 2)),
    )
}

const shown = (value: unknown) => (typeof value === 'string' ? value : (JSON.stringify(value) ?? ''))

const masked = (secret: string | undefined) => (secret === undefined ? null : MASKED)

function withMaskedSecrets({ settings, secrets }: LoadedConfig): object {
  const { sources, ...rest } = settings
  const budget = { ...sources.polygon.budget, redisUrl: masked(secrets.budgetRedisUrl) }
  const polygon = { ...sources.polygon, budget, apiKey: masked(secrets.polygonApiKey) }
  return { ...rest, sources: { ...sources, polygon } }
}

async function checkConfig(context: BareContext): Promise<void> {
  const { configFiles, dataDir } = await context.loadConfig()
  const { out, flags } = context
  if (flags.json) return out.json('tapelake.config-check', 1, { valid: true, configFiles, dataDir })
  out.line('The configuration is in order.')
  for (const file of configFiles) out.line(`  ${file}`)
  if (configFiles.length === 0) out.line('  (no config files; defaults and environment)')
}

async function printSchema({ out }: BareContext): Promise<void> {
  const { settingsJsonSchema } = await import('../../core/config/index.ts')
  out.line(JSON.stringify(settingsJsonSchema(), undefined, 2))
}
