import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { calm, cutRows } from '../pipeline/gap-lake.ts'
import { vendor, vendorEnv } from '../end-to-end/world.ts'
import { freshFolder, runCliJson, runHere } from '../support/cli.ts'
import { startVendorServer } from '../support/vendor-server.ts'

describe('tapelake quality', () => {
  test('lists sessions with their parts, worst first for people; gates scripts and queries with exit 5', async () => {
    const server = await vendor({ bars: (date) => calm(date) })
    const dir = freshFolder()
    const hook = await startVendorServer([{ body: {} }])
    writeFileSync(join(dir, 'hook'), `${hook.url}/alerts`)
    const env = { ...vendorEnv(server.url), TAPELAKE__STREAM__WEBHOOK_URL_FILE: join(dir, 'hook') }
    const at = ['--data-dir', join(dir, 'data')]
    await runHere(['backfill', '--ticker', 'SPY,QQQ', '--from', '2025-06-02', '--to', '2025-06-04', ...at], {
      env,
    })
    const whole = await runCliJson(['quality', '--min', '0.9', ...at], { env, here: true })
    expect(whole.code).toBe(0)
    expect(hook.requests.length).toBe(0)
    await cutRows(join(dir, 'data'), `timestamp BETWEEN '2025-06-03 14:00:00Z' AND '2025-06-03 16:00:00Z'`)

    const asked = ['quality', '--ticker', 'SPY', '--from', '2025-06-03', '--to', '2025-06-03']
    const { code, document } = await runCliJson([...asked, ...at], { env, here: true })
    expect(code).toBe(0)
    expect(document).toMatchObject({
      schema: { name: 'tapelake.quality', version: 1 },
      sessions: [{ date: '2025-06-03', ticker: 'SPY', score: 0, parts: { continuity: 0, validity: 1 } }],
    })
    const people = await runHere(['quality', ...at], { env })
    const lines = people.stdout.split('\n')
    expect(lines[1]).toMatch(/^2025-06-03 +equity_bars_1m +SPY +0.0000 +completeness 0.69, continuity 0.00 /)
    expect(lines.at(-2)).toBe('6 sessions scored.')
    expect(hook.requests.length).toBeGreaterThan(0)
    const gated = await runHere(['quality', '--min', '0.9', ...at], { env })
    expect(gated).toMatchObject({
      code: 5,
      stdout: expect.stringContaining('1 session of 6 below 0.9.') as string,
    })

    const refused = await runHere(['query', '--min-quality', '0.9', 'FROM equity_bars_1m', ...at], { env })
    expect(refused).toMatchObject({ code: 5, stdout: '' })
    expect(refused.stderr).toContain('quality below 0.9: SPY equity_bars_1m 2025-06-03 (0)')
    const other = `SELECT count(*) AS n FROM equity_bars_1m WHERE ticker = 'QQQ'`
    const allowed = await runHere(['query', '--min-quality', '0.9', other, '--format', 'csv', ...at], { env })
    expect(allowed).toMatchObject({ code: 0, stdout: 'n\n1170\n' })
    const always = { ...env, TAPELAKE__QUALITY__READ_MIN: '0.5' }
    expect((await runHere(['query', 'FROM equity_bars_1m', ...at], { env: always })).code).toBe(5)
    await hook.close()
  })

  test('a query as of an instant is judged by what the lake held then', async () => {
    let isHoled = true
    const between = ({ t }: { t?: unknown }) =>
      Number(t) >= Date.parse('2025-06-03T14:00Z') && Number(t) < Date.parse('2025-06-03T17:00Z')
    const server = await vendor({
      bars: (date) => (isHoled ? calm(date).filter((bar) => !between(bar)) : calm(date)),
    })
    const env = vendorEnv(server.url)
    const at = ['--data-dir', freshFolder()]
    const span = ['--ticker', 'SPY', '--from', '2025-06-02', '--to', '2025-06-04']
    await runHere(['backfill', ...span, ...at], { env })
    const holed = new Date().toISOString()
    isHoled = false
    await runHere(['backfill', ...span, '--force', ...at], { env })
    const whole = new Date().toISOString()
    await cutRows(at[1]!, `timestamp BETWEEN '2025-06-04 14:00:00Z' AND '2025-06-04 16:00:00Z'`)
    const ask = async (...more: string[]) =>
      await runHere(['query', '--min-quality', '0.9', 'FROM equity_bars_1m', ...more, ...at], { env })
    const then = await ask('--as-of', holed)
    expect(then).toMatchObject({ code: 5, stdout: '' })
    expect(then.stderr).toContain('quality below 0.9: SPY equity_bars_1m 2025-06-03')
    expect((await ask('--as-of', whole)).stderr).toContain('SPY equity_bars_1m 2025-06-04') // its file was cut since
    await runHere(['backfill', ...span, '--force', ...at], { env })
    expect((await ask()).code).toBe(0)
    expect((await ask('--as-of', whole, '--format', 'csv')).code).toBe(0)
    expect((await ask('--as-of', holed)).code).toBe(5)
  })

  test('refuses scores that are none and tickers that are not held', async () => {
    const at = ['--data-dir', freshFolder()]
    expect(await runHere(['quality', '--min', '2', ...at])).toMatchObject({ code: 2 })
    expect((await runHere(['quality', '--ticker', 'SPY', ...at])).stderr).toContain(
      'nothing recorded matches',
    )
    expect((await runHere(['quality', ...at])).stdout).toBe('Nothing to score.\n')
  })
})
