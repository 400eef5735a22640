import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { loadConfig } from '../../../src/core/config/index.ts'
import { ConfigError } from '../../../src/core/errors.ts'
import { freshFolder } from '../../support/cli.ts'

interface World {
  readonly files?: Readonly<Record<string, string>>
  readonly dotEnv?: string
  readonly env?: Readonly<Record<string, string>>
  readonly configDir?: string
}

function refusal({ files = {}, dotEnv, env = {}, configDir }: World): ConfigError {
  const cwd = freshFolder()
  mkdirSync(join(cwd, 'config'))
  for (const [name, text] of Object.entries(files)) writeFileSync(join(cwd, 'config', name), text)
  if (dotEnv !== undefined) writeFileSync(join(cwd, '.env'), dotEnv)
  try {
    loadConfig({ cwd, configDir, env: { HOME: cwd, ...env } })
  } catch (error) {
    if (error instanceof ConfigError) return error
    throw error
  }
  throw new Error('the configuration was accepted')
}

describe('a mistake in a config file is refused with file, line, key and what was expected', () => {
  const table: [string, string, string][] = [
    [
      'a misspelt key',
      '# a comment\nsources:\n  polygon:\n    callsPerMinut: 3\n',
      'config/sources.yaml:4: sources.polygon.callsPerMinut: unknown setting, did you mean sources.polygon.callsPerMinute?',
    ],
    [
      'a key in snake case',
      'sources:\n  polygon:\n    calls_per_minute: 3\n',
      'config/sources.yaml:3: sources.polygon.calls_per_minute: unknown setting, did you mean sources.polygon.callsPerMinute?',
    ],
    [
      'a misspelt section',
      'source:\n  polygon:\n',
      'config/sources.yaml:1: source: unknown setting, did you mean sources?',
    ],
    [
      'a section one level too high',
      'polygon:\n  plan: free\n',
      'config/sources.yaml:1: polygon: unknown setting, did you mean sources.polygon?',
    ],
    [
      'a key that resembles nothing',
      'sinks:\n  parquet:\n    colour: red\n',
      'config/sources.yaml:3: sinks.parquet.colour: unknown setting',
    ],
    [
      'a text for a number',
      'backfill:\n  concurrency: many\n',
      "config/sources.yaml:2: backfill.concurrency: expected a whole number from 1 to 64, found 'many'",
    ],
    [
      'a fraction for a whole number',
      'backfill:\n  concurrency: 1.5\n',
      'config/sources.yaml:2: backfill.concurrency: expected a whole number from 1 to 64, found 1.5',
    ],
    [
      'a number out of bounds',
      'retry:\n  network:\n    jitter: 2\n',
      'config/sources.yaml:3: retry.network.jitter: expected a number from 0 to 1, found 2',
    ],
    [
      'a word that is none of the known ones',
      'sinks:\n  parquet:\n    engine: duckbd\n',
      "config/sources.yaml:3: sinks.parquet.engine: expected one of columnar, duckdb, parquetjs-lite, found 'duckbd'",
    ],
    [
      'a negative limit',
      'sources:\n  polygon:\n    callsPerMinute: -1\n',
      'config/sources.yaml:3: sources.polygon.callsPerMinute: expected "auto", or a whole number of at least 0, found -1',
    ],
    [
      'a value for a section',
      'sources: https://api.polygon.io\n',
      "config/sources.yaml:1: sources: expected a section with polygon, found 'https://api.polygon.io'",
    ],
    [
      'a list for a value',
      'paths:\n  data: [a, b]\n',
      'config/sources.yaml:2: paths.data: expected a text that is not empty, found a list',
    ],
    [
      'a section for a value',
      'paths:\n  data: {a: b}\n',
      'config/sources.yaml:2: paths.data: expected a text that is not empty, found a section',
    ],
    [
      'an address that is none',
      'sources:\n  polygon:\n    restUrl: api.polygon.io\n',
      "config/sources.yaml:3: sources.polygon.restUrl: expected an http:// or https:// URL without user, password and query (the key goes into POLYGON_API_KEY), found 'api.polygon.io'",
    ],
    [
      'retries of what is never retried',
      'retry:\n  authentication: {retries: 3}\n',
      'config/sources.yaml:2: retry.authentication.retries: expected 0, found 3',
    ],
    ['a list at the top', '- a\n', "config/sources.yaml:1: expected sections like 'sources:' at the top"],
    ['a key that is no word', '? [a]\n: b\n', 'config/sources.yaml:1: a key must be a plain word'],
    [
      'an alias',
      'paths: &p {data: x}\nsinks: *p\n',
      'config/sources.yaml: aliases (*name) are not supported',
    ],
    [
      'a key called __proto__',
      'paths:\n  __proto__: {data: x}\n',
      'config/sources.yaml:2: paths.__proto__: unknown setting',
    ],
  ]
  test.each(table)('%s', (_, text, message) => {
    const error = refusal({ files: { 'sources.yaml': text } })
    expect(error.message).toBe(message)
    expect(error.exitCode).toBe(2)
  })

  test.each([
    ['a tab for indentation', 'sources:\n\tpolygon: 1\n', /^config\/sources\.yaml:2:1: not valid YAML: /],
    [
      'a key twice',
      'paths:\n  data: a\n  data: b\n',
      /^config\/sources\.yaml:3:3: not valid YAML: Map keys must be unique/,
    ],
    ['an unclosed quote', 'paths:\n  data: "a\n', /^config\/sources\.yaml:\d:\d+: not valid YAML: /],
    ['two documents', 'paths:\n---\nsinks:\n', /^config\/sources\.yaml:\d:\d+: not valid YAML: /],
    [
      'a tag of another language',
      'paths: !!python/object x\n',
      /^config\/sources\.yaml:1:\d+: not valid YAML: /,
    ],
  ])('%s', (_, text, message) => {
    expect(refusal({ files: { 'sources.yaml': text } }).message).toMatch(message)
  })

  test('all mistakes of all files are named at once', () => {
    const error = refusal({
      files: { 'settings.yaml': 'backfil: 1\nquery:\n  maxRows: 0\n', 'sinks.yaml': 'sink: 1\n' },
    })
    expect(error.message.split('\n')).toEqual([
      'config/settings.yaml:3: query.maxRows: expected a whole number of at least 1, found 0',
      'config/settings.yaml:1: backfil: unknown setting, did you mean backfill?',
      'config/sinks.yaml:1: sink: unknown setting, did you mean sinks?',
    ])
  })

  test('a mistake shows even where the environment overrules the value', () => {
    const env = { TAPELAKE__BACKFILL__CONCURRENCY: '3' }
    const error = refusal({ files: { 'settings.yaml': 'backfill:\n  concurrency: many\n' }, env })
    expect(error.message).toContain('config/settings.yaml:2')
  })

  test('the same setting in two files is refused, naming both places', () => {
    const text = 'paths:\n  data: a\n'
    expect(refusal({ files: { 'settings.yaml': text, 'sinks.yaml': text } }).message).toBe(
      'config/sinks.yaml:2: paths.data: already set at config/settings.yaml:2',
    )
  })

  test.skipIf(process.getuid?.() === 0)('a file that may not be read is named', () => {
    const dir = freshFolder()
    writeFileSync(join(dir, 'settings.yaml'), '')
    chmodSync(join(dir, 'settings.yaml'), 0)
    expect(refusal({ configDir: dir }).message).toMatch(/settings\.yaml: cannot be read: EACCES/)
  })

  test('a folder in the place of a file is named', () => {
    const dir = freshFolder()
    mkdirSync(join(dir, 'settings.yaml'))
    expect(refusal({ configDir: dir }).message).toMatch(/settings\.yaml: cannot be read: EISDIR/)
  })
})

describe('a key never stands in a config file', () => {
  test.each(['apiKey', 'api_key', 'secret', 'token'])(
    '%s is refused with the way out, and not shown',
    (name) => {
      const error = refusal({ files: { 'sources.yaml': `sources:\n  polygon:\n    ${name}: a1B2c3D4\n` } })
      expect(error.message).toBe(
        `config/sources.yaml:3: sources.polygon.${name}: a key must not stand in a config file`,
      )
      expect(error.hint).toMatch(/POLYGON_API_KEY.*apiKeyFile/)
      expect(error.message + error.hint).not.toContain('a1B2c3D4')
    },
  )

  test.each(['https://me:a1B2c3D4@api.polygon.io', 'https://api.polygon.io?apiKey=a1B2c3D4'])(
    'an address that carries one is refused, and the key not shown: %s',
    (url) => {
      const error = refusal({ env: { POLYGON_REST_URL: url } })
      expect(error.message).toContain('the key goes into POLYGON_API_KEY')
      expect(error.message).not.toContain('a1B2c3D4')
    },
  )

  test('a key file that is missing, empty or no key is refused without showing it', () => {
    const dir = freshFolder()
    const named = (path: string) => ({ env: { TAPELAKE__SOURCES__POLYGON__API_KEY_FILE: path } })
    expect(refusal(named(join(dir, 'none'))).message).toMatch(
      /API_KEY_FILE: sources\.polygon\.apiKeyFile: ENOENT/,
    )
    writeFileSync(join(dir, 'empty'), '\n')
    expect(refusal(named(join(dir, 'empty'))).message).toMatch(/empty$/)
    writeFileSync(join(dir, 'two'), 'first\nsecond\n')
    const error = refusal(named(join(dir, 'two')))
    expect(error.message).toMatch(/holds spaces or characters that no key has/)
    expect(error.message).not.toContain('second')
  })

  test('a variable that cannot be a key is refused without showing it', () => {
    const error = refusal({ env: { POLYGON_API_KEY: 'half a key' } })
    expect(error.message).toBe('environment POLYGON_API_KEY: holds spaces or characters that no key has')
  })
})

describe('a mistake in the environment is refused by the name of the variable', () => {
  const table: [Readonly<Record<string, string>>, string][] = [
    [
      { TAPELAKE__SOURCES__POLYGON__CALLS_PER_MINUT: '1' },
      'environment TAPELAKE__SOURCES__POLYGON__CALLS_PER_MINUT: no such setting, did you mean TAPELAKE__SOURCES__POLYGON__CALLS_PER_MINUTE?',
    ],
    [{ TAPELAKE__NOTHING: '1' }, 'environment TAPELAKE__NOTHING: no such setting'],
    [
      { TAPELAKE_DATADIR: '/x' },
      'environment TAPELAKE_DATADIR: no such setting, did you mean TAPELAKE_DATA_DIR?',
    ],
    [
      { TAPELAKE__BACKFILL__CONCURRENCY: 'two' },
      "environment TAPELAKE__BACKFILL__CONCURRENCY: backfill.concurrency: expected a whole number from 1 to 64, found 'two'",
    ],
    [{ TAPELAKE_NOW_SPEED: '0' }, "environment TAPELAKE_NOW_SPEED: expected a number above 0, found '0'"],
    [
      { TAPELAKE_NOW: 'yesterday' },
      "environment TAPELAKE_NOW: expected an instant like 2025-06-02T20:00:00Z, found 'yesterday'",
    ],
    [
      { TAPELAKE_NOW: '2025-06-02T20:00:00' },
      "environment TAPELAKE_NOW: expected an instant like 2025-06-02T20:00:00Z, found '2025-06-02T20:00:00'",
    ],
  ]
  test.each(table)('%o', (env, message) => {
    expect(refusal({ env }).message).toBe(message)
  })

  test('in .env, with its line', () => {
    expect(refusal({ dotEnv: '\nTAPELAKE__PATH__DATA=/x\n' }).message).toBe(
      '.env:2 TAPELAKE__PATH__DATA: no such setting, did you mean TAPELAKE__PATHS__DATA?',
    )
  })

  test('an .env that is a folder is named', () => {
    const cwd = freshFolder()
    mkdirSync(join(cwd, '.env'))
    expect(() => loadConfig({ cwd, env: { HOME: cwd } })).toThrow(/^\.env: cannot be read: EISDIR/)
  })

  test('variables of other programs are nobody’s business', () => {
    const cwd = freshFolder()
    expect(() =>
      loadConfig({ cwd, env: { HOME: cwd, TAPELAKE_VERSION_OF_IMAGE: '3', PATH: '/bin' } }),
    ).not.toThrow()
  })
})

describe('the directory given by --config', () => {
  test('must exist', () => {
    expect(refusal({ configDir: '/nowhere/at/all' }).message).toBe(
      '--config /nowhere/at/all: there is no such directory',
    )
  })

  test('must be a directory', () => {
    const path = join(freshFolder(), 'settings.yaml')
    writeFileSync(path, '')
    expect(refusal({ configDir: path }).message).toContain('there is no such directory')
  })

  test('must hold a config file', () => {
    const error = refusal({ configDir: freshFolder() })
    expect(error.message).toContain('holds no config file')
    expect(error.hint).toContain('settings.yaml')
  })

  test('must not hold one with a misspelt name', () => {
    const dir = freshFolder()
    writeFileSync(join(dir, 'settings.yaml'), '')
    writeFileSync(join(dir, 'source.yaml'), '')
    expect(refusal({ configDir: dir }).message).toMatch(
      /source\.yaml: unknown config file, did you mean sources\.yaml\?$/,
    )
  })
})
