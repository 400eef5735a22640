import { spawnSync } from 'node:child_process'
import { readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { ERROR_CATEGORIES, ServerError } from '../../src/core/errors.ts'
import { createMetrics, type RunGauges } from '../../src/monitor/metrics.ts'
import { serveMetrics } from '../../src/monitor/metrics-server.ts'
import { RunCounters } from '../../src/monitor/run-counters.ts'
import { simulate, vendorEnv } from '../end-to-end/world.ts'
import { freshFolder, runCliJson, runHere } from '../support/cli.ts'

const GAUGES: RunGauges = {
  ...{ durationMs: 1500, queueDepth: 3, streamLagMs: undefined, reconnects: 0, breakers: { aggregates: 2 } },
  ...{ budgetRemaining: 4, budgetLimit: 5, lastSuccessMs: undefined, exitCode: undefined },
  ...{ errorBursts: 0, successRatios: { aggregates: 0.5 }, problems: { stale: 1 } },
}

function metricsOf(counters: RunCounters) {
  return createMetrics({
    ...{ counters, gauges: () => GAUGES, command: 'backfill', sessionStates: ['complete', 'failed'] },
    process: false,
  })
}

/** Samples by name and labels, as an independent reading of the text format gives them. */
function samplesIn(text: string): Map<string, number> {
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'))
  return new Map(
    lines.map((line) => {
      const [, name, labels = '', value] = /^([a-z_]+)(?:\{(.*)\})? (\S+)$/.exec(line)!
      const own = labels.split(',').filter((label) => !label.startsWith('command='))
      return [`${name}{${own.join(',')}}`, Number(value)]
    }),
  )
}

const promtool = process.env['PROMTOOL'] ?? 'promtool'
const hasPromtool = spawnSync(promtool, ['--version']).status === 0

describe('metrics', () => {
  test('have every counter from the start, at 0, with help and type, and count on', async () => {
    const counters = new RunCounters()
    const metrics = await metricsOf(counters)
    const text = await metrics.render()
    const start = samplesIn(text)
    const names = [...text.matchAll(/^# TYPE (\S+) counter$/gm)].map(([, name]) => name!)
    expect(names).toContain('tapelake_rows_fetched_total')
    expect(names).toContain('tapelake_calls_total')
    for (const name of names) {
      expect(name).toMatch(/^tapelake_[a-z_]+_total$/)
      expect(text).toMatch(new RegExp(`^# HELP ${name} .+\\.$`, 'm'))
    }
    for (const category of ERROR_CATEGORIES)
      expect(start.get(`tapelake_errors_total{category="${category}"}`)).toBe(0)
    expect(start.get('tapelake_sessions_total{state="failed"}')).toBe(0)

    counters.calls += 2
    counters.countFailure(new ServerError('broken'))
    counters.countRefused(7)
    counters.countSessions('complete', 3)
    metrics.observeRequest('aggregates', 0.3)
    const after = samplesIn(await metrics.render())
    expect(after.get('tapelake_calls_total{}')).toBe(2)
    expect(after.get('tapelake_errors_total{category="server"}')).toBe(1)
    expect(after.get('tapelake_errors_total{category="validation"}')).toBe(7)
    expect(after.get('tapelake_sessions_total{state="complete"}')).toBe(3)
    expect(after.get('tapelake_request_duration_seconds_count{endpoint="aggregates"}')).toBe(1)
  })

  test('show gauges in base units, and none that is not known', async () => {
    const text = await (await metricsOf(new RunCounters())).render()
    const samples = samplesIn(text)
    expect(samples.get('tapelake_run_duration_seconds{}')).toBe(1.5)
    expect(samples.get('tapelake_breaker_state{endpoint="aggregates"}')).toBe(2)
    expect(samples.get('tapelake_endpoint_success_ratio{endpoint="aggregates"}')).toBe(0.5)
    expect(samples.get('tapelake_performance_problems{kind="stale"}')).toBe(1)
    expect(samples.get('tapelake_performance_problems{kind="no_data"}')).toBe(0)
    expect(samples.get('tapelake_budget_remaining_calls{}')).toBe(4)
    expect(samples.has('tapelake_stream_lag_seconds{}')).toBe(false)
    expect(samples.has('tapelake_last_success_timestamp_seconds{}')).toBe(false)
  })

  test.skipIf(!hasPromtool)('are what promtool accepts without a complaint', async () => {
    const metrics = await metricsOf(new RunCounters())
    metrics.observeRequest('aggregates', 0.3)
    const { status, stdout, stderr } = spawnSync(promtool, ['check', 'metrics'], {
      input: await metrics.render(),
      encoding: 'utf8',
    })
    expect(stdout + stderr).toBe('')
    expect(status).toBe(0)
  })

  test('are served at /metrics and nowhere else', async () => {
    const server = await serveMetrics(await metricsOf(new RunCounters()), '127.0.0.1', 0)
    const answer = await fetch(server.url)
    expect(answer.status).toBe(200)
    expect(answer.headers.get('content-type')).toMatch(/^text\/plain; version=0\.0\.4/)
    expect(await answer.text()).toContain('tapelake_calls_total')
    expect((await fetch(server.url.replace('/metrics', '/'))).status).toBe(404)
    expect((await fetch(server.url, { method: 'POST' })).status).toBe(405)
    const port = Number(new URL(server.url).port)
    const second = serveMetrics(await metricsOf(new RunCounters()), '127.0.0.1', port)
    await expect(second).rejects.toThrow(`metrics cannot be served on 127.0.0.1:${port}`)
    await server.close()
  })
})

describe('a backfill that shows its metrics', () => {
  const args = ['backfill', '--ticker', 'SPY', '--from', '2025-06-02', '--to', '2025-06-06']

  test('leaves a file for node_exporter that says what the summary says', async () => {
    const simulator = await simulate(['500:first=2'])
    const dataDir = freshFolder()
    const file = join(dataDir, 'metrics/tapelake.prom')
    const flags = ['--data-dir', dataDir, '--metrics-textfile', file]
    const env = vendorEnv(simulator.url)
    const { document } = await runCliJson([...args, ...flags], { env, here: true })
    const samples = samplesIn(readFileSync(file, 'utf8'))
    expect(samples.get('tapelake_calls_total{}')).toBe(simulator.stats().calls)
    expect(samples.get('tapelake_retries_total{}')).toBe(2)
    expect(samples.get('tapelake_rows_fetched_total{}')).toBe(document['rows'])
    expect(samples.get('tapelake_rows_recorded_total{}')).toBe(document['rows'])
    expect(samples.get('tapelake_errors_total{category="server"}')).toBe(2)
    expect(samples.get('tapelake_sessions_total{state="complete"}')).toBe(5)
    expect(samples.get('tapelake_run_exit_code{}')).toBe(0)
    const success = samples.get('tapelake_last_success_timestamp_seconds{}')!
    expect(Math.abs(success - Date.now() / 1000)).toBeLessThan(60)
    expect(readdirSync(join(dataDir, 'metrics'))).toEqual(['tapelake.prom'])

    const broken = { ...env, POLYGON_REST_URL: 'http://127.0.0.1:9' }
    await runHere([...args, '--force', ...flags], { env: broken })
    const after = samplesIn(readFileSync(file, 'utf8'))
    expect(after.get('tapelake_last_success_timestamp_seconds{}')).toBe(success)
    expect(after.get('tapelake_run_exit_code{}')).toBe(3)
    expect(after.get('tapelake_errors_total{category="network"}')).toBeGreaterThan(0)
  })

  test('tells what is left of the budget, where there is a limit', async () => {
    const file = join(freshFolder(), 'tapelake.prom')
    const url = (await simulate()).url
    const env = { ...vendorEnv(url), TAPELAKE__SOURCES__POLYGON__CALLS_PER_MINUTE: '7' }
    await runHere([...args, '--data-dir', freshFolder(), '--metrics-textfile', file], { env })
    const samples = samplesIn(readFileSync(file, 'utf8'))
    expect(samples.get('tapelake_budget_limit_calls{}')).toBe(7)
    expect(samples.get('tapelake_budget_remaining_calls{}')).toBeLessThan(7)
  })

  test('serves them while it runs, and says where', async () => {
    const simulator = await simulate(['slow:first=1,delay-ms=400'])
    let seen: Promise<string> | undefined
    const run = await runHere([...args, '--data-dir', freshFolder(), '--metrics-port', '0'], {
      env: vendorEnv(simulator.url),
      onOutput: (text) => {
        const url = /metrics: (\S+)/.exec(text)?.[1]
        if (url) seen ??= fetch(url).then((answer) => answer.text())
      },
    })
    expect(run.code).toBe(0)
    expect(await seen).toContain('# TYPE tapelake_rows_fetched_total counter')
    expect(await seen).toContain('process_resident_memory_bytes')
  })

  test('is refused where the port is no port, or the file is no place', async () => {
    const env = vendorEnv((await simulate()).url)
    const bad = await runHere([...args, '--metrics-port', '70000'], { env })
    expect(bad).toMatchObject({ code: 2 })
    const file = join(freshFolder(), 'file')
    writeFileSync(file, '')
    const flags = ['--data-dir', freshFolder(), '--metrics-textfile', join(file, 'x.prom')]
    expect(await runHere([...args, ...flags], { env })).toMatchObject({ code: 1 })
  })
})
