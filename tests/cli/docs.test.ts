import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { EXIT_CODES } from '../../src/cli/exit-codes.ts'
import { loadConfig, settingOptions } from '../../src/core/config/index.ts'
import { EXIT } from '../../src/core/errors.ts'
import { freshFolder } from '../support/cli.ts'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))
const read = (path: string) => readFileSync(join(ROOT, path), 'utf8')

describe('the documentation', () => {
  test('explains every setting with its present default, bounds and meaning', () => {
    const rows = read('docs/configuration.md')
      .split('\n')
      .filter((line) => line.startsWith('| `'))
      .map((line) => line.split('|').map((cell) => cell.trim()))
    for (const { path, default: value, expected, description } of settingOptions()) {
      if (path.startsWith('retry.')) continue
      const row = rows.find((cells) => cells[1] === `\`${path}\``)
      const shown = typeof value === 'string' ? value : JSON.stringify(value)
      const preset = value === undefined ? '' : `\`${shown}\``
      expect(row?.slice(2, 5), path).toEqual([preset, expected, description])
    }
  })

  test('explains every exit code, as the program does', () => {
    expect(EXIT_CODES.map(({ code }) => code)).toEqual(Object.values(EXIT))
    const table = read('docs/exit-codes.md').replace(/ +/g, ' ')
    for (const { code, meaning } of EXIT_CODES) expect(table).toContain(`| ${code} | ${meaning} |`)
  })

  test('has examples of configurations that are accepted', () => {
    const cwd = freshFolder()
    for (const name of readdirSync(join(ROOT, 'config/examples'))) {
      const configDir = join(ROOT, 'config/examples', name)
      expect(() => loadConfig({ configDir, cwd, env: { HOME: cwd } }), name).not.toThrow()
    }
  })
})
