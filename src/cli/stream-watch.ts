import { messageOf } from '../core/errors.ts'
import type { Alert, Webhook } from '../monitor/alerts.ts'
import { heartbeatText } from '../monitor/heartbeat.ts'
import type { StreamHooks } from '../pipeline/stream/contract.ts'
import type { StreamHole } from '../pipeline/stream/holes.ts'
import type { LiveFeedEvents } from '../sources/polygon/socket/feed-contract.ts'
import type { SourceEvents } from '../sources/polygon/options.ts'
import type { RunContext } from './context.ts'
import { formatDuration, plural } from './format.ts'
import { sourceLog } from './source-log.ts'
import { openWebhook } from './webhook.ts'

/** Time of day in UTC, to the minute. */
export const timeOfDay = (ms: number): string => `${new Date(ms).toISOString().slice(11, 16)}Z`

const dayAndTime = (ms: number): string => `${new Date(ms).toISOString().slice(0, 10)} ${timeOfDay(ms)}`

/** `10:31Z to 10:36Z (cut)` */
export function holeText({ fromMs, toMs, cause, channel }: StreamHole): string {
  return `${channel} ${timeOfDay(fromMs)} to ${toMs === undefined ? 'now' : timeOfDay(toMs)} (${cause})`
}

/** Watches a stream: what people should see goes to stderr as notes, the rest to the log, alerts to the webhook. */
export class StreamWatch {
  readonly #context: RunContext
  readonly #webhook: Webhook | undefined

  /** @throws {ConfigError} when the file of the webhook's address cannot be read */
  constructor(context: RunContext) {
    this.#context = { ...context, logger: context.logger.child({ component: 'stream' }) }
    this.#webhook = openWebhook(context)
  }

  /** Resolves when every alert was delivered or given up. */
  async settled(): Promise<void> {
    await this.#webhook?.settled()
  }

  get sourceEvents(): SourceEvents {
    return sourceLog(this.#context.logger)
  }

  get hooks(): StreamHooks {
    const { logger } = this.#context
    return {
      onRecovered: ({ rows, lostBytes }) => {
        const torn = lostBytes > 0 ? `; ${plural(lostBytes, 'byte')} of its end could not be read` : ''
        this.#note(`recovered ${plural(rows, 'row')} from the journal of an earlier run${torn}`)
      },
      onWaiting: ({ session, waitMs }) =>
        this.#note(
          `waiting ${formatDuration(waitMs)} for the extended open of ${session.date} at ${timeOfDay(session.extendedOpenMs)}`,
        ),
      onReplayWaiting: ({ clockMs, session }) => {
        const clock = `nothing came yet; the feed's clock shows ${dayAndTime(clockMs)}`
        if (!session) return this.#note(`${clock}, the market is closed: waiting a little for a first event`)
        const isOpen = clockMs >= session.extendedOpenMs
        const until = isOpen ? '' : ` to open at ${timeOfDay(session.extendedOpenMs)}`
        this.#note(`${clock}: waiting for the session of ${session.date}${until}`)
      },
      onSession: ({ date, extendedCloseMs, earlyClose }) => {
        logger.setBindings({ session: date })
        const early = earlyClose ? ' (early close)' : ''
        this.#note(`recording the session of ${date} until ${timeOfDay(extendedCloseMs)}${early}`)
      },
      onFeed: this.#feedEvents(),
      onHole: (hole) => this.#note(`hole: ${holeText(hole)}`),
      onHoleClosed: (hole) =>
        this.#note(`hole closed: ${holeText(hole)}, ${plural(hole.rows, 'row')} from REST`),
      onFlushed: ({ rows, ms }) => logger.info({ rows, ms }, `committed: ${plural(rows, 'row')}`),
      onHeartbeat: (beat) => this.#note(heartbeatText(beat)),
      onAlert: (alert) => this.#alert(alert),
      onProblem: (what, error) => logger.warn({ err: error }, `${what}: ${messageOf(error)}`),
    }
  }

  #feedEvents(): LiveFeedEvents {
    const { logger } = this.#context
    let wasConnected = false // attempts that were refused do not count
    return {
      onAuthenticated: ({ delayed }) => {
        const late = delayed ? '; its events are 15 minutes late' : ''
        this.#note(`connected${wasConnected ? ' again' : ''}${late}`)
        wasConnected = true
      },
      onDelayedHost: ({ message }) =>
        this.#note(`the real-time host refused the key (${message}): delayed host`),
      onAck: ({ param, action }) => logger.debug({ param, action }, 'acknowledged'),
      onRefused: ({ param, message }) =>
        this.#alert({
          kind: 'refused',
          severity: 'warning',
          text: `stream: ${param} was refused: ${message}`,
        }),
      onUnanswered: ({ params }) => logger.warn({ params }, 'subscriptions without an answer'),
      onDisconnected: ({ cause, reason }) =>
        this.#note(`disconnected: ${cause}${reason ? ` (${reason})` : ''}`),
      onReconnecting: ({ waitMs, why }) =>
        this.#note(`connecting again in ${formatDuration(waitMs)}: ${why}`),
      onPaused: ({ paused, queuedBytes }) =>
        logger.warn({ queuedBytes }, paused ? 'the queue is full: not reading' : 'the queue has room again'),
      onUnknown: ({ status, message }) => logger.warn({ status }, `unknown status: ${message}`),
    }
  }

  #alert(alert: Alert): void {
    this.#context.logger.warn({ alert: alert.kind }, alert.text)
    this.#webhook?.send(alert)
  }

  /** With -v the log shows it. */
  #note(text: string): void {
    const { flags, out, logger } = this.#context
    if (flags.verbose === 0) out.note(text)
    logger.info(text)
  }
}
