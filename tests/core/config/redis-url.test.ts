import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { loadConfig, REDIS_URL_PATH } from '../../../src/core/config/index.ts'
import { freshFolder, runHere } from '../../support/cli.ts'

const URL_WITH_PASSWORD = 'redis://:pass%2Bword-for-redis@cache.example:6379/2'
const VARIABLE = 'TAPELAKE__SOURCES__POLYGON__BUDGET__REDIS_URL'
const FILE_VARIABLE = `${VARIABLE}_FILE`

function load(env: Readonly<Record<string, string>>) {
  const home = freshFolder()
  return loadConfig({ cwd: home, env: { HOME: home, ...env } })
}

describe('the address of the Redis server', () => {
  test('comes from the environment, else from a file, and is a secret with its password', () => {
    expect(load({}).secrets.budgetRedisUrl).toBeUndefined()
    const { secrets, origins, settings } = load({ [VARIABLE]: URL_WITH_PASSWORD })
    expect(secrets.budgetRedisUrl).toBe(URL_WITH_PASSWORD)
    expect(secrets.all()).toEqual([URL_WITH_PASSWORD, 'pass%2Bword-for-redis', 'pass+word-for-redis'])
    expect(origins.get(REDIS_URL_PATH)?.place).toBe(`environment ${VARIABLE}`)
    expect(JSON.stringify({ secrets, settings })).not.toContain('cache.example')
    const file = join(freshFolder(), 'redis-url')
    writeFileSync(file, 'rediss://cache.example\n')
    const { secrets: others } = load({ [FILE_VARIABLE]: file })
    expect(others.budgetRedisUrl).toBe('rediss://cache.example')
  })

  test('is refused where it is none, without being shown', () => {
    for (const wrong of ['http://:secret-word@cache', 'secret-word']) {
      expect(() => load({ [VARIABLE]: wrong })).toThrow(/not the address of a Redis server/)
      expect(() => load({ [VARIABLE]: wrong })).not.toThrow(/secret-word/)
    }
    expect(() => load({ [FILE_VARIABLE]: '/no/such/file' })).toThrow(/redisUrlFile.*ENOENT/)
  })

  test('is masked in what is shown', async () => {
    const env = { [VARIABLE]: URL_WITH_PASSWORD }
    const shown = await runHere(['config', 'show', '--origin'], { env })
    expect(shown.stdout).toMatch(/sources\.polygon\.budget\.redisUrl +\*\*\* +environment/)
    const { stdout } = await runHere(['config', 'show', '--json'], { env })
    expect(JSON.parse(stdout)).toMatchObject({
      settings: { sources: { polygon: { budget: { redisUrl: '***' } } } },
    })
    expect(shown.stdout + stdout).not.toContain('cache.example')
  })
})
