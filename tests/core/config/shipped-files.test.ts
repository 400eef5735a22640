import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { loadConfig, settingAt, settingOptions, settingsJsonSchema } from '../../../src/core/config/index.ts'
import { suggest } from '../../../src/core/config/suggest.ts'
import { COMPRESSIONS, ENGINE_NAMES } from '../../../src/lake/engine.ts'
import { freshFolder } from '../../support/cli.ts'

const DIR = fileURLToPath(new URL('../../../config/', import.meta.url))
/** Options that are unset by default: their key stands there without a value. */
const UNSET = [
  'logging.file',
  'logging.components',
  'stream.webhookUrlFile',
  'nightly.webhookUrlFile',
  'sources.polygon.apiKeyFile',
  'sources.polygon.budget.redisUrlFile',
]
const FILES = ['settings.yaml', 'sources.yaml', 'sinks.yaml', 'retry_policy.yaml']

function pathsIn(tree: unknown, path = ''): string[] {
  if (typeof tree !== 'object' || tree === null || Array.isArray(tree)) return [path]
  return Object.entries(tree).flatMap(([key, inner]) => pathsIn(inner, path === '' ? key : `${path}.${key}`))
}

describe('the config files that ship with the package', () => {
  test('hold every option with its default', () => {
    const empty = freshFolder()
    const shipped = loadConfig({ configDir: DIR, cwd: empty, env: { HOME: empty } })
    const defaults = loadConfig({ cwd: empty, env: { HOME: empty } })
    expect(shipped.settings).toEqual(defaults.settings)
    const written = FILES.flatMap((name) => pathsIn(parse(readFileSync(join(DIR, name), 'utf8'))))
    const known = settingOptions()
      .filter(({ path, default: value }) => value !== undefined || UNSET.includes(path))
      .map(({ path }) => path)
    expect(written.sort()).toEqual(known.sort())
  })

  test('explain every option in a comment', () => {
    const described = settingOptions().filter(({ path }) => !path.startsWith('retry.'))
    for (const { path, description } of described) expect(description, path).toMatch(/\.$/)
  })
})

describe('the settings', () => {
  test('have a variable each, and no two share one', () => {
    const names = settingOptions().map(({ env }) => env)
    expect(new Set(names).size).toBe(names.length)
    expect(names).toContain('TAPELAKE__SOURCES__POLYGON__CALLS_PER_MINUTE')
    expect(names).toContain('TAPELAKE__RETRY__RATE_LIMIT__BASE_MS')
  })

  test('accept every engine and compression that the lake has', () => {
    const expected = (path: string) => settingOptions().find((option) => option.path === path)?.expected
    expect(expected('sinks.parquet.engine')).toBe(`one of ${ENGINE_NAMES.join(', ')}`)
    expect(expected('sinks.parquet.compression')).toBe(`one of auto, ${COMPRESSIONS.join(', ')}`)
  })

  test('have a JSON Schema without a place for keys of the vendor', () => {
    const schema = settingsJsonSchema()
    expect(schema).toMatchObject({ type: 'object', additionalProperties: false })
    expect(JSON.stringify(schema)).not.toMatch(/"apiKey"/)
  })

  test('have defaults that can be read by their path', () => {
    const empty = freshFolder()
    const { settings } = loadConfig({ cwd: empty, env: { HOME: empty } })
    for (const option of settingOptions()) expect(settingAt(settings, option.path)).toEqual(option.default)
    expect(settingAt(settings, 'no.such.thing')).toBeUndefined()
  })
})

describe('suggest', () => {
  test.each([
    ['bakfill', 'backfill'],
    ['calender', 'calendar'],
    ['data_dir', 'data-dir'],
    ['DATADIR', 'data-dir'],
    ['conifg', 'config'],
  ])('takes %s for %s', (word, meant) => {
    expect(suggest(word, ['backfill', 'calendar', 'data-dir', 'config'])).toBe(meant)
  })

  test.each(['', 'zebra', 'x'])('takes %o for nothing', (word) => {
    expect(suggest(word, ['backfill', 'calendar', 'data-dir', 'config'])).toBeUndefined()
  })
})
