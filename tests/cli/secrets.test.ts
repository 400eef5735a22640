import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { vendorEnv } from '../end-to-end/world.ts'
import { freshFolder, runHere } from '../support/cli.ts'
import { startVendorServer, type ScriptedAnswer } from '../support/vendor-server.ts'

const KEY = 'kEy/0123+456789=abc'
/** As it may stand in an URL, in JSON, in a header. */
const FORMS = [KEY, encodeURIComponent(KEY), KEY.replaceAll('/', '\\/')]

/** A vendor that says the key back wherever it can. */
const tattling = (status: number, more: ScriptedAnswer = {}): ScriptedAnswer => ({
  status,
  headers: { 'x-request-id': `id-${KEY}`, location: `http://127.0.0.1:1/?apiKey=${encodeURIComponent(KEY)}` },
  body: { status: 'ERROR', error: `key ${KEY} of apiKey=${KEY} is no good`, request_id: KEY, message: KEY },
  ...more,
})

const page = (more: object): ScriptedAnswer => ({
  body: { status: 'OK', resultsCount: 1, request_id: KEY, results: [], ...more },
})

/** Every way in which a request can fail. */
const FAILURES: Readonly<Record<string, ScriptedAnswer>> = {
  ...Object.fromEntries(
    [301, 400, 401, 403, 404, 408, 418, 429, 500, 503].map((status) => [
      `answer ${status}`,
      tattling(status),
    ]),
  ),
  'broken JSON': { body: `{"status":"OK","results":[{"t":"${KEY}` },
  'JSON of another kind': { body: JSON.stringify(KEY) },
  'an HTML page': { body: `<html>${KEY}</html>`, headers: { 'content-type': `text/html; ${KEY}` } },
  'gzip that is none': { body: `gzip ${KEY}`, headers: { 'content-encoding': 'gzip' } },
  'gzip cut short': {
    body: gzipSync(JSON.stringify({ results: [KEY.repeat(500)] })).subarray(0, 30),
    headers: { 'content-encoding': 'gzip' },
  },
  'rows that break rules': page({ results: [{ t: 1_748_871_000_000, o: 1, h: -1, l: 2, c: KEY, v: -5 }] }),
  'a next page that leads back': page({ next_url: `/v2/aggs/x?cursor=${KEY}&apiKey=${KEY}` }),
  'a next page that is none': page({ next_url: `http://[${KEY}` }),
  'a reset': { write: (_, request) => void request.socket.resetAndDestroy() },
  'half a body': {
    write: (response) => {
      response.writeHead(200, { 'content-length': 1000, 'x-request-id': KEY })
      response.write(KEY)
      setTimeout(() => response.destroy(), 5)
    },
  },
  'no answer in time': { write: () => undefined },
}

function everythingBelow(folder: string): string {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => `${entry.name}\n${readFileSync(join(entry.parentPath, entry.name), 'latin1')}`)
    .join('\n')
}

describe('the key shows nowhere, whatever the vendor does', () => {
  test.each(Object.keys(FAILURES))('%s', async (name) => {
    const server = await startVendorServer(() => FAILURES[name]!)
    const root = freshFolder()
    const env = {
      ...vendorEnv(server.url, KEY),
      TAPELAKE__LOGGING__FILE: join(root, 'logs/tapelake.log'),
      TAPELAKE__LOGGING__FILE_LEVEL: 'debug',
      TAPELAKE__SOURCES__POLYGON__TIMEOUTS__REQUEST_MS: '100',
      TAPELAKE__RETRY__TIMEOUT__RETRIES: '1',
    }
    const flags = ['--data-dir', join(root, 'data'), '--metrics-textfile', join(root, 'metrics.prom')]
    const line = [
      'backfill',
      '--ticker',
      'SPY',
      '--from',
      '2025-06-02',
      '--to',
      '2025-06-03',
      '-vv',
      '--json',
    ]
    const { code, stdout, stderr } = await runHere([...line, ...flags], { env })
    const shown = await runHere(['runs', 'show', 'last', '--json', ...flags.slice(0, 2)], { env })
    const health = await runHere(['health', '--json', ...flags.slice(0, 2)], { env })
    await server.close()
    expect(server.requests.length).toBeGreaterThan(0)
    expect(code, stderr).not.toBe(2)
    const files = everythingBelow(root)
    expect(files).toContain('tapelake_calls_total')
    expect(files).toContain('"msg":"request"')
    for (const text of [stdout, stderr, shown.stdout, health.stdout, files])
      for (const form of FORMS) expect(text.includes(form), `${name}: ${form}`).toBe(false)
  })
})
