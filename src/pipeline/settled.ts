import { MS_PER_MINUTE } from '../market/time.ts'

/**
 * How long after its last minute a session is not asked for: plans with delayed data serve it 15 minutes late,
 * and an answer that came too early would be taken for the whole session.
 */
const PUBLICATION_MS = 20 * MS_PER_MINUTE

/** Sessions whose extended hours ended at or before this instant are whole at the vendor, at `nowMs`. */
export const settledBy = (nowMs: number): number => nowMs - PUBLICATION_MS
