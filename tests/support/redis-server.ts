import { spawn, spawnSync } from 'node:child_process'
import { mkdtempSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** Whether the system's package redis-server is there. */
export const hasRedis = spawnSync('redis-server', ['--version']).status === 0

export interface RedisServer {
  /** With its password. */
  readonly url: string
  readonly password: string
  close(): Promise<void>
}

/** A real Redis server with a password, on a free port of 127.0.0.1, that keeps nothing. */
export async function startRedis(): Promise<RedisServer> {
  const [port, password] = [await freePort(), 'redis-password-of-the-tests']
  const given = { port, bind: '127.0.0.1', requirepass: password, save: '', appendonly: 'no' }
  const args = Object.entries(given).flatMap(([name, value]) => [`--${name}`, String(value)])
  const cwd = mkdtempSync(join(tmpdir(), 'tapelake-'))
  const child = spawn('redis-server', args, { cwd, stdio: ['ignore', 'pipe', 'inherit'] })
  const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  await new Promise<void>((resolve, reject) => {
    let out = ''
    child.stdout.on('data', (chunk) => {
      out += String(chunk)
      if (/Ready to accept connections/.test(out)) resolve()
    })
    child.once('exit', () => reject(new Error(`redis-server did not start: ${out}`)))
  })
  return {
    ...{ url: `redis://:${password}@127.0.0.1:${port}`, password },
    close: async () => {
      child.kill('SIGKILL')
      await gone
    },
  }
}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}
