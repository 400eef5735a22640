import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { promisify } from 'node:util'

/**
 * When process `pid` started, as text that no other process with the same pid will have; undefined when it is not
 * running, or the system does not tell.
 */
export async function processStart(
  pid: number,
  platform: NodeJS.Platform = process.platform,
): Promise<string | undefined> {
  if (platform === 'linux') return await linuxStart(pid)
  return platform === 'win32' ? undefined : await posixStart(pid)
}

/** Boot and clock ticks since then. A zombie has ended already. */
async function linuxStart(pid: number): Promise<string | undefined> {
  try {
    const [stat, boot] = await Promise.all([
      readFile(`/proc/${pid}/stat`, 'utf8'),
      readFile('/proc/sys/kernel/random/boot_id', 'utf8'),
    ])
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ') // from the third on: a name may hold anything
    const [state, startTicks] = [fields[0], fields[19]]
    return state === 'Z' || state === 'X' || !startTicks ? undefined : `${boot.trim()}:${startTicks}`
  } catch {
    return undefined
  }
}

async function posixStart(pid: number): Promise<string | undefined> {
  try {
    const env = { ...process.env, LC_ALL: 'C', TZ: 'UTC' }
    const { stdout } = await promisify(execFile)('ps', ['-o', 'lstart=', '-p', String(pid)], { env })
    return stdout.trim() || undefined
  } catch {
    return undefined
  }
}
