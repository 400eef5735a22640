import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { loadConfig } from '../../../src/core/config/index.ts'
import { freshFolder } from '../../support/cli.ts'

function load(yaml: string, env: Readonly<Record<string, string>> = {}) {
  const cwd = freshFolder()
  mkdirSync(join(cwd, 'config'))
  writeFileSync(join(cwd, 'config/sources.yaml'), yaml)
  const { settings, origins } = loadConfig({ cwd, env: { HOME: cwd, ...env } })
  return {
    equities: settings.sources.polygon.equities,
    origin: origins.get('sources.polygon.equities')?.place,
  }
}

describe('the universe of tickers', () => {
  test('is a list or one text with commas, each ticker once', () => {
    const long = (value: string) => `sources:\n  polygon:\n    equities: ${value}\n`
    expect(load(long('[SPY, QQQ, SPY]')).equities).toEqual(['SPY', 'QQQ'])
    expect(load(long('SPY, QQQ,')).equities).toEqual(['SPY', 'QQQ'])
    expect(load('').equities).toEqual([])
  })

  test('may be written polygon.equities, in a file and in the environment', () => {
    expect(load('polygon:\n  equities:\n    - SPY\n    - BRK.B\n')).toEqual({
      equities: ['SPY', 'BRK.B'],
      origin: 'config/sources.yaml:2',
    })
    const env = { TAPELAKE__POLYGON__EQUITIES: 'AAPL,@more.txt' }
    expect(load('polygon:\n  equities: [SPY]\n', env)).toEqual({
      equities: ['AAPL', '@more.txt'],
      origin: 'environment TAPELAKE__POLYGON__EQUITIES',
    })
    const both = { ...env, TAPELAKE__SOURCES__POLYGON__EQUITIES: 'MSFT' }
    expect(load('', both).equities).toEqual(['MSFT'])
  })

  test('is refused when it stands in two places of one file', () => {
    const twice = 'polygon:\n  equities: [SPY]\nsources:\n  polygon:\n    equities: [QQQ]\n'
    expect(() => load(twice)).toThrow(
      'config/sources.yaml:2: polygon.equities: already set as sources.polygon.equities',
    )
  })

  test('is refused when it is neither', () => {
    expect(() => load('polygon:\n  equities: 5\n')).toThrow(/polygon.equities: expected a text .*found 5/)
  })
})
