import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { CASES } from './cases/index.ts'
import { PROJECT } from './harness/built.ts'
import { runCase, serveBody } from './harness/child.ts'
import { describeMachine, formatMachine } from './harness/machine.ts'
import { formatTable, number, verdict, type Table } from './harness/table.ts'
import { backfill } from './sections/backfill.ts'
import { custody } from './sections/custody.ts'
import { trust } from './sections/trust.ts'
import { fileSize } from './sections/file-size.ts'
import { kernels } from './sections/kernels.ts'
import { live } from './sections/live.ts'
import { query } from './sections/query.ts'
import type { Report, Setup, Target } from './sections/section.ts'
import { startUp } from './sections/start-up.ts'
import { workers } from './sections/workers.ts'
import { wholePath } from './sections/whole-path.ts'

/** In the order in which they run; the query section asks the lake that the backfill section left. */
const SECTIONS: Readonly<Record<string, (setup: Setup) => Promise<Report>>> = {
  'start-up': startUp,
  'whole-path': wholePath,
  kernels,
  'file-size': fileSize,
  backfill,
  query,
  live,
  custody,
  trust,
  workers,
}

const USAGE = `npm run bench [-- [--smoke] [--rounds N] [--only ${Object.keys(SECTIONS).join('|')}]]`

const { values } = parseArgs({
  options: {
    smoke: { type: 'boolean', default: false },
    rounds: { type: 'string' },
    only: { type: 'string', multiple: true },
    case: { type: 'string' },
  },
  allowPositionals: true,
  args: process.argv.slice(2),
})
if (values.case !== undefined) await measure(values.case)
else await report()

/** What a child process does: one case, its figures as the last line on stdout. */
async function measure(name: string): Promise<void> {
  const work = await CASES[name]!()
  console.log(JSON.stringify(await work(JSON.parse(process.argv.at(-1)!) as never)))
}

async function report(): Promise<void> {
  const { smoke, only = Object.keys(SECTIONS) } = values
  const unknown = only.find((name) => !(name in SECTIONS))
  if (unknown !== undefined) throw new Error(`no section is called '${unknown}': ${USAGE}`)
  const rounds = Number(values.rounds ?? (smoke ? 1 : 5))
  if (!Number.isInteger(rounds) || rounds < 1) throw new Error(`--rounds takes a whole number: ${USAGE}`)
  const out = join(PROJECT, 'bench', 'out')
  const machine = describeMachine()
  console.log(
    `${formatMachine(machine)}\n${smoke ? 'smoke run: small sizes, times mean nothing' : `medians of ${rounds} processes`}\n`,
  )
  const startedAt = new Date().toISOString()
  const reports = await withSetup(join(out, 'work'), smoke, rounds, (setup) => runSections(only, setup))
  const targets = Object.values(reports).flatMap((one) => one.targets)
  console.log(formatTable(targetTable(targets)))
  const file = join(out, smoke ? 'smoke.json' : 'results.json')
  const document = {
    schema: { name: 'tapelake.bench', version: 1 },
    startedAt,
    smoke,
    rounds,
    machine,
    targets,
    reports,
  }
  writeFileSync(file, `${JSON.stringify(document, null, 2)}\n`)
  console.log(`written to ${file}`)
}

async function withSetup<T>(
  work: string,
  smoke: boolean,
  rounds: number,
  run: (setup: Setup) => Promise<T>,
): Promise<T> {
  rmSync(work, { recursive: true, force: true })
  mkdirSync(work, { recursive: true })
  const path = join(work, 'body.json')
  const rows = smoke ? 5_000 : 50_000
  const prepared = await runCase('prepare-body', { path, rows })
  const server = await serveBody(path)
  try {
    const { bytes, gzipBytes } = prepared
    return await run({
      smoke,
      rounds,
      work,
      body: { path, rows, bytes: bytes!, gzipBytes: gzipBytes! },
      server,
    })
  } finally {
    await server.stop()
    rmSync(work, { recursive: true, force: true })
  }
}

async function runSections(names: readonly string[], setup: Setup): Promise<Record<string, Report>> {
  const reports: Record<string, Report> = {}
  for (const [name, section] of Object.entries(SECTIONS)) {
    if (!names.includes(name)) continue
    const one = await section(setup)
    reports[name] = one
    for (const table of one.tables) console.log(formatTable(table))
  }
  return reports
}

function targetTable(targets: readonly Target[]): Table {
  return {
    title: 'Targets',
    head: ['', 'found', 'target', ''],
    rows: targets.map(({ name, value, target, met }) => [name, number(value), target, verdict(met)]),
  }
}
