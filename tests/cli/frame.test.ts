import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { freshFolder, runCliJson, runHere } from '../support/cli.ts'

const FROM_TO = ['--from', '2025-06-30', '--to', '2025-07-07']

describe('what cannot be understood exits 2, names the word, and shows no stack', () => {
  const table: [readonly string[], string, string][] = [
    [['bakfill'], "unknown command 'bakfill'", 'Did you mean backfill? See tapelake --help.'],
    [['zzz'], "unknown command 'zzz'", 'See tapelake --help.'],
    [['config', 'shwo'], "unknown command 'shwo'", 'Did you mean show? See tapelake config --help.'],
    [
      ['calendar', '--exchang', 'XNYS'],
      "unknown option '--exchang'",
      'Did you mean --exchange? See tapelake calendar --help.',
    ],
    [['--jsn', 'calendar'], "unknown option '--jsn'", 'Did you mean --json? See tapelake calendar --help.'],
    [['calendar', 'XNYS'], "unexpected argument 'XNYS'", 'See tapelake calendar --help.'],
    [['completion'], "missing required argument 'shell'", 'See tapelake completion --help.'],
    [['calendar', '--from'], "option '--from <date>' argument missing", 'See tapelake calendar --help.'],
    [
      ['completion', 'tcsh'],
      "command-argument value 'tcsh' is invalid for argument 'shell'. Allowed choices are bash, zsh, fish.",
      'See tapelake completion --help.',
    ],
    [
      ['calendar', '--exchange', 'XLON'],
      "unknown exchange 'XLON'",
      'Known exchanges: XNYS, XCBO, XCME, NYSE, XNAS, NASDAQ, CBOE, CME.',
    ],
    [['status', '--dataset', 'trads'], "unknown dataset 'trads'", 'Did you mean trades?'],
    [['datasets', 'equity_bar_1m'], "unknown dataset 'equity_bar_1m'", 'Did you mean equity_bars_1m?'],
    [['help', 'exit-code'], "no help on 'exit-code'", 'Did you mean exit-codes?'],
    [
      ['simulator', '--port', '99999'],
      'flag --port: simulator.port: expected a whole number from 0 to 65535, found 99999',
      'tapelake config schema',
    ],
    [
      ['simulator', '--calls-per-minute', 'few'],
      "option '--calls-per-minute <n>' argument 'few' is invalid. Expected a whole number of at least 0.",
      'See tapelake simulator --help.',
    ],
    [
      ['simulator', '--now', 'noon'],
      "option '--now <instant>' argument 'noon' is invalid. Expected an instant like 2025-06-02T20:00:00Z.",
      'See tapelake simulator --help.',
    ],
  ]
  test.each(table)('%o', async (args, message, hint) => {
    const { code, stdout, stderr } = await runHere(args)
    const [first = '', second = ''] = stderr.split('\n')
    expect(first).toBe(`tapelake: ${message}`)
    expect(second).toContain(hint)
    expect(stderr).not.toMatch(/\n\s+at /)
    expect(stdout).toBe('')
    expect(code).toBe(2)
  })

  test('impossible dates too', async () => {
    const { code, stderr } = await runHere(['calendar', '--from', '2025-02-30'])
    expect(stderr).toContain('2025-02-30')
    expect(stderr).not.toMatch(/\n\s+at /)
    expect(code).toBe(2)
  })

  test('no command at all shows the help, on stderr', async () => {
    const { code, stdout, stderr } = await runHere([])
    expect(stderr).toContain('Usage: tapelake')
    expect(stdout).toBe('')
    expect(code).toBe(2)
  })

  test('with --json it is also one document on stdout', async () => {
    for (const args of [
      ['bakfill'],
      ['calendar', '--from', '2025-02-30'],
      ['calendar', '--from', 'x', '--json', '-v'],
    ]) {
      const { code, document } = await runCliJson(args, { here: true })
      expect(Object.keys(document)).toEqual(['schema', 'error'])
      expect(document['schema']).toEqual({ name: 'tapelake.error', version: 1 })
      expect(document['error']).toMatchObject({ code: 'USAGE', category: 'config', exitCode: 2 })
      expect(code).toBe(2)
    }
  })

  test('-vv shows where it happened', async () => {
    const { stderr } = await runHere(['-vv', 'calendar', '--from', 'x'])
    expect(stderr).toMatch(/\n\s+at /)
  })
})

describe('global flags', () => {
  test.each([
    ['before', ['--json', 'calendar', ...FROM_TO]],
    ['after', ['calendar', ...FROM_TO, '--json']],
    ['between', ['calendar', '--from', '2025-06-30', '--json', '--to', '2025-07-07']],
  ])('are accepted %s the command and its flags', async (_, args) => {
    const { code, stdout } = await runHere(args)
    expect(JSON.parse(stdout)).toMatchObject({ schema: { name: 'tapelake.calendar' } })
    expect(code).toBe(0)
  })

  test('--data-dir and --config reach the configuration, also as --flag=value', async () => {
    const config = freshFolder()
    writeFileSync(join(config, 'settings.yaml'), 'backfill: {concurrency: 7}\n')
    const { document } = await runCliJson(
      ['config', 'show', '--data-dir', '/srv/lake', `--config=${config}`, '--origin'],
      { here: true },
    )
    expect(document).toMatchObject({
      dataDir: '/srv/lake',
      configFiles: [join(config, 'settings.yaml')],
      origins: {
        'paths.data': 'flag --data-dir',
        'backfill.concurrency': `${join(config, 'settings.yaml')}:1`,
        'logging.level': 'default',
      },
    })
  })

  test('-v, -vv and --quiet set the level of logging', async () => {
    const levelOf = async (...flags: string[]) => {
      const { document } = await runCliJson(['config', 'show', ...flags], { here: true })
      return (document as { settings: { logging: { level: string } } }).settings.logging.level
    }
    expect(await levelOf()).toBe('warn')
    expect(await levelOf('-v')).toBe('info')
    expect(await levelOf('-v', '--verbose')).toBe('debug')
    expect(await levelOf('-vv')).toBe('debug')
    expect(await levelOf('--quiet')).toBe('error')
  })

  test('the log file gets every line of a run, wherever it was started', async () => {
    const cwd = freshFolder()
    const env = { TAPELAKE__LOGGING__FILE: 'logs/a.log', TAPELAKE__LOGGING__FILE_LEVEL: 'debug' }
    const args = ['backfill', '--ticker', 'SPY', '--days', '1', '--source', 'simulator', '--quiet']
    const { stderr } = await runHere(args, { cwd, env })
    expect(stderr).toBe('')
    const lines = readFileSync(join(cwd, 'logs/a.log'), 'utf8').trim().split('\n')
    const runs = new Set(lines.map((line) => (JSON.parse(line) as { run: string }).run))
    expect(runs.size).toBe(1)
    expect([...runs][0]).toMatch(/^\d{8}T\d{6}Z-[0-9a-z]{6}$/)
  })

  test('--quiet keeps notes away, not errors', async () => {
    expect((await runHere(['status'])).stderr).toContain('Nothing is held')
    expect((await runHere(['status', '--quiet'])).stderr).toBe('')
    expect((await runHere(['nothing', '--quiet'])).stderr).toContain("unknown command 'nothing'")
  })

  test('colours come with FORCE_COLOR, and go with NO_COLOR and --no-color', async () => {
    const run = async (env: Record<string, string>, ...flags: string[]) =>
      (await runHere(['datasets', 'splits', ...flags], { env })).stdout.includes('\u001b[')
    expect(await run({})).toBe(false)
    expect(await run({ FORCE_COLOR: '1' })).toBe(true)
    expect(await run({ FORCE_COLOR: '1', NO_COLOR: '1' })).toBe(false)
    expect(await run({ FORCE_COLOR: '1' }, '--no-color')).toBe(false)
  })
})

describe('help and version', () => {
  test('--version prints that of the package and nothing else', async () => {
    const file = new URL('../../package.json', import.meta.url)
    const { version } = JSON.parse(readFileSync(file, 'utf8')) as { version: string }
    for (const args of [['--version'], ['-V'], ['status', '--version']])
      expect(await runHere(args)).toEqual({ code: 0, stdout: `${version}\n`, stderr: '' })
  })

  test('every command begins its help with examples that it understands', async () => {
    const { stdout } = await runHere(['--help'])
    const commands = [...stdout.split('Commands:')[1]!.matchAll(/^ {2}([\w-]+)/gm)].map(([, name]) => name!)
    expect(commands).toContain('status')
    for (const name of commands.filter((command) => command !== 'help')) {
      const help = await runHere([name, '--help'])
      expect(help.stdout, name).toMatch(new RegExp(`^Examples:\n  tapelake ${name}`))
      expect(help.stdout).toContain('--data-dir <dir>')
      expect(help.code).toBe(0)
      expect((await runHere(['help', name])).stdout).toContain(`Usage: tapelake ${name}`)
    }
  })

  test('help exit-codes lists every code', async () => {
    const { stdout } = await runHere(['help', 'exit-codes'])
    const codes = [...stdout.matchAll(/^\s+(\d+) {2}/gm)].map(([, code]) => Number(code))
    expect(codes).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 130, 143])
  })
})

describe('a broken configuration', () => {
  const broken = freshFolder()
  mkdirSync(join(broken, 'config'))
  writeFileSync(join(broken, 'config/settings.yaml'), 'paths:\n  date: /x\n')

  test.each([[['status']], [['verify']], [['config', 'check']], [['config', 'show']], [['simulator']]])(
    'stops %o with exit 2, file and line',
    async (args) => {
      const { code, stderr } = await runHere(args, { cwd: broken })
      expect(stderr).toContain(
        'config/settings.yaml:2: paths.date: unknown setting, did you mean paths.data?',
      )
      expect(code).toBe(2)
    },
  )

  test.each([[['calendar', ...FROM_TO]], [['datasets']], [['help']], [['config', 'schema']]])(
    'does not stop %o',
    async (args) => {
      expect((await runHere(args, { cwd: broken })).code).toBe(0)
    },
  )
})

describe('a key never shows', () => {
  const key = 'sEcReT0123456789'
  const env = { POLYGON_API_KEY: key }

  test.each([
    [['config', 'show', '--origin']],
    [['config', 'show', '--json', '--origin']],
    [['config', 'show', '-vv']],
    [['calendar', '--from', key]],
    [['calendar', '--from', key, '--json', '-vv']],
    [[`--${key}`]],
  ])('in the output of %o', async (args) => {
    const { stdout, stderr } = await runHere(args, { env })
    expect(stdout + stderr).not.toContain(key)
  })

  test('but it can be seen that there is one, and where it came from', async () => {
    const { stdout } = await runHere(['config', 'show', '--origin'], { env })
    expect(stdout).toMatch(/^sources\.polygon\.apiKey +\*\*\* +environment POLYGON_API_KEY$/m)
    expect((await runHere(['config', 'show', '--origin'])).stdout).toMatch(
      /^sources\.polygon\.apiKey +not set$/m,
    )
  })
})
