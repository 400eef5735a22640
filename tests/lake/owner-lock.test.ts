import { chmod, readdir, readFile, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { DiskError, EXIT, InterruptedError, LockedError } from '../../src/core/errors.ts'
import { claimsFolder, claimSocket, type SocketClaim } from '../../src/lake/owner-lock.ts'
import { processStart } from '../../src/lake/process-identity.ts'
import { killHard, startOther } from '../support/holder.ts'
import { testRoot } from '../support/lake.ts'

const KEY = 'a-key-nobody-has'
const never = () => new AbortController().signal
const claim = (folder: string, more: Partial<SocketClaim> = {}): SocketClaim => ({
  ...{ apiKey: KEY, cluster: 'stocks', scope: 'polygon', purpose: 'stream of SPY', folder, ...more },
})

/** Another process that holds the claim; on SIGTERM it does what `onTerm` says. */
async function otherOwner(folder: string, onTerm = 'process.exit(0)') {
  const child = await startOther(`
    import { claimSocket } from './src/lake/owner-lock.ts'
    process.on('SIGTERM', () => { ${onTerm} })
    globalThis.held = await claimSocket(${JSON.stringify(claim(folder))}, new AbortController().signal)
    console.log('ready')
    setInterval(() => undefined, 1000)
  `)
  onTestFinished(() => void child.kill('SIGKILL'))
  return child
}

describe('the claim on a socket', () => {
  test('is refused while another process has it, with its pid, its purpose and --take-over', async () => {
    const folder = testRoot()
    const { pid } = await otherOwner(folder)
    const refused = claimSocket(claim(folder), never())
    await expect(refused).rejects.toThrow(LockedError)
    await expect(refused).rejects.toThrow(`held by process ${pid} (stream of SPY, since 20`)
    await expect(refused).rejects.toMatchObject({
      exitCode: EXIT.locked,
      hint: expect.stringContaining('--take-over') as string,
    })
  })

  test('of another key, cluster or account is another claim', async () => {
    const folder = testRoot()
    const others: Partial<SocketClaim>[] = [
      {},
      { apiKey: 'other' },
      { cluster: 'options' },
      { scope: '127.0.0.1:1' },
    ]
    const locks = await Promise.all(others.map((other) => claimSocket(claim(folder, other), never())))
    await expect(claimSocket(claim(folder), never())).rejects.toThrow(LockedError)
    await Promise.all(locks.map((lock) => lock.release()))
    await (await claimSocket(claim(folder), never())).release()
  })

  test('never shows the key, neither in a name nor in a file', async () => {
    const folder = testRoot()
    const lock = await claimSocket(claim(folder), never())
    onTestFinished(() => lock.release())
    const names = await readdir(folder)
    const texts = await Promise.all(names.map((name) => readFile(join(folder, name), 'latin1')))
    expect(names).toHaveLength(3)
    expect([...names, ...texts].join()).not.toContain(KEY)
  })

  test('of a killed process is free at once; its note misleads nobody', async () => {
    const folder = testRoot()
    await killHard(await otherOwner(folder))
    const lock = await claimSocket(claim(folder), never())
    await lock.release()
  })

  test('is taken over from a process that ends when asked', async () => {
    const folder = testRoot()
    const { pid } = await otherOwner(folder)
    const told: unknown[] = []
    const onTakeOver = (event: unknown) => told.push(event)
    const lock = await claimSocket(claim(folder, { takeOver: true, onTakeOver }), never())
    expect(told).toEqual([{ pid, signal: 'SIGTERM' }])
    expect(await processStart(pid)).toBeUndefined()
    await lock.release()
  })

  test('is taken over by force from a process that does not', async () => {
    const folder = testRoot()
    const { pid } = await otherOwner(folder, 'undefined')
    const told: string[] = []
    const lock = await claimSocket(
      claim(folder, { takeOver: true, endWithinMs: 200, onTakeOver: ({ signal }) => told.push(signal) }),
      never(),
    )
    expect(told).toEqual(['SIGTERM', 'SIGKILL'])
    expect(await processStart(pid)).toBeUndefined()
    await lock.release()
  })

  test('is not taken over when the note names a process that is not the one that wrote it', async () => {
    const folder = testRoot()
    const owner = await otherOwner(folder, 'undefined')
    const bystander = await startOther(`console.log('ready'); setInterval(() => undefined, 1000)`)
    onTestFinished(() => void bystander.kill('SIGKILL'))
    const [note] = (await readdir(folder)).filter((name) => name.endsWith('.owner'))
    const path = join(folder, note!)
    const text = await readFile(path, 'utf8')
    await writeFile(path, text.replace(String(owner.pid), String(bystander.pid)))
    const refused = claimSocket(claim(folder, { takeOver: true, endWithinMs: 50 }), never())
    await expect(refused).rejects.toThrow('cannot be identified')
    expect(await processStart(bystander.pid)).toBeDefined()
    expect(await processStart(owner.pid)).toBeDefined()
    await expect(claimSocket(claim(folder), never())).rejects.toThrow('held by another process of this user')
  })

  test('is given up on as soon as the run is interrupted, in the middle of a take-over too', async () => {
    const folder = testRoot()
    await otherOwner(folder, 'undefined')
    const abort = new AbortController()
    const onTakeOver = () => abort.abort()
    await expect(claimSocket(claim(folder, { takeOver: true, onTakeOver }), abort.signal)).rejects.toThrow(
      InterruptedError,
    )
  })

  test('is not made in a folder that may be somebody else’s', async () => {
    const root = testRoot()
    await symlink(testRoot(), join(root, 'link'))
    await expect(claimSocket(claim(join(root, 'link')), never())).rejects.toThrow(DiskError)
    await writeFile(join(root, 'file'), '')
    await chmod(join(root, 'file'), 0o600)
    await expect(claimSocket(claim(join(root, 'file')), never())).rejects.toThrow()
  })

  test('lies in one folder per user, whatever TMPDIR and XDG_RUNTIME_DIR say, unless it is named', () => {
    onTestFinished(() => void vi.unstubAllEnvs())
    vi.stubEnv('TAPELAKE_RUNTIME_DIR', undefined)
    const usual = claimsFolder()
    vi.stubEnv('TMPDIR', '/elsewhere')
    vi.stubEnv('XDG_RUNTIME_DIR', '/elsewhere')
    expect(claimsFolder()).toBe(usual)
    vi.stubEnv('TAPELAKE_RUNTIME_DIR', '/named')
    expect(claimsFolder()).toBe('/named')
  })
})

describe('the start of a process', () => {
  // On other systems than Linux `ps` is asked; it is there on Linux too.
  test.each([process.platform, 'darwin'] as const)(
    '(%s) is the same each time and ends with it',
    async (platform) => {
      const child = await startOther(`console.log('ready'); setInterval(() => undefined, 1000)`)
      onTestFinished(() => void child.kill('SIGKILL'))
      const starts = [process.pid, process.pid, child.pid].map((pid) => processStart(pid, platform))
      const [own, again, other] = await Promise.all(starts)
      expect(own).toBe(again)
      expect(other).toBeDefined()
      await killHard(child)
      expect(await processStart(child.pid, platform)).toBeUndefined()
    },
  )

  test('is not known where the system does not tell', async () => {
    expect(await processStart(process.pid, 'win32')).toBeUndefined()
  })
})
