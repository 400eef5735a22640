import { messageOf } from '../core/errors.ts'
import type { Logger } from '../core/logger.ts'
import type { SourceEvents } from '../sources/polygon/options.ts'
import { formatDuration } from './format.ts'

/** Waits shorter than this are not worth a line. */
const WORTH_A_LINE_MS = 5000

/** Log lines about requests, for commands that send a few. */
export function sourceLog(given: Logger): SourceEvents {
  const logger = given.child({ component: 'source' })
  return {
    onCall: ({ path, attempt }) => logger.debug({ path, attempt }, 'request'),
    onAnswer: (answer) => logger.debug(answer, 'answer'),
    onRetry: ({ error, attempt, waitMs }) =>
      logger.warn({ attempt, waitMs }, `${messageOf(error)}; next try in ${formatDuration(waitMs)}`),
    onWait: ({ waitMs, reason }) => {
      if (waitMs < WORTH_A_LINE_MS) return
      const why = reason === 'pause' ? 'the vendor asked to wait' : 'the call limit'
      logger.info({ waitMs }, `waiting ${formatDuration(waitMs)}: ${why}`)
    },
  }
}
