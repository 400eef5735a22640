import { execFile } from 'node:child_process'
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { delimiter, join } from 'node:path'
import { promisify } from 'node:util'
import { beforeAll, describe, expect, test, vi } from 'vitest'
import { parseFault, startSimulator } from '../../src/simulator/index.ts'
import { DATASETS } from '../../src/market/datasets/index.ts'
import { CLI_BIN, cliEnv, freshFolder, runCli, runCliJson, runHere } from '../support/cli.ts'

const here = { here: true }

describe('calendar', () => {
  test('lists sessions with their instants in UTC, early closes and closures', async () => {
    const { document } = await runCliJson(['calendar', '--from', '2025-07-02', '--to', '2025-07-07'], here)
    expect(document).toEqual({
      schema: { name: 'tapelake.calendar', version: 1 },
      exchange: 'XNYS',
      name: expect.any(String) as string,
      timeZone: 'America/New_York',
      from: '2025-07-02',
      to: '2025-07-07',
      sessions: [
        session('2025-07-02', 'T20:00:00Z', '2025-07-03T00:00:00Z', false),
        session('2025-07-03', 'T17:00:00Z', '2025-07-03T21:00:00Z', true),
        session('2025-07-07', 'T20:00:00Z', '2025-07-08T00:00:00Z', false),
      ],
      closures: [{ date: '2025-07-04', reason: 'Independence Day' }],
    })
  })

  function session(date: string, close: string, extendedClose: string, earlyClose: boolean) {
    return {
      date,
      open: `${date}T13:30:00Z`,
      close: `${date}${close}`,
      extendedOpen: `${date}T08:00:00Z`,
      extendedClose,
      earlyClose,
    }
  }

  test('shows a table, and says so where there is no session', async () => {
    const { stdout } = await runHere(['calendar', '--from', '2025-07-03', '--to', '2025-07-03'])
    expect(stdout).toMatch(/^2025-07-03 {2}2025-07-03T13:30:00Z .* early close$/m)
    const none = await runHere(['calendar', '--from', '2025-07-04', '--to', '2025-07-06'])
    expect(none.stderr).toBe('XNYS has no session from 2025-07-04 to 2025-07-06.\n')
    expect(none.stdout).toBe('')
  })

  test('begins today, by the clock of the exchange, where nothing is said', async () => {
    const env = { TAPELAKE_NOW: '2025-07-08T01:00:00Z' }
    const { document } = await runCliJson(['calendar'], { here: true, env })
    expect(document).toMatchObject({ from: '2025-07-07', to: '2025-08-06' })
  })

  test('refuses a range that is the wrong way round', async () => {
    const { code, stderr } = await runHere(['calendar', '--from', '2025-07-08', '--to', '2025-07-07'])
    expect(stderr).toContain('--from 2025-07-08 is after --to 2025-07-07')
    expect(code).toBe(2)
  })
})

describe('datasets', () => {
  test('lists them all, shows one, and gives full definitions', async () => {
    const all = await runHere(['datasets'])
    for (const { name } of DATASETS) expect(all.stdout).toContain(name)
    const one = await runHere(['datasets', 'trades'])
    expect(one.stdout).toMatch(/^sip_timestamp_ns +ns +ns since epoch, UTC/m)
    const { document } = await runCliJson(['datasets', 'splits'], here)
    expect(document['datasets']).toEqual(DATASETS.filter(({ name }) => name === 'splits'))
  })

  test('writes Markdown for documentation', async () => {
    const { stdout } = await runHere(['datasets', '--markdown'])
    expect(stdout.match(/^## /gm)).toHaveLength(DATASETS.length)
    expect(stdout).toContain(
      '| `timestamp` | timestamp |  | µs since epoch, UTC | Start of the bar, inclusive. |',
    )
  })
})

describe('config', () => {
  test('check names the files that are in order', async () => {
    const cwd = freshFolder()
    expect((await runHere(['config', 'check'], { cwd })).stdout).toContain('no config files')
    mkdirSync(join(cwd, 'config'))
    writeFileSync(join(cwd, 'config/sinks.yaml'), 'sinks:\n')
    expect((await runHere(['config', 'check'], { cwd })).stdout).toContain(join(cwd, 'config/sinks.yaml'))
    const { document } = await runCliJson(['config', 'check'], { here: true, cwd })
    expect(document).toMatchObject({ valid: true, configFiles: [join(cwd, 'config/sinks.yaml')] })
  })

  test('show resolves what depends on other settings', async () => {
    const env = { TAPELAKE__SINKS__PARQUET__ENGINE: 'parquetjs-lite' }
    const { stdout } = await runHere(['config', 'show'], { env })
    expect(stdout).toMatch(/^sinks\.parquet\.compression +snappy$/m)
    expect(stdout).toMatch(/^sources\.polygon\.callsPerMinute +5$/m)
  })

  test('schema is a JSON Schema', async () => {
    const { stdout } = await runHere(['config', 'schema'])
    expect(JSON.parse(stdout)).toMatchObject({ $schema: 'https://json-schema.org/draft/2020-12/schema' })
  })
})

describe('a lake of two sessions', () => {
  const dataDir = freshFolder()
  const env = { TAPELAKE_DATA_DIR: dataDir, TAPELAKE_NOW: '2025-06-10T21:00:00Z' }

  beforeAll(async () => {
    const args = ['backfill', '--ticker', 'SPY', '--from', '2025-06-05', '--to', '2025-06-06']
    const { code, stderr } = await runHere([...args, '--source', 'simulator', '--no-progress'], { env })
    expect(stderr).toBe('')
    expect(code).toBe(0)
  })

  test('status tells ranges, rows and bytes', async () => {
    const { document } = await runCliJson(['status'], { here: true, env })
    expect(document).toMatchObject({
      schema: { name: 'tapelake.status', version: 1 },
      provenance: 'synthetic',
    })
    const [series, ...rest] = document['series'] as Record<string, unknown>[]
    expect(series).toMatchObject({
      dataset: 'equity_bars_1m',
      ticker: 'SPY',
      first: '2025-06-05',
      last: '2025-06-06',
      files: 1,
      cells: { complete: 2, missing: 0 },
      holes: [],
    })
    expect(series?.['rows']).toBeGreaterThan(780)
    expect(rest).toEqual([])
    const { stdout, stderr } = await runHere(['status'], { env })
    expect(stdout).toMatch(/^equity_bars_1m +SPY +2025-06-05 +2025-06-06 +[\d,]+ +[\d.]+ KiB +1 +2 +0$/m)
    expect(stderr).toBe('This lake holds synthetic data from the simulator.\n')
  })

  test('status and verify can be asked for one dataset or ticker', async () => {
    for (const only of [
      ['--ticker', 'QQQ'],
      ['--dataset', 'trades'],
      ['--dataset', 'splits', '--dataset', 'dividends'],
    ]) {
      const { document } = await runCliJson(['status', ...only], { here: true, env })
      expect(document['series']).toEqual([])
    }
    const { document } = await runCliJson(['verify', '--ticker', 'SPY', '--dataset', 'bars_1m'], {
      here: true,
      env,
    })
    expect(document).toMatchObject({ series: 1, files: 1, findings: [] })
  })

  test('status and verify say that nothing matches what was asked for, and what is held', async () => {
    const only = ['--dataset', 'bars_1m', '--ticker', 'NOPE']
    const verified = await runHere(['verify', ...only], { env })
    expect(verified.stderr).toContain('nothing recorded matches --dataset bars_1m --ticker NOPE')
    expect(verified.stderr).toContain('Held: equity_bars_1m SPY.')
    expect(verified.stdout).toBe('')
    expect(verified.code).toBe(2)
    const { code, stderr } = await runHere(['status', '--ticker', 'NOPE'], { env })
    expect(stderr).toBe('Nothing recorded matches --ticker NOPE. Held: equity_bars_1m SPY.\n')
    expect(code).toBe(0)
    const empty = await runHere(['verify', '--ticker', 'NOPE', '--data-dir', freshFolder()])
    expect(empty).toMatchObject({ code: 2 })
    expect(empty.stderr).toMatch(/nothing recorded matches --ticker NOPE\n.*Nothing is held in/)
  })

  test('query and status show the lake as it stood at an instant', async () => {
    const sql = 'SELECT count(*) AS n FROM equity_bars_1m'
    const early = ['--as-of', '2025-06-06']
    expect((await runHere(['query', sql, '--format', 'csv', ...early], { env })).stdout).toBe('n\n0\n')
    const { document } = await runCliJson(['status', ...early], { here: true, env })
    expect(document).toMatchObject({ asOf: '2025-06-06T00:00:00.000Z', series: [{ rows: 0, first: null }] })
    const late = ['--as-of', '2999-01-01T00:00:00Z']
    const plain = await runHere(['query', sql, '--format', 'csv'], { env })
    expect(await runHere(['query', sql, '--format', 'csv', ...late], { env })).toEqual({
      ...plain,
      stderr: '2999-01-01T00:00:00.000Z lies ahead: this is the lake as it stands now.\n',
    })
    const bad = await runHere(['query', sql, '--as-of', 'yesterday'], { env })
    expect(bad).toMatchObject({ code: 2 })
    expect(bad.stderr).toContain('2025-06-02T20:00:00Z')
  })

  test('verify finds it in order', async () => {
    const { code, stdout } = await runHere(['verify'], { env })
    expect(stdout).toMatch(/^In order: 1 series, 1 file, [\d,]+ rows, [\d.]+ KiB\.\n$/)
    expect(code).toBe(0)
  })

  test('verify calls a folder without a lake no good lake', async () => {
    const nowhere = join(freshFolder(), 'mistyped')
    const { code, stdout } = await runHere(['verify', '--data-dir', nowhere], { env })
    expect(stdout).toBe(`Nothing is held in ${nowhere}: nothing to verify.\n`)
    expect(code).toBe(0)
  })

  test('a session that is not over is pending, no hole', async () => {
    const args = [
      'backfill',
      '--ticker',
      'SPY',
      '--from',
      '2025-06-09',
      '--to',
      '2025-06-10',
      '--source',
      'simulator',
    ]
    const early = { TAPELAKE_DATA_DIR: freshFolder(), TAPELAKE_NOW: '2025-06-10T15:00:00Z' }
    await runHere(args, { env: early })
    const { document } = await runCliJson(['status'], { here: true, env: early })
    const [series] = document['series'] as { cells: Record<string, number>; holes: unknown[] }[]
    expect(series?.cells).toMatchObject({ complete: 1, pending: 1 })
    expect(series?.holes).toEqual([])
  })

  test('status names holes with their reasons, the first twenty of them', async () => {
    const days = ['03', '05', '09', '11', '13', '17', '20', '24', '26', '30'].map((day) => `2025-06-${day}`)
    const more = ['02', '07', '09', '11', '15', '17', '21', '23', '25', '29', '31'].map(
      (day) => `2025-07-${day}`,
    )
    const faults = [...days, ...more].map((day) => parseFault(`invalid-rows:day=${day}`))
    const nowMs = Date.parse('2025-08-05T21:00:00Z')
    const simulator = await startSimulator({ faults, now: () => nowMs })
    const badDays = {
      TAPELAKE_DATA_DIR: freshFolder(),
      TAPELAKE_NOW: new Date(nowMs).toISOString(),
      POLYGON_REST_URL: simulator.url,
      POLYGON_API_KEY: 'simulator',
    }
    const range = ['--from', '2025-06-02', '--to', '2025-08-01']
    const { code } = await runHere(['backfill', '--ticker', 'SPY', ...range], { env: badDays })
    await simulator.close()
    expect(code).toBe(3)
    const { stdout } = await runHere(['status'], { env: badDays })
    expect(stdout).toMatch(/\nHoles:\n {2}equity_bars_1m SPY 2025-06-03: quarantined, .+\n/)
    expect(stdout).toContain('  and 1 more; --json lists them all\n')
  })

  test('query answers in every format', async () => {
    const sql =
      "SELECT ticker, count(*) AS bars FROM equity_bars_1m WHERE timestamp < '2025-06-06' GROUP BY ticker"
    const rows = [{ ticker: 'SPY', bars: expect.any(Number) as number }]
    expect((await runHere(['query', sql], { env })).stdout).toMatch(/^SPY +\d+$/m)
    expect((await runHere(['query', sql, '--format', 'csv'], { env })).stdout).toMatch(
      /^ticker,bars\nSPY,\d+\n$/,
    )
    expect(JSON.parse((await runHere(['query', sql, '--format', 'json'], { env })).stdout)).toEqual(rows)
    const { document } = await runCliJson(['query', sql], { here: true, env })
    expect(document).toEqual({ schema: { name: 'tapelake.query', version: 1 }, rows })
    expect((await runHere(['query', sql, '--format', 'parquet'], { env })).stdout).toMatch(/^PAR1/)
    expect((await runHere(['query', sql, '--format', 'arrow'], { env })).stdout.length).toBeGreaterThan(100)
  })

  test('query reads its statement from a file or stdin, and writes a file whole', async () => {
    const cwd = freshFolder()
    writeFileSync(join(cwd, 'a.sql'), 'SELECT 1 AS one')
    const { code, stdout } = await runHere(['query', '-f', join(cwd, 'a.sql'), '--output', 'out.csv'], {
      env,
      cwd,
    })
    expect([code, stdout]).toEqual([0, ''])
    expect(readFileSync(join(cwd, 'out.csv'), 'utf8')).toBe('one\n1\n')
    const piped = await runCli(['query', '-f', '-', '--format', 'csv'], { env, stdin: 'SELECT 2 AS two' })
    expect(piped.stdout).toBe('two\n2\n')
    expect(readdirSync(cwd).sort()).toEqual(['a.sql', 'out.csv'])
  })

  const refusals: [readonly string[], RegExp][] = [
    [['SELECT 1', '-f', 'x.sql'], /give the SQL or --file, not both/],
    [[], /no SQL was given/],
    [['-f', '/nowhere.sql'], /--file \/nowhere\.sql: ENOENT/],
    [['SELECT 1', '--format', 'xml'], /unknown format 'xml'\n {2}Formats: table, csv, json, parquet, arrow/],
    [['SELECT 1', '--format', 'csv', '--json'], /--json and --format csv exclude each other/],
    [['SELEC 1'], /syntax error at or near "SELEC"/],
    [['SELECT * FROM bars'], /The lake has: equity_bars_1m/],
    [['DROP VIEW equity_bars_1m'], /read-only/],
    [['SELECT 1', '--output', `${dataDir}/lake/x.csv`], /lies inside the data directory/],
  ]
  test.each(refusals)('query refuses %o', async (args, message) => {
    const { code, stdout, stderr } = await runHere(['query', ...args], { env })
    expect(stderr).toMatch(message)
    expect(stdout).not.toContain('\n1')
    expect(code).toBe(2)
  })

  test('query leaves the older file where the new one cannot be finished', async () => {
    const cwd = freshFolder()
    writeFileSync(join(cwd, 'out.csv'), 'old')
    const failing = "SELECT CASE WHEN i = 90000 THEN error('bad row') ELSE i END FROM range(100000) t(i)"
    const { code, stderr } = await runHere(['query', failing, '--output', 'out.csv'], { env, cwd })
    expect(stderr).toContain('bad row')
    expect(code).not.toBe(0)
    expect(readFileSync(join(cwd, 'out.csv'), 'utf8')).toBe('old')
    expect(readdirSync(cwd)).toEqual(['out.csv'])
  })

  test('query says which folder of --output is missing, or that it names a folder', async () => {
    const cwd = freshFolder()
    writeFileSync(join(cwd, 'file'), '')
    const refused = (output: string) => runHere(['query', 'SELECT 1', '--output', output], { env, cwd })
    for (const folder of ['no/such', 'file']) {
      const { code, stderr } = await refused(`${folder}/out.csv`)
      expect(stderr).toContain(`--output ${folder}/out.csv: there is no folder ${join(cwd, folder)}`)
      expect(stderr).not.toContain('internal error')
      expect(code).toBe(2)
    }
    mkdirSync(join(cwd, 'taken.csv'))
    expect(await refused('taken.csv')).toMatchObject({ code: 2 })
    expect((await refused('taken.csv')).stderr).toContain('--output taken.csv is a folder')
    expect(readdirSync(cwd).sort()).toEqual(['file', 'taken.csv'])
  })

  test('query refuses an ending that tells no format, unless --format does', async () => {
    const cwd = freshFolder()
    const write = (...args: string[]) => runHere(['query', 'SELECT 1 AS one', ...args], { env, cwd })
    const { code, stderr } = await write('-o', 'x.unknown')
    expect(stderr).toContain('--output x.unknown: the ending .unknown tells no format')
    expect(stderr).toContain('.csv, .json, .parquet, .arrow')
    expect(code).toBe(2)
    expect(readdirSync(cwd)).toEqual([])
    expect((await write('-o', 'x.unknown', '--format', 'csv')).code).toBe(0)
    expect((await write('-o', 'x.CSV')).code).toBe(0)
    for (const name of ['x.unknown', 'x.CSV']) expect(readFileSync(join(cwd, name), 'utf8')).toBe('one\n1\n')
  })

  test('query works on a lake that is not there yet, and makes nothing', async () => {
    const root = join(freshFolder(), 'none')
    const { stdout } = await runHere([
      'query',
      'SELECT count(*) AS n FROM splits',
      '--format',
      'csv',
      '--data-dir',
      root,
    ])
    expect(stdout).toBe('n\n0\n')
    expect(existsSync(root)).toBe(false)
  })

  test('verify names a ledger that was lost, and makes it anew when told to', async () => {
    const ledger = join(dataDir, 'ledger/equity_bars_1m/SPY.json')
    rmSync(ledger)
    const lost = await runCliJson(['verify', '--deep'], { here: true, env })
    expect(lost.document).toMatchObject({
      deep: true,
      findings: [{ problem: 'ledger_lost', file: 'ledger/equity_bars_1m/SPY.json' }],
    })
    expect(lost.code).toBe(3)
    const again = await runCliJson(['verify', '--rebuild-ledger'], { here: true, env })
    const rebuilt = ['ledger/equity_bars_1m/SPY.json']
    expect(again).toMatchObject({ code: 0, document: { rebuilt, findings: [] } })
    expect(again.stderr).toContain('made anew from the segments')
    const nothing = await runHere(['verify', '--rebuild-ledger', '--no-progress'], { env })
    expect(nothing.stderr).toContain('none was made anew')
    const stray = join(dataDir, 'lake/copy.parquet')
    writeFileSync(stray, '')
    const found = await runHere(['verify', '--no-progress'], { env })
    expect(found.stdout).toContain('orphan: lake/copy.parquet')
    rmSync(stray)
  })

  test('verify names a file that was changed, exit 3, and status still reads', async () => {
    const folder = join(dataDir, 'lake/equity_bars_1m/ticker=SPY/month=2025-06')
    const name = readdirSync(folder).find((file) => file.endsWith('.parquet'))!
    appendFileSync(join(folder, name), 'x')
    const { code, stdout } = await runHere(['verify', '--no-progress'], { env })
    expect(stdout).toContain(`lake/equity_bars_1m/ticker=SPY/month=2025-06/${name}`)
    expect(stdout).toMatch(/differences in 1 series/)
    expect(code).toBe(3)
    rmSync(join(folder, name))
    const { document } = await runCliJson(['verify'], { here: true, env })
    expect(document['findings']).toMatchObject([
      { problem: 'file_missing', dataset: 'equity_bars_1m', ticker: 'SPY' },
    ])
  })

  test('an empty folder is an empty lake', async () => {
    const nothing = { TAPELAKE_DATA_DIR: join(freshFolder(), 'none') }
    expect((await runHere(['status'], { env: nothing })).stderr).toContain('Nothing is held in')
    expect((await runHere(['verify'], { env: nothing })).code).toBe(0)
    expect(existsSync(nothing.TAPELAKE_DATA_DIR)).toBe(false)
  })

  test('one that a newer version made is refused', async () => {
    const root = freshFolder()
    const stamp = { schema: { name: 'tapelake.lake', version: 99 }, provenance: 'real', createdAt: 'now' }
    writeFileSync(join(root, 'lake.json'), JSON.stringify(stamp))
    const { code, stderr } = await runHere(['status', '--data-dir', root])
    expect(stderr).toContain('lake format 99')
    expect(code).toBe(2)
  })
})

describe('simulator', () => {
  test('prints what to set, as JSON too, and uses its flags', async () => {
    const flags = [
      '--seed',
      '7',
      '--plan',
      'free',
      '--now',
      '2025-06-02T20:00:00Z',
      '--calls-per-minute',
      '9',
    ]
    const signals = [{ after: /\}\n$/, send: 'SIGHUP' }] as const
    const { code, stderr, document } = await runCliJson(['simulator', ...flags], { here: true, signals })
    const { url, port } = document as { url: string; port: number }
    expect(document).toEqual({
      schema: { name: 'tapelake.simulator', version: 1 },
      ...{ url, port, seed: 7, plan: 'free' },
      env: {
        POLYGON_REST_URL: url,
        POLYGON_WS_URL: `ws://127.0.0.1:${port}`,
        POLYGON_API_KEY: 'simulator',
      },
    })
    expect(url).toBe(`http://127.0.0.1:${port}`)
    expect(stderr).toBe('Stopped after 0 calls, at most 0 within a minute, 0 refused by the call limit.\n')
    expect(code).toBe(0)
  })

  test('serves the time and the faults that it was told', async () => {
    const flags = ['--now', '2025-06-02T20:00:00Z', '--fault', '503:path=/v3/']
    let url = ''
    const run = runHere(['simulator', ...flags], {
      onOutput: (text) => (url ||= /at (http:\S+)/.exec(text)?.[1] ?? ''),
    })
    await vi.waitUntil(() => url !== '')
    const ask = (path: string) => fetch(url + path, { headers: { Authorization: 'Bearer x' } })
    const status = (await (await ask('/v1/marketstatus/now')).json()) as { serverTime: string }
    expect(status.serverTime).toMatch(/^2025-06-02T16:00:/)
    expect((await ask('/v3/reference/tickers')).status).toBe(503)
    process.emit('SIGHUP', 'SIGHUP')
    expect((await run).stderr).toBe(
      'Stopped after 2 calls, at most 2 within a minute, 0 refused by the call limit.\n',
    )
  })

  test('starts its market clock and lets it run as fast as it is told', async () => {
    const flags = [
      '--now',
      '2025-06-02T13:29:00Z',
      '--speed',
      '3600',
      '--start-on-subscribe',
      '--evict',
      'older',
    ]
    let url = ''
    const run = runHere(['simulator', ...flags, '--publication-delay-ms', '0'], {
      onOutput: (text) => (url ||= /at (http:\S+)/.exec(text)?.[1] ?? ''),
    })
    await vi.waitUntil(() => url !== '')
    const ask = async () => {
      const answer = await fetch(`${url}/v1/marketstatus/now?apiKey=x`)
      return ((await answer.json()) as { serverTime: string }).serverTime
    }
    expect(await ask()).toMatch(/^2025-06-02T09:29:00/)
    const { WebSocket } = await import('ws')
    const socket = new WebSocket(`${url.replace('http', 'ws')}/stocks`)
    socket.on('open', () => {
      socket.send('{"action":"auth","params":"k"}')
      socket.send('{"action":"subscribe","params":"AM.SPY"}')
    })
    await vi.waitUntil(async () => (await ask()) >= '2025-06-02T09:31:00')
    process.emit('SIGHUP', 'SIGHUP')
    expect((await run).code).toBe(0)
    for (const speed of ['fast', '-1']) expect((await runHere(['simulator', '--speed', speed])).code).toBe(2)
  })

  test('fails as it is told to', async () => {
    const started = await runHere(['simulator', '--fault', 'nonsense'])
    expect(started.stderr).toContain("unknown fault 'nonsense'")
    expect(started.code).toBe(2)
    expect((await runHere(['help', 'faults'])).stdout).toMatch(/^429 +/m)
  })

  test('refuses a port that is taken', async () => {
    const { createServer } = await import('node:http')
    const server = createServer().listen(0, '127.0.0.1')
    await new Promise((resolve) => server.once('listening', resolve))
    const { port } = server.address() as { port: number }
    const { code, stderr } = await runHere(['simulator', '--port', String(port)])
    server.close()
    expect(stderr).toMatch(new RegExp(`127\\.0\\.0\\.1:${port}.*\\n  .*port`))
    expect(code).toBe(2)
  })
})

describe('completion', () => {
  const complete = async (...words: string[]) => {
    const print = vi.spyOn(console, 'log').mockImplementation(() => undefined) // tab prints by itself
    await runHere(['complete', '--', ...words])
    const lines = print.mock.calls.map(([line]) => String(line))
    print.mockRestore()
    return lines.filter((line) => !line.startsWith(':')).map((line) => line.split('\t')[0])
  }

  test('knows commands, subcommands, flags and their values', async () => {
    expect(await complete('cal')).toEqual(['calendar'])
    expect(await complete('config', '')).toEqual(['show', 'check', 'schema'])
    expect(await complete('status', '--da')).toEqual(['--dataset', '--data-dir'])
    expect(await complete('status', '--dataset', 'equity_t')).toEqual(['equity_trades'])
    expect(await complete('calendar', '--exchange', 'XN')).toEqual(['XNYS'])
    expect(await complete('completion', '')).toEqual(['bash', 'zsh', 'fish'])
    expect(await complete('datasets', 'sp')).toEqual(['splits'])
  })

  test.each(['zsh', 'fish'])('prints a script for %s that asks the program', async (shell) => {
    const { stdout, code } = await runCli(['completion', shell])
    expect(stdout).toContain('tapelake complete --')
    expect(code).toBe(0)
  })

  test('works in bash', async () => {
    const bin = freshFolder()
    writeFileSync(join(bin, 'tapelake'), `#!/bin/sh\nexec "${process.execPath}" "${CLI_BIN}" "$@"\n`, {
      mode: 0o755,
    })
    const script = `
      source <(tapelake completion bash)
      COMP_WORDS=(tapelake status --dataset = equity_t) COMP_CWORD=4
      __tapelake_complete; echo "\${COMPREPLY[*]}"
      COMP_WORDS=(tapelake '') COMP_CWORD=1
      __tapelake_complete; echo "\${COMPREPLY[*]}"`
    const { PATH = '', ...rest } = cliEnv()
    const env = { ...rest, PATH: bin + delimiter + PATH }
    const { stdout } = await promisify(execFile)('bash', ['--norc', '-c', script], { env })
    const [dataset, commands] = stdout.split('\n')
    expect(dataset).toBe('equity_trades')
    expect(commands?.split(' ')).toEqual(expect.arrayContaining(['backfill', 'status', 'config', 'help']))
  })
})
