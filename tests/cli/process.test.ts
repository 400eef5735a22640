import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { CLI_BIN, cliEnv, freshFolder, runCli } from '../support/cli.ts'

const FIXTURE = fileURLToPath(new URL('./fixture-program.ts', import.meta.url))

/** A program with the frame of tapelake and commands made for these tests. */
function startFixture(args: readonly string[]) {
  return spawn(process.execPath, ['--import', 'tsx', FIXTURE, ...args], {
    cwd: fileURLToPath(new URL('../..', import.meta.url)),
    env: cliEnv(),
    stdio: ['ignore', 'pipe', 'pipe'],
  })
}

async function runFixture(
  args: readonly string[],
  signals: readonly (readonly [RegExp, NodeJS.Signals])[] = [],
) {
  const child = startFixture(args)
  const pending = [...signals]
  let output = ''
  const listen = (text: string) => {
    output += text
    if (!pending[0]?.[0].test(output)) return
    child.kill(pending.shift()![1])
  }
  child.stdout.setEncoding('utf8').on('data', listen)
  child.stderr.setEncoding('utf8').on('data', listen)
  const [code] = (await once(child, 'close')) as [number | null]
  return { code, output }
}

describe('Ctrl-C and its relatives', () => {
  test('the first lets the item in hand be finished, and says so', async () => {
    const { code, output } = await runFixture(['work'], [[/working/, 'SIGINT']])
    expect(output).toContain('Finishing the item in hand; once more to stop at once.')
    expect(output).toContain('item finished')
    expect(code).toBe(130)
  })

  test.each([
    ['SIGTERM', 143],
    ['SIGHUP', 143],
  ] as const)('%s ends with %i', async (signal, expected) => {
    const { code, output } = await runFixture(['work'], [[/working/, signal]])
    expect(output).toContain('item finished')
    expect(code).toBe(expected)
  })

  test('the second stops at once', async () => {
    const { code, output } = await runFixture(
      ['work', '--slow'],
      [
        [/working/, 'SIGINT'],
        [/Finishing/, 'SIGINT'],
      ],
    )
    expect(output).toContain('tapelake: interrupted by SIGINT')
    expect(output).not.toContain('item finished')
    expect(code).toBe(130)
  })

  test('a command that does not listen is ended by the next one', async () => {
    const { code } = await runFixture(
      ['deaf'],
      [
        [/working/, 'SIGINT'],
        [/first heard/, 'SIGTERM'],
      ],
    )
    expect(code).toBe(130)
  })

  test('a server that ends by a signal ends well', async () => {
    const { code, stdout, stderr } = await runCli(['simulator', '--port', '0'], {
      signals: [{ after: /POLYGON_API_KEY/, send: 'SIGTERM' }],
    })
    expect(stdout).toMatch(/^Simulator at http:\/\/127\.0\.0\.1:\d+ /)
    expect(stderr).toContain('Stopped after 0 calls, at most 0 within a minute, 0 refused by the call limit.')
    expect(code).toBe(0)
  })
})

describe('stdout', () => {
  test('100 MB through a slow reader arrive whole', async () => {
    const child = startFixture(['flood', '100'])
    let bytes = 0
    let last = ''
    for await (const chunk of child.stdout as AsyncIterable<Buffer>) {
      if (bytes === 0) await sleep(300)
      bytes += chunk.length
      last = chunk.toString('latin1').slice(-5)
    }
    if (child.exitCode === null) await once(child, 'close')
    expect(child.exitCode).toBe(0)
    expect(last.endsWith('end\n')).toBe(true)
    expect(bytes).toBe(100 * 1024 * 1024 + 4)
  })

  test('a reader that goes away ends the program quietly', async () => {
    const child = startFixture(['flood', '100'])
    let stderr = ''
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
    await once(child.stdout, 'data')
    child.stdout.destroy()
    const [code] = (await once(child, 'close')) as [number | null]
    expect(stderr).toBe('')
    expect(code).toBe(0)
  })

  test('is ended even where a socket still hangs open', async () => {
    expect((await runFixture(['hold'])).code).toBe(0)
  })
})

describe('what goes wrong unexpectedly', () => {
  test('is told as an internal error without a stack, exit 1', async () => {
    const { code, output } = await runFixture(['broken'])
    expect(output).toMatch(/^tapelake: internal error: no such thing\n {2}This is a fault in tapelake\./)
    expect(output).not.toMatch(/\n\s+at /)
    expect(code).toBe(1)
  })

  test('shows where with -vv', async () => {
    expect((await runFixture(['broken', '-vv'])).output).toMatch(/fixture-program\.ts/)
  })

  test('outside of any promise too, and without secrets', async () => {
    const { code, output } = await runFixture(['unwatched'])
    expect(output).toMatch(/^tapelake: internal error: lost apiKey=\[redacted\]\n/)
    expect(code).toBe(1)
  })
})

describe('start-up', () => {
  const root = fileURLToPath(new URL('../../', import.meta.url))

  test.skipIf(!existsSync(join(root, 'dist/program/main.js')))(
    '--help and --version load nothing but the parser',
    async () => {
      for (const flag of ['--help', '--version']) {
        const child = spawn(process.execPath, [CLI_BIN, flag], {
          cwd: freshFolder(),
          env: { ...cliEnv(), NODE_DEBUG: 'module,esm' },
          stdio: ['ignore', 'ignore', 'pipe'],
        })
        let trace = ''
        child.stderr.setEncoding('utf8').on('data', (text: string) => (trace += text))
        await once(child, 'close')
        const modules = new Set([...trace.matchAll(/dist\/program\/[\w.-]+\.js/g)].map(([file]) => file))
        // The bundler names the file that each stretch of a module came from.
        const origins = [trace, ...[...modules].map((file) => readFileSync(join(root, file), 'utf8'))].join(
          '\n',
        )
        const loaded = [...origins.matchAll(/node_modules\/((?:@[\w.-]+\/)?[\w.-]+)\//g)].map(
          ([, name]) => name,
        )
        expect([...new Set(loaded)]).toEqual(['commander'])
      }
    },
  )
})
