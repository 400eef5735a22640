import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const TIMEOUT_MS = 20_000

/** Runs TypeScript `code` in a Node process of its own, in the project's folder; killed if it does not end. */
export function runNode(code: string): Promise<{ code: number | null; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    const args = ['--import', 'tsx', '--input-type=module', '--eval', code]
    const child = spawn(process.execPath, args, { cwd: ROOT, timeout: TIMEOUT_MS })
    let stdout = ''
    let stderr = ''
    child.stdout.on('data', (chunk) => (stdout += String(chunk)))
    child.stderr.on('data', (chunk) => (stderr += String(chunk)))
    child.on('close', (exitCode) => resolve({ code: exitCode, stdout, stderr }))
  })
}
