import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmdirSync, statfsSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'

const run = (command: string, ...args: string[]) => execFileSync(command, args, { stdio: 'pipe' })

/** A file system of its own, in memory, at `path`. */
export interface SmallDisk {
  readonly path: string
  /** Fills it with one file until about `freeBytes` are left; `free` takes that away again. */
  fill(freeBytes: number): Promise<void>
  free(): void
  /** Makes it read-only, or writable again. */
  readOnly(on: boolean): void
}

const mountAt = (path: string, sizeMb: number) =>
  run('mount', '-t', 'tmpfs', '-o', `size=${sizeMb}m`, 'tmpfs', path)

/** True where this user may mount a file system: only then can a full disk be tried out for real. */
export const CAN_MOUNT = ((): boolean => {
  const path = mkdtempSync(join(tmpdir(), 'tapelake-mount-'))
  try {
    mountAt(path, 1)
    run('umount', path)
    return true
  } catch {
    return false
  } finally {
    rmdirSync(path)
  }
})()

/** Mounts a file system of `sizeMb` MiB for the test that runs. */
export function smallDisk(sizeMb: number): SmallDisk {
  const path = mkdtempSync(join(tmpdir(), 'tapelake-disk-'))
  mountAt(path, sizeMb)
  onTestFinished(() => {
    run('umount', '--lazy', path)
    rmdirSync(path)
  })
  const filler = join(path, 'filler')
  return {
    path,
    async fill(freeBytes) {
      const { bavail, bsize } = statfsSync(path)
      const file = await open(filler, 'w')
      await file.write(Buffer.alloc(Math.max(0, bavail * bsize - freeBytes)))
      await file.close()
    },
    free: () => run('rm', '-f', filler),
    readOnly: (on) => run('mount', '-o', on ? 'remount,ro' : 'remount,rw', path),
  }
}
