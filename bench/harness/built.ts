import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

/** Root of the project, with a trailing slash. */
export const PROJECT = fileURLToPath(new URL('../../', import.meta.url))

/**
 * A module of the build, by its path below `src` without extension. What is measured is what is shipped: `dist`,
 * not the sources through a loader. The type is that of the source: `built<typeof import…>`.
 */
export async function built<Module>(path: string): Promise<Module> {
  const url = new URL(`../../dist/${path}.js`, import.meta.url)
  if (!existsSync(url)) throw new Error(`dist/${path}.js is missing: run npm run build`)
  return (await import(url.href)) as Module
}
