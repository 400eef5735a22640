import { spawnSync } from 'node:child_process'
import { cpSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { parseSchedule } from '../../src/core/schedule.ts'
import { freshFolder, runHere } from '../support/cli.ts'

const DEPLOY = fileURLToPath(new URL('../../deploy/', import.meta.url))
const UNITS = readdirSync(DEPLOY).filter((name) => /\.(service|timer)$/.test(name))
const hasSystemd = spawnSync('systemd-analyze', ['--version']).status === 0

describe('deploy/', () => {
  test.skipIf(!hasSystemd)(
    'has units that systemd accepts (skipped where systemd-analyze is missing)',
    () => {
      // The program and its user are not installed here: the same units with what every machine has.
      const folder = freshFolder()
      cpSync(DEPLOY, folder, { recursive: true })
      const paths = UNITS.map((name) => join(folder, name))
      const { stderr } = spawnSync('systemd-analyze', ['verify', '--recursive-errors=no', ...paths], {
        encoding: 'utf8',
      })
      const complaints = stderr.split('\n').filter((line) => UNITS.some((name) => line.includes(name)))
      expect(complaints.filter((line) => !/not executable|No such file|Unknown user/i.test(line))).toEqual([])
    },
  )

  test('names commands and flags that exist, at times that come', async () => {
    const texts = readdirSync(DEPLOY)
      .filter((name) => name.startsWith('crontab') || name.endsWith('.service'))
      .map((name) => readFileSync(join(DEPLOY, name), 'utf8'))
    const commands = texts.flatMap((text) =>
      [...text.matchAll(/^[^#\n]*tapelake\.js ([a-z-]+)([^>\n|]*)/gm)].map(([, name, flags]) => ({
        name: name!,
        flags: [...flags!.matchAll(/--[a-z-]+/g)].map(([flag]) => flag),
      })),
    )
    expect(commands.map(({ name }) => name).sort()).toEqual(['health', 'nightly', 'nightly', 'schedule'])
    for (const { name, flags } of commands) {
      const { stdout } = await runHere([name, '--help'])
      for (const flag of flags) expect(stdout, name).toContain(flag)
    }
    const lines = texts.join('\n').match(/^[\d*][^a-z]*(?= cd )/gm) ?? []
    expect(lines.map((line) => parseSchedule(line.trim()) !== undefined)).toEqual([true, true])
  })
})
