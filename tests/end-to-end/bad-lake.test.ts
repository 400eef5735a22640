import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { Place, simulate, vendor } from './world.ts'

const WEEK = '--ticker SPY --from 2025-06-02 --to 2025-06-06'

describe('synthetic and real data never share a lake', () => {
  test('a lake of synthetic data refuses real data with exit 2', async () => {
    const place = new Place(undefined)
    expect(await place.run(`backfill ${WEEK} --source simulator`)).toMatchObject({ code: 0 })
    const before = place.files()
    const real = new Place((await vendor()).url, {}, place.dataDir)
    const { code, stderr } = await real.run(`backfill ${WEEK.replace('06-06', '06-09')}`)
    expect(code).toBe(2)
    expect(stderr).toMatch(/holds synthetic data and does not take data of a real market/)
    expect(stderr).toMatch(/--data-dir/)
    expect(place.files()).toEqual(before)
  })

  test('where the vendor itself is meant, it is not even asked', async () => {
    const place = new Place(undefined)
    expect(await place.run(`backfill ${WEEK} --source simulator`)).toMatchObject({ code: 0 })
    const before = place.files()
    const env = { POLYGON_API_KEY: 'nobody-is-asked', POLYGON_REST_URL: 'https://api.polygon.io' }
    for (const command of ['backfill --ticker', 'backfill-all --tickers']) {
      const { code, stdout, stderr } = await new Place(undefined, env, place.dataDir).run(
        `${command} SPY --from 2025-06-02 --to 2025-06-09`,
      )
      expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
      expect(stderr).toMatch(/holds synthetic data and does not take data of a real market/)
    }
    expect(place.files()).toEqual(before)
  })

  test('a lake of real data refuses synthetic data with exit 2, from the program itself and from a server', async () => {
    const place = new Place((await vendor()).url)
    expect(await place.run(`backfill ${WEEK}`)).toMatchObject({ code: 0 })
    const before = place.files()
    const refusals = [
      place.run('backfill --ticker QQQ --days 2 --source simulator'),
      new Place((await simulate()).url, {}, place.dataDir).run('backfill --ticker IWM --days 2'),
    ]
    for (const { code, stderr } of await Promise.all(refusals)) {
      expect(code).toBe(2)
      expect(stderr).toMatch(/holds real data and does not take synthetic data/)
    }
    expect(place.files()).toEqual(before)
  })
})

describe('a file that was damaged on the disk', () => {
  test('is mended by recording one of its sessions anew; what else it held is not lost in silence', async () => {
    const place = new Place((await simulate()).url)
    expect(await place.run(`backfill ${WEEK}`)).toMatchObject({ code: 0 })
    const [file] = place.paths().filter((path) => path.endsWith('.parquet'))
    const bytes = readFileSync(join(place.dataDir, file!))
    bytes[bytes.length >> 1]! ^= 255
    writeFileSync(join(place.dataDir, file!), bytes)
    const day = '--ticker SPY --from 2025-06-04 --to 2025-06-04'
    const mended = await place.run(`backfill ${day} --force`)
    expect(mended).toMatchObject({
      code: 3,
      stdout: expect.stringMatching(/missing: SPY equity_bars_1m 2025-06-02/) as string,
      stderr: expect.stringMatching(/was damaged.*is lost: record them again/s) as string,
    })
    const aside = join(place.dataDir, 'state/damaged')
    expect(readFileSync(join(aside, readdirSync(aside)[0]!))).toEqual(bytes)
    const { stdout } = await place.run('gaps')
    expect(stdout).toMatch(/suspected +the segment was damaged/)
    expect(await place.run(`backfill ${WEEK}`)).toMatchObject({ code: 0 })
    expect(await place.run('verify --deep')).toMatchObject({ code: 0 })
    expect(await place.run('gaps')).toMatchObject({ code: 0 })
  })
})

describe('a data directory of a newer tapelake', () => {
  test('is refused with exit 2 before anything is asked, and not touched', async () => {
    const simulator = await simulate()
    const place = new Place(simulator.url)
    const stamp = {
      schema: { name: 'tapelake.lake', version: 99 },
      provenance: 'synthetic',
      createdAt: '2031-01-01',
    }
    writeFileSync(join(place.dataDir, 'lake.json'), JSON.stringify(stamp))
    const before = place.files()
    const { code, stderr } = await place.run(`backfill ${WEEK}`)
    expect(code).toBe(2)
    expect(stderr).toMatch(/lake format 99.*\n.*Upgrade tapelake/)
    expect(simulator.stats().calls).toBe(0)
    expect(place.files()).toEqual(before)
  })

  test('so is a ledger of a newer one', async () => {
    const place = new Place((await simulate()).url)
    await place.run(`backfill ${WEEK}`)
    const path = join(place.dataDir, 'ledger', 'equity_bars_1m', 'SPY.json')
    writeFileSync(path, readFileSync(path, 'utf8').replace(/"version": \d+/, '"version": 99'))
    const before = place.files()
    const { code, stderr } = await place.run(`backfill ${WEEK} --force`)
    expect(code).toBe(2)
    expect(stderr).toMatch(/SPY\.json has format 99.*\n.*Upgrade tapelake/)
    expect(place.files()).toEqual(before)
  })
})

describe('a data directory that cannot be used', () => {
  test('because a file is in its way is refused and named', async () => {
    const place = new Place((await simulate()).url)
    writeFileSync(join(place.dataDir, 'state'), 'a file where a folder should be')
    const { code, stderr } = await place.run(`backfill ${WEEK}`)
    expect(code).toBe(1)
    expect(stderr).toContain(place.dataDir)
  })

  test('because the disk is too full is refused before anything is asked', async () => {
    const simulator = await simulate()
    const place = new Place(simulator.url, { TAPELAKE__DISK__MIN_FREE_MB: '999999999' })
    const { code, stderr } = await place.run(`backfill ${WEEK}`)
    expect(code).toBe(1)
    expect(stderr).toMatch(/only \d+ MiB are free/)
    expect(simulator.stats().calls).toBe(0)
  })
})

describe('two backfills of the same series at once', () => {
  test('one records it, the other ends with exit 6 and names the first; with --wait both succeed', async () => {
    const simulator = await simulate(['slow:delay-ms=2500'])
    const place = new Place(simulator.url)
    const first = place.backfill(WEEK)
    while (simulator.stats().calls === 0) await new Promise((resolve) => setTimeout(resolve, 20))
    const [second, third] = await Promise.all([
      place.run(`backfill ${WEEK}`),
      place.backfill(`${WEEK} --wait 60`),
    ])
    expect(second.code).toBe(6)
    expect(second.stderr).toMatch(/written by process \d+ \(backfill of SPY equity_bars_1m/)
    expect(second.stderr).toMatch(/--wait/)
    expect((await first).code).toBe(0)
    expect(third).toMatchObject({ code: 0, document: { calls: 0, states: { complete: 5 } } })
  })

  test('of different series do not get in each other’s way', async () => {
    const place = new Place((await simulate()).url)
    mkdirSync(join(place.dataDir, 'lake'), { recursive: true })
    const runs = await Promise.all([place.backfill(WEEK), place.backfill(WEEK.replace('SPY', 'QQQ'))])
    expect(runs.map(({ code }) => code)).toEqual([0, 0])
  })
})
