import { mkdirSync, writeFileSync } from 'node:fs'
import { inspect } from 'node:util'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { loadConfig, settingAt, type LoadConfigOptions } from '../../../src/core/config/index.ts'
import { freshFolder } from '../../support/cli.ts'

interface World {
  readonly files?: Readonly<Record<string, string>>
  readonly dotEnv?: string
  readonly env?: Readonly<Record<string, string>>
  readonly flags?: LoadConfigOptions['flags']
}

/** Loads the configuration in a fresh folder with `files` in ./config, an empty home and nothing else. */
function load({ files = {}, dotEnv, env = {}, flags = {} }: World = {}) {
  const cwd = freshFolder()
  writeConfig(join(cwd, 'config'), files)
  if (dotEnv !== undefined) writeFileSync(join(cwd, '.env'), dotEnv)
  return { cwd, ...loadConfig({ cwd, env: { HOME: freshFolder(), ...env }, flags }) }
}

function writeConfig(dir: string, files: Readonly<Record<string, string>>): void {
  mkdirSync(dir, { recursive: true })
  for (const [name, text] of Object.entries(files)) writeFileSync(join(dir, name), text)
}

const file = 'sources:\n  polygon:\n    restUrl: https://file.example\n'
const long = { TAPELAKE__SOURCES__POLYGON__REST_URL: 'https://long.example' }
const flag = { 'sources.polygon.restUrl': { flag: '--rest-url', value: 'https://flag.example' } }

describe('a setting comes from', () => {
  const table: [string, World, string, string][] = [
    ['the default when nobody says anything', {}, 'https://api.polygon.io', 'default'],
    [
      'a config file before the default',
      { files: { 'sources.yaml': file } },
      'https://file.example',
      'config/sources.yaml:3',
    ],
    [
      '.env before a file',
      { files: { 'sources.yaml': file }, dotEnv: '# mine\nPOLYGON_REST_URL=https://dot.example\n' },
      'https://dot.example',
      '.env:2 POLYGON_REST_URL',
    ],
    [
      'the real environment before .env',
      { dotEnv: 'POLYGON_REST_URL=https://dot.example', env: { POLYGON_REST_URL: 'https://env.example' } },
      'https://env.example',
      'environment POLYGON_REST_URL',
    ],
    [
      'the name of today before that of the old company',
      { env: { MASSIVE_REST_URL: 'https://massive.example', POLYGON_REST_URL: 'https://polygon.example' } },
      'https://polygon.example',
      'environment POLYGON_REST_URL',
    ],
    [
      'the long variable before the short one',
      { env: { POLYGON_REST_URL: 'https://env.example', ...long } },
      'https://long.example',
      'environment TAPELAKE__SOURCES__POLYGON__REST_URL',
    ],
    [
      'a flag before everything',
      { files: { 'sources.yaml': file }, env: long, flags: flag },
      'https://flag.example',
      'flag --rest-url',
    ],
    [
      'the default where a flag is not given',
      { flags: { 'sources.polygon.restUrl': { flag: '--rest-url', value: undefined } } },
      'https://api.polygon.io',
      'default',
    ],
    [
      'the default where a variable is empty',
      { env: { POLYGON_REST_URL: '' } },
      'https://api.polygon.io',
      'default',
    ],
    [
      'the default where a key in a file has no value',
      { files: { 'sources.yaml': 'sources:\n  polygon:\n    restUrl:\n' } },
      'https://api.polygon.io',
      'default',
    ],
  ]
  test.each(table)('%s', (_, world, value, place) => {
    const { settings, origins } = load(world)
    expect(settings.sources.polygon.restUrl).toBe(value)
    expect(origins.get('sources.polygon.restUrl')?.place).toBe(place)
  })
})

describe('values from the environment are read as what the setting wants', () => {
  const table: [string, string, string, unknown][] = [
    ['TAPELAKE__SOURCES__POLYGON__CALLS_PER_MINUTE', '0', 'sources.polygon.callsPerMinute', 0],
    ['TAPELAKE__SOURCES__POLYGON__TIMEOUTS__CONNECT_MS', '250', 'sources.polygon.timeouts.connectMs', 250],
    ['TAPELAKE__SINKS__PARQUET__ENGINE', 'parquetjs-lite', 'sinks.parquet.engine', 'parquetjs-lite'],
    ['TAPELAKE__RETRY__RATE_LIMIT__JITTER', '0.25', 'retry.rate_limit.jitter', 0.25],
    ['TAPELAKE__PATHS__DATA', '12', 'paths.data', '12'],
    ['POLYGON_WS_URL', 'ws://127.0.0.1:9/', 'sources.polygon.wsUrl', 'ws://127.0.0.1:9'],
  ]
  test.each(table)('%s=%s', (name, text, path, value) => {
    expect(settingAt(load({ env: { [name]: text } }).settings, path)).toBe(value)
  })
})

describe('config files', () => {
  test('only the chosen directory is read', () => {
    const chosen = freshFolder()
    writeConfig(chosen, { 'settings.yaml': 'backfill: {concurrency: 7}\n' })
    const cwd = freshFolder()
    writeConfig(join(cwd, 'config'), { 'settings.yaml': 'backfill: {concurrency: 9, defaultSessions: 9}\n' })
    const { settings, configFiles } = loadConfig({ configDir: chosen, cwd, env: { HOME: cwd } })
    expect(settings.backfill).toEqual({ concurrency: 7, defaultSessions: 500 })
    expect(configFiles).toEqual([join(chosen, 'settings.yaml')])
  })

  test("those of the user's own directory count where the working directory has none", () => {
    const home = freshFolder()
    writeConfig(join(home, '.config/tapelake'), { 'settings.yaml': 'backfill: {concurrency: 7}\n' })
    const cwd = freshFolder()
    writeConfig(join(cwd, 'config'), { 'other-program.yaml': 'hello: world\n' })
    expect(loadConfig({ cwd, env: { HOME: home } }).settings.backfill.concurrency).toBe(7)
    expect(
      loadConfig({ cwd, env: { HOME: cwd, XDG_CONFIG_HOME: join(home, '.config') } }).settings.backfill
        .concurrency,
    ).toBe(7)
  })

  test('any file may hold any section, and sections are merged across files', () => {
    const { settings } = load({
      files: {
        'settings.yaml': 'sinks:\n  parquet:\n    rowGroupRows: 5\n',
        'sinks.yaml': 'sinks:\n  parquet:\n    engine: parquetjs-lite\n',
        'retry_policy.yaml': '# nothing\n',
        'sources.yaml': 'sources:\n',
      },
    })
    expect(settings.sinks.parquet).toEqual({
      engine: 'parquetjs-lite',
      compression: 'snappy',
      rowGroupRows: 5,
    })
  })

  test('a retry policy keeps the defaults of what it leaves out', () => {
    const { settings } = load({ files: { 'retry_policy.yaml': 'retry:\n  server: {retries: 1}\n' } })
    expect(settings.retry.server).toEqual({
      retries: 1,
      baseMs: 500,
      factor: 2,
      maxMs: 30_000,
      jitter: 0.3,
      fallback: 'none',
    })
    expect(settings.retry.authentication.retries).toBe(0)
  })
})

describe('what depends on other settings', () => {
  test.each([
    ['free', 5],
    ['starter', 3000],
    ['advanced', 3000],
  ])('the plan %s allows %i calls per minute', (plan, calls) => {
    const { settings } = load({ env: { TAPELAKE__SOURCES__POLYGON__PLAN: plan } })
    expect(settings.sources.polygon.callsPerMinute).toBe(calls)
  })

  test('a number of calls that is given stands, whatever the plan', () => {
    const given = { 'sources.yaml': 'sources: {polygon: {plan: starter, callsPerMinute: 0}}\n' }
    expect(load({ files: given }).settings.sources.polygon.callsPerMinute).toBe(0)
  })

  test('relative paths are relative to where the program was started, ~ is the home folder', () => {
    const { cwd, dataDir } = load({ env: { TAPELAKE_DATA_DIR: 'lakes/one' } })
    expect(dataDir).toBe(join(cwd, 'lakes/one'))
    expect(load({ env: { TAPELAKE_DATA_DIR: '~/lake', HOME: '/home/someone' } }).dataDir).toBe(
      '/home/someone/lake',
    )
  })

  test('so is the log file', () => {
    const { cwd, logFile } = load({ env: { TAPELAKE__LOGGING__FILE: 'logs/a.log' } })
    expect(logFile).toBe(join(cwd, 'logs/a.log'))
    expect(load().logFile).toBeUndefined()
  })

  test('the present can be pretended', () => {
    expect(load().pretendNowMs).toBeUndefined()
    expect(load({ env: { TAPELAKE_NOW: '2025-06-02T16:00:00-04:00' } }).pretendNowMs).toBe(
      Date.UTC(2025, 5, 2, 20),
    )
  })
})

describe('the API key', () => {
  const key = 'a1B2c3D4e5F6'

  test.each([
    ['POLYGON_API_KEY', 'environment POLYGON_API_KEY'],
    ['MASSIVE_API_KEY', 'environment MASSIVE_API_KEY'],
    ['TAPELAKE__SOURCES__POLYGON__API_KEY', 'environment TAPELAKE__SOURCES__POLYGON__API_KEY'],
  ])('is taken from %s', (name, place) => {
    const { secrets, origins } = load({ env: { [name]: key } })
    expect(secrets.polygonApiKey).toBe(key)
    expect(origins.get('sources.polygon.apiKey')?.place).toBe(place)
  })

  test('is taken from .env, quoted or not, and the real environment wins', () => {
    expect(load({ dotEnv: `export POLYGON_API_KEY="${key}"` }).secrets.polygonApiKey).toBe(key)
    const both = load({ dotEnv: 'POLYGON_API_KEY=old', env: { POLYGON_API_KEY: key } })
    expect(both.secrets.polygonApiKey).toBe(key)
  })

  test('is taken from .env whatever else stands there: a stray line, a bare name, a mark at the beginning', () => {
    for (const before of [
      'foo bar\n',
      'NAME\n',
      '\uFEFF',
      'export\n',
      `OTHER="two\nlines"\n`,
      '# a comment\n',
    ]) {
      const { secrets } = load({ dotEnv: `${before}POLYGON_API_KEY=${key}\n` })
      expect([before, secrets.polygonApiKey]).toEqual([before, key])
    }
  })

  test('is taken from a file of its own, unless a variable holds one', () => {
    const path = join(freshFolder(), 'key')
    writeFileSync(path, `${key}\n`)
    const files = { 'sources.yaml': `sources:\n  polygon:\n    apiKeyFile: ${path}\n` }
    const { secrets, origins } = load({ files })
    expect(secrets.all()).toEqual([key])
    expect(origins.get('sources.polygon.apiKey')?.place).toBe(`file ${path} (config/sources.yaml:3)`)
    expect(load({ files, env: { POLYGON_API_KEY: 'other' } }).secrets.polygonApiKey).toBe('other')
  })

  test('shows nowhere when the configuration is printed, logged or serialised', () => {
    const loaded = load({ env: { POLYGON_API_KEY: key } })
    expect(inspect(loaded, { depth: 20, showHidden: true })).not.toContain(key)
    expect(JSON.stringify(loaded)).not.toContain(key)
  })

  test('may be missing', () => {
    const { secrets, origins } = load()
    expect(secrets.polygonApiKey).toBeUndefined()
    expect(secrets.all()).toEqual([])
    expect(origins.has('sources.polygon.apiKey')).toBe(false)
  })
})
