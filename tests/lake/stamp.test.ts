import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { EXIT, IntegrityError, LakeMismatchError } from '../../src/core/errors.ts'
import { claimProvenance, LAKE_FORMAT, readStamp } from '../../src/lake/stamp.ts'
import { runNode } from '../support/run-node.ts'
import { testRoot, unfinishedBelow } from '../support/lake.ts'

const stampOf = async (root: string) =>
  JSON.parse(await readFile(join(root, 'lake.json'), 'utf8')) as Record<string, unknown>

describe('the stamp of a lake', () => {
  test('is absent until rows come, then says what kind they are', async () => {
    const root = join(testRoot(), 'new')
    expect(await readStamp(root)).toBeUndefined()
    await claimProvenance(root, 'synthetic')
    expect(await stampOf(root)).toMatchObject({
      schema: { name: 'tapelake.lake', version: LAKE_FORMAT },
      provenance: 'synthetic',
    })
    const before = await readFile(join(root, 'lake.json'), 'utf8')
    await claimProvenance(root, 'synthetic')
    expect(await readFile(join(root, 'lake.json'), 'utf8')).toBe(before)
  })

  test.each([
    ['synthetic', 'real', 'holds synthetic data and does not take data of a real market'],
    ['real', 'synthetic', 'holds real data and does not take synthetic data'],
  ] as const)('a lake of %s data refuses %s data and stays as it is', async (first, second, words) => {
    const root = testRoot()
    await claimProvenance(root, first)
    const refused = claimProvenance(root, second)
    await expect(refused).rejects.toThrow(LakeMismatchError)
    await expect(refused).rejects.toThrow(words)
    await expect(refused).rejects.toMatchObject({ exitCode: EXIT.usage })
    expect(await stampOf(root)).toMatchObject({ provenance: first })
  })

  test('one wins when many requests of a run bring the first rows at once, and none fails', async () => {
    const root = testRoot()
    await Promise.all(Array.from({ length: 8 }, () => claimProvenance(root, 'synthetic')))
    expect(await stampOf(root)).toMatchObject({ provenance: 'synthetic' })
    expect(await unfinishedBelow(root)).toEqual([])
  })

  test('two processes that race with different data: one stamp stands and the other process is refused', async () => {
    const root = testRoot()
    const claim = (provenance: string) =>
      runNode(`
        import { claimProvenance } from './src/lake/stamp.ts'
        await claimProvenance(${JSON.stringify(root)}, '${provenance}').then(
          () => console.log('taken'),
          (error) => console.log(error.code))
      `)
    const answers = await Promise.all([claim('real'), claim('synthetic')])
    const words = answers.map(({ stdout }) => stdout.trim())
    expect(words.toSorted()).toEqual(['LAKE_MISMATCH', 'taken'])
    expect(await stampOf(root)).toMatchObject({ provenance: words[0] === 'taken' ? 'real' : 'synthetic' })
    expect(await unfinishedBelow(root)).toEqual([])
  })

  test('what a killed run left of it is replaced', async () => {
    const root = testRoot()
    await writeFile(join(root, 'lake.json.tmp'), '{"schema"')
    await claimProvenance(root, 'real')
    expect(await stampOf(root)).toMatchObject({ provenance: 'real' })
    expect(await unfinishedBelow(root)).toEqual([])
  })

  test.each(['', '{', '{"provenance":"real"}', '[]'])('that reads %j is refused as damaged', async (text) => {
    const root = testRoot()
    await writeFile(join(root, 'lake.json'), text)
    await expect(readStamp(root)).rejects.toThrow(IntegrityError)
    await expect(claimProvenance(root, 'real')).rejects.toThrow(join(root, 'lake.json'))
    expect(await readFile(join(root, 'lake.json'), 'utf8')).toBe(text)
  })

  test('of a newer tapelake is refused with a word about upgrading', async () => {
    const root = testRoot()
    const schema = { name: 'tapelake.lake', version: LAKE_FORMAT + 1 }
    await writeFile(
      join(root, 'lake.json'),
      JSON.stringify({ schema, provenance: 'real', createdAt: '2030-01-01' }),
    )
    await expect(readStamp(root)).rejects.toThrow(LakeMismatchError)
    await expect(readStamp(root)).rejects.toMatchObject({
      hint: expect.stringContaining('Upgrade') as string,
      exitCode: EXIT.usage,
    })
  })
})
