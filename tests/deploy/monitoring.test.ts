import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { createMetrics, type RunGauges } from '../../src/monitor/metrics.ts'
import { RunCounters } from '../../src/monitor/run-counters.ts'

const path = (name: string): string => fileURLToPath(new URL(`../../${name}`, import.meta.url))
const read = (name: string): string => readFileSync(path(name), 'utf8')

interface Rule {
  readonly alert: string
  readonly expr: string
  readonly annotations: { readonly summary: string; readonly runbook: string }
}

const RULES = 'deploy/prometheus/tapelake-alerts.yaml'
const { rules } = (parse(read(RULES)) as { groups: { rules: Rule[] }[] }).groups[0]!

const gauges: RunGauges = {
  ...{ durationMs: 1, queueDepth: 0, streamLagMs: 1, reconnects: 0, breakers: { aggregates: 0 } },
  ...{ errorBursts: 0, successRatios: { aggregates: 1 }, problems: {}, budgetRemaining: 1, budgetLimit: 5 },
  ...{ lastSuccessMs: 1, exitCode: 0 },
}

/** Names of all samples there are. */
async function namesOfSamples(): Promise<Set<string>> {
  const metrics = await createMetrics({
    ...{
      counters: new RunCounters(),
      gauges: () => gauges,
      command: 'backfill',
      sessionStates: ['complete'],
    },
    process: false,
  })
  metrics.observeRequest('aggregates', 1)
  return new Set([...(await metrics.render()).matchAll(/^(tapelake_\w+)/gm)].map(([, name]) => name!))
}

const namesIn = (text: string): string[] => [...new Set(text.match(/tapelake_\w+/g))]

describe('the alert rules', () => {
  test('ask for metrics that there are, and each has its runbook', async () => {
    const known = await namesOfSamples()
    for (const { alert, expr, annotations } of rules) {
      for (const name of namesIn(expr)) expect(known, alert).toContain(name)
      expect(annotations.runbook).toBe(`docs/runbooks/${alert}.md`)
      const runbook = read(annotations.runbook)
      expect(runbook.startsWith(`# ${alert}\n`)).toBe(true)
      expect(runbook).toContain(expr)
    }
  })

  test('have no runbook too many', () => {
    const files = readdirSync(path('docs/runbooks')).filter((name) => name !== 'README.md')
    expect(files.sort()).toEqual(rules.map(({ alert }) => `${alert}.md`).sort())
    for (const { alert } of rules) expect(read('docs/runbooks/README.md')).toContain(`(${alert}.md)`)
  })

  const promtool = process.env['PROMTOOL'] ?? 'promtool'
  test.skipIf(spawnSync(promtool, ['--version']).status !== 0)('are what promtool accepts', () => {
    const { status, stdout, stderr } = spawnSync(promtool, ['check', 'rules', path(RULES)], {
      encoding: 'utf8',
    })
    expect(status, stdout + stderr).toBe(0)
    expect(stdout).toContain(`SUCCESS: ${rules.length} rules found`)
  })
})

test('the dashboard asks for metrics that there are', async () => {
  const known = await namesOfSamples()
  const { panels, title } = JSON.parse(read('deploy/grafana/tapelake.json')) as {
    title: string
    panels: { title: string; targets: { expr: string }[] }[]
  }
  expect(title).toBe('tapelake')
  for (const panel of panels)
    for (const { expr } of panel.targets)
      for (const name of namesIn(expr)) expect(known, panel.title).toContain(name)
})
