import { cpSync, mkdtempSync, readFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { runVictim, type Kill, type Noted } from '../support/crash/victim.ts'
import { expectSameLake, expectVerified } from '../support/crash/witness.ts'

/** The built program, killed with SIGKILL while it discovers contracts and records their bars, then run again. */
const LEAST_KILLS = 14
const DAY = '2025-06-05'
const DISCOVER = ['discover', '--date', DAY, '--strike-range', '0.005', '--source', 'simulator', '--quiet']
const BACKFILL = [
  'backfill',
  '--dataset',
  'option_bars_1m',
  '--underlying',
  'SPY',
  '--source',
  'simulator',
  '--quiet',
]
const env = { TAPELAKE_NOW: '2025-06-06T21:30:00Z' }
const FILE = join('raw/options/contracts/SPY', `${DAY}.json`)

const home = mkdtempSync(join(tmpdir(), 'tapelake-options-kill-'))
afterAll(() => rm(home, { recursive: true, force: true }))
const at = (name: string): string => join(home, name)

async function whole(folder: string, args: readonly string[]): Promise<readonly Noted[]> {
  const run = await runVictim([...args, '--data-dir', folder], `${folder}.log`, { env })
  expect([run.code, run.stderr]).toEqual([0, ''])
  return run.operations
}

/** Spread over everything that the program does, from its first operation to its last. */
function killsOver(operations: readonly Noted[]): Kill[] {
  const count = operations.length
  return Array.from({ length: LEAST_KILLS }, (_, i) => {
    const number = 1 + Math.floor((i * (count - 1)) / (LEAST_KILLS - 1))
    const tears = operations[number - 1]!.name === 'writeFile' && i % 2 === 0
    return { at: number, how: tears ? 'tear' : 'before' }
  })
}

const withoutRun = (folder: string): object => {
  const { run: _run, ...rest } = JSON.parse(readFileSync(join(folder, FILE), 'utf8')) as Record<
    string,
    unknown
  >
  return rest
}

describe('killed while it works on options', () => {
  let discovering: readonly Noted[] = []
  let recording: readonly Noted[] = []
  beforeAll(async () => {
    discovering = await whole(at('discovered'), DISCOVER)
    cpSync(at('discovered'), at('recorded'), { recursive: true })
    recording = await whole(at('recorded'), BACKFILL)
  }, 120_000)

  test('a discovery is whole or not there, and the next one finds the same', async () => {
    let killed = 0
    for (const [i, kill] of killsOver(discovering).entries()) {
      const folder = at(`discover-${i}`)
      const run = await runVictim([...DISCOVER, '--data-dir', folder], `${folder}.log`, { kill, env })
      if (run.killed) killed++
      await expectVerified(folder)
      await whole(folder, DISCOVER)
      await expectSameLake(folder, at('discovered'), ['option_contracts'])
      expect(withoutRun(folder)).toEqual(withoutRun(at('discovered')))
      await rm(folder, { recursive: true })
    }
    expect(killed).toBeGreaterThanOrEqual(LEAST_KILLS - 2)
  }, 240_000)

  test('a backfill goes on where it was, and asks for no contract that it remembers', async () => {
    const asked = (operations: readonly Noted[]) => operations.filter(({ name }) => name === 'request').length
    const calls = asked(recording)
    let killed = 0
    let spared = 0
    for (const [i, kill] of killsOver(recording).entries()) {
      const folder = at(`backfill-${i}`)
      cpSync(at('discovered'), folder, { recursive: true })
      const run = await runVictim([...BACKFILL, '--data-dir', folder], `${folder}.log`, { kill, env })
      if (run.killed) killed++
      await expectVerified(folder)
      const rerun = asked(await whole(folder, BACKFILL))
      // Two contracts are in hand at a time; all others that were answered are not asked for again.
      expect(asked(run.operations) + rerun).toBeLessThanOrEqual(calls + 3)
      if (rerun < calls) spared++
      await expectSameLake(folder, at('recorded'), ['option_bars_1m'])
      await rm(folder, { recursive: true })
    }
    expect(killed).toBeGreaterThanOrEqual(LEAST_KILLS - 2)
    expect(spared).toBeGreaterThan(3)
  }, 240_000)
})
