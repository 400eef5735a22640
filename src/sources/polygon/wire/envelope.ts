import { z } from 'zod'
import { WireError } from './cursor.ts'

const text = z.string().nullish()
const count = z.number().int().nonnegative().nullish()

/** What surrounds `results` in an answer; other fields are let through unread. */
const envelopeSchema = z.object({
  status: text,
  request_id: text,
  ticker: text,
  adjusted: z.boolean().nullish(),
  count,
  queryCount: count,
  resultsCount: count,
  next_url: text,
  error: text,
  message: text,
})
export type Envelope = z.infer<typeof envelopeSchema>

/** @throws {WireError} naming the field that is not what the vendor documents */
export function checkEnvelope(envelope: unknown): Envelope {
  const { success, data, error } = envelopeSchema.safeParse(envelope)
  if (success) return data
  const issue = error.issues[0]
  throw new WireError(`'${issue?.path.join('.') ?? ''}' of the answer: ${issue?.message ?? 'invalid'}`)
}
