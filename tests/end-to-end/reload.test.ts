import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test, vi } from 'vitest'
import { listProcesses } from '../../src/lake/process-registry.ts'
import { freshFolder, runHere } from '../support/cli.ts'
import { Place, simulate, type BackfillDocument } from './world.ts'

/** A place whose settings come from files that can be written again. */
async function placeWithFiles() {
  const simulator = await simulate()
  const config = join(freshFolder(), 'config')
  const logFile = join(freshFolder(), 'tapelake.log')
  mkdirSync(config)
  const place = new Place(simulator.url, { TAPELAKE__SOURCES__POLYGON__CALLS_PER_MINUTE: undefined })
  const lines = (): { level: string; msg: string }[] =>
    !existsSync(logFile)
      ? []
      : readFileSync(logFile, 'utf8')
          .trimEnd()
          .split('\n')
          .map((line) => JSON.parse(line) as { level: string; msg: string })
  return {
    ...{ simulator, place, config, lines },
    write: (callsPerMinute: number | string, fileLevel: string, more = '') =>
      writeFileSync(
        join(config, 'settings.yaml'),
        `sources:\n  polygon:\n    callsPerMinute: ${callsPerMinute}\n` +
          `logging:\n  file: ${logFile}\n  fileLevel: ${fileLevel}\n${more}`,
      ),
    said: (text: RegExp) => lines().filter(({ msg }) => text.test(msg)),
  }
}

/** Until `done` holds; a whole minute must not be waited for. */
const until = async (done: () => void | Promise<void>) =>
  await vi.waitFor(done, { timeout: 30_000, interval: 50 })

test(
  'SIGHUP makes a run and its workers take over limits and log levels; a broken configuration is refused',
  { timeout: 60_000 },
  async () => {
    const { place, config, write, said, lines } = await placeWithFiles()
    write(2, 'info')
    // two of six calls at once, the others a minute apart: without a change it would take minutes
    const run = place.run(`backfill-all --json --tickers SPY,QQQ --workers 2 --days 150 --config ${config}`)
    const pid = async (): Promise<number> =>
      (await listProcesses(place.dataDir)).find(({ kind }) => kind === 'run')!.pid
    await until(() => expect(said(/^waiting/).length).toBeGreaterThan(0))
    expect(said(/^request$/)).toEqual([])

    write('many', 'debug')
    process.kill(await pid(), 'SIGHUP')
    await until(() => expect(said(/refused/)).toHaveLength(1))
    expect(said(/refused/)[0]).toMatchObject({
      level: 'error',
      msg: expect.stringMatching(
        /^configuration refused, the old one stays: .*settings\.yaml:3: sources\.polygon\.callsPerMinute: expected "auto", or a whole number of at least 0, found 'many'$/,
      ) as string,
    })
    expect(lines().some(({ level }) => level === 'debug')).toBe(false)

    write(0, 'debug', 'workers:\n  count: 7\n')
    process.kill(await pid(), 'SIGHUP')
    const { code, stdout } = await run
    expect(code).toBe(0)
    const { states, calls } = JSON.parse(stdout) as BackfillDocument
    expect(states).toEqual({ complete: 300 })
    expect(calls).toBeGreaterThan(4)
    expect(said(/read again/).map(({ msg }) => msg)).toEqual([
      'configuration read again: sources.polygon.callsPerMinute from 2 to 0, logging.fileLevel from info to debug; needs a new start: workers.count',
    ])
    expect(said(/^request$/).length).toBeGreaterThan(0) // lines of the workers
  },
)

test(
  'a backfill says on stderr what it has read again, also when that changes nothing',
  { timeout: 60_000 },
  async () => {
    const { place, config, write } = await placeWithFiles()
    write(1, 'info', '  level: info\n')
    const args = `backfill --ticker SPY --days 120 --config ${config} --data-dir ${place.dataDir}`.split(' ')
    const steps = [() => undefined, () => write(0, 'info', '  level: error\n')]
    let told = 0
    const run = await runHere(args, {
      env: place.env,
      signals: [
        { after: /waiting/, send: 'SIGHUP' },
        { after: /nothing changed/, send: 'SIGHUP' },
      ],
      onOutput: (text) => {
        const lines = text.split('\n').filter((line) => /waiting|nothing changed/.test(line)).length
        while (told < lines) steps[told++]?.()
      },
    })
    expect(run.stderr).toContain('configuration read again: nothing changed"')
    expect(run.stderr).toContain(
      'configuration read again: sources.polygon.callsPerMinute from 1 to 0, logging.level from info to error\n',
    )
    expect(run.code).toBe(0)
  },
)
