import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { EXIT } from '../../src/core/errors.ts'
import { runCli } from '../support/cli.ts'

const read = (path: string): string => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8')

describe('the README', () => {
  const readme = read('README.md')

  test('begins with two command lines, each complete from a fresh clone', () => {
    const block = /```sh\n([\s\S]*?)```/.exec(readme)?.[1] ?? ''
    const lines = block.trim().split('\n')
    expect(lines).toHaveLength(2)
    for (const line of lines) expect(line).toMatch(/^npm ci && /)
    expect(readme.indexOf('```sh\n')).toBe(readme.indexOf('```'))
  })

  test('names every exit code', () => {
    const table = readme.slice(readme.indexOf('## Exit codes'))
    for (const code of Object.values(EXIT)) expect(table).toMatch(new RegExp(`\\| [^|]*\\b${code}\\b`))
  })

  test('links only to files that exist', () => {
    for (const [, path] of readme.matchAll(/\]\((?!https?:)([^)#]+)\)/g)) {
      if (!path!.endsWith('/')) expect(() => read(path!)).not.toThrow()
    }
  })
})

describe('docs/datasets.md', () => {
  test('is what `npm run docs` writes', async () => {
    const { stdout } = await runCli(['datasets', '--markdown'])
    expect(read('docs/datasets.md')).toContain(stdout)
  })
})
