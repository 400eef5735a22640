import { z } from 'zod'

const fieldNames = z
  .union([z.string(), z.array(z.string())])
  .transform((given) => (typeof given === 'string' ? given.split(',') : given).map((word) => word.trim()))
  .transform((words) => [...new Set(words.filter((word) => word !== ''))])

/** Settings of `drift`: what may change in a vendor's answers. */
export const drift = z.strictObject({
  contract: z
    .enum(['evolve', 'freeze', 'quarantine'])
    .default('evolve')
    .describe(
      'What happens to an answer whose fields are not those expected, where no list below names the field.',
    ),
  evolve: fieldNames
    .default([])
    .describe(
      'Fields (dataset.field) that may change: it is noted, and rows go on as far as they can be read.',
    ),
  freeze: fieldNames
    .default([])
    .describe('Fields (dataset.field) that must not change: an answer in which one does is refused.'),
  quarantine: fieldNames
    .default([])
    .describe('Fields (dataset.field) of which all rows of an answer go to quarantine when one changes.'),
  rangeRatio: z
    .number()
    .min(2)
    .default(50)
    .describe('How many times larger or smaller the usual value of a field counts as another unit.'),
  rawPages: z
    .int()
    .min(0)
    .default(50)
    .describe('Answers with changed fields that are kept for reprocess, at most.'),
  rawMb: z.int().min(0).default(64).describe('Space that they may take, compressed, MiB.'),
})

const share = z.number().positive()

/** Settings of `quality`: what lowers a score, and what a low one does. */
export const quality = z.strictObject({
  alertBelow: z
    .number()
    .min(0)
    .max(1)
    .default(0.8)
    .describe('Score of a session below which `quality` gives an alert.'),
  readMin: z
    .number()
    .min(0)
    .max(1)
    .default(0)
    .describe('Score below which `query` refuses to read a session; 0 = none. Also: --min-quality.'),
  historySessions: z
    .int()
    .min(5)
    .max(30)
    .default(20)
    .describe('Earlier sessions that tell what volume is usual.'),
  volumeRatio: share
    .min(1)
    .default(20)
    .describe('How many times the usual volume of a half hour, or which part of it, is out of keeping.'),
  spikeShare: share
    .default(0.02)
    .describe('Smallest move of a price that comes and goes within a bar to count as a spike; 0.02 is 2 %.'),
  spikeMoves: share.default(25).describe('How many times the typical move of a bar a spike is at least.'),
  overnightShare: share
    .default(0.25)
    .describe('Step from one session to the next that splits and dividends must explain; 0.25 is 25 %.'),
  staleBars: z
    .int()
    .min(2)
    .default(30)
    .describe('Bars in a row with one price, although much is traded, that count as stale.'),
  agreementShare: share
    .default(0.005)
    .describe('How far high, low and close may be off those of the daily bar; 0.005 is 0.5 %.'),
  agreementVolumeShare: share
    .default(0.1)
    .describe('How far the volume may be off that of the daily bar; 0.1 is 10 %.'),
})
