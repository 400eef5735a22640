import { appendFileSync, readFileSync, writeFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { optionBars1m } from '../../src/market/datasets/options.ts'
import { ProgressLog, progressPath, readProgress } from '../../src/pipeline/option-progress.ts'
import { freshFolder } from '../support/cli.ts'

const SERIES = { dataset: optionBars1m, ticker: 'SPY' }
const DAY = '2025-06-05'
const entry = (contract: string) => ({ contract, rows: 1, bars: { timestamp: [1], vwap: [null] } })

test('what was appended is read back, without the line that a crash tore', async () => {
  const root = freshFolder()
  expect(await readProgress(root, SERIES, DAY)).toBeUndefined()
  const log = await ProgressLog.open(root, SERIES, DAY, new Map())
  await Promise.all([log.append(entry('A')), log.append(entry('B'))])
  const path = progressPath(root, SERIES, DAY)
  appendFileSync(path, '{"contract":"C","rows":1,"ba')
  expect([...(await readProgress(root, SERIES, DAY))!.values()]).toEqual([entry('A'), entry('B')])
  const again = await ProgressLog.open(root, SERIES, DAY, (await readProgress(root, SERIES, DAY))!)
  await again.append(entry('D'))
  expect([...(await readProgress(root, SERIES, DAY))!.keys()]).toEqual(['A', 'B', 'D'])
  await again.compact()
  expect([...(await readProgress(root, SERIES, DAY))!.values()]).toEqual(
    ['A', 'B', 'D'].map((contract) => ({ contract, rows: 1 })),
  )
})

test('progress of another format or version of the dataset counts as none', async () => {
  const root = freshFolder()
  await ProgressLog.open(root, SERIES, DAY, new Map([['A', entry('A')]]))
  const path = progressPath(root, SERIES, DAY)
  const text = readFileSync(path, 'utf8')
  writeFileSync(path, text.replace('"datasetVersion":1', '"datasetVersion":2'))
  expect(await readProgress(root, SERIES, DAY)).toBeUndefined()
  writeFileSync(path, 'nonsense\n')
  expect(await readProgress(root, SERIES, DAY)).toBeUndefined()
})
